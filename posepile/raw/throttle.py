"""A limit to the bytes per second that all connections of a process take together."""

import threading
import time

#: Seconds of the rate that may be taken at once after a pause.
_BURST = 0.25


class Throttle:
    """Makes callers wait so that together they keep to a rate.

    Args:
        rate: bytes per second.
    """

    def __init__(self, rate: float):
        if not rate > 0:
            raise ValueError(f'A rate of {rate} bytes per second lets nothing through')
        self.rate = rate
        self._lock = threading.Lock()
        self._paid_until = time.monotonic()

    def take(self, n_bytes: int, wait=time.sleep):
        """Wait until ``n_bytes`` more fit the rate; ``wait`` is called with seconds."""
        with self._lock:
            now = time.monotonic()
            self._paid_until = max(self._paid_until, now - _BURST) + n_bytes / self.rate
            ahead = self._paid_until - now
        if ahead > 0:
            wait(ahead)
