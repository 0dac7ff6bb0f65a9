"""Waiting for children and for requests to stop, without threads and without polling."""

import os
import select
import signal


class Signals:
    """Context manager that turns SIGINT, SIGTERM and SIGHUP into :attr:`received`.

    :meth:`wait` returns early on any of them and whenever a child ends. Main thread only.

    Args:
        others: further signals to heed.
    """

    def __init__(self, *others):
        self.signums = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *others)
        #: The first stop signal that arrived, or None.
        self.received = None

    def __enter__(self):
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._old_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old = {signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None)}
        for signum in self.signums:
            # nohup asks for a run that outlives its terminal by having SIGHUP ignored.
            if signum == signal.SIGHUP and signal.getsignal(signum) == signal.SIG_IGN:
                continue
            self._old[signum] = signal.signal(signum, self._receive)
        return self

    def __exit__(self, *_):
        for signum, handler in self._old.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._old_fd)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds):
        """Sleep for ``seconds`` or until a signal arrives."""
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)

    def _receive(self, signum, frame):
        self.received = self.received or signum
