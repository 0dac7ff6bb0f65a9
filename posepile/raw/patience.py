"""How often, and after which pauses, something that fails over the network is tried again."""

import re
import time

import requests
import urllib3

from posepile.raw.responses import DownloadError, Dropped

#: Seconds to wait after each failure in a row.
BACKOFF = (1, 2, 4, 8, 16, 32)
#: Failures that may pass by themselves.
PASSING = (Dropped, requests.RequestException, urllib3.exceptions.HTTPError)


class Patience:
    """Counts failures in a row.

    Args:
        what: names the matter in the final error.
        wait: called with seconds to wait.
        progress: gives a number that grows as long as it makes sense to go on.
    """

    def __init__(self, what, wait=time.sleep, progress=lambda: 0):
        self._what = what
        self._wait = wait
        self._progress = progress
        self._seen = progress()
        self._n_in_a_row = 0
        self._n_in_vain = 0

    def succeeded(self):
        self._n_in_a_row = self._n_in_vain = 0

    def failed(self, error):
        """Wait before the next attempt.

        Raises:
            DownloadError: too many failures, during which nothing went forward, or one that will
                not pass.
        """
        if isinstance(error, (ValueError, requests.exceptions.TooManyRedirects)):
            raise DownloadError(f'{self._what}: {_reason(error)}') from error
        progress = self._progress()
        self._n_in_a_row += 1
        self._n_in_vain = 1 if progress > self._seen else self._n_in_vain + 1
        self._seen = max(progress, self._seen)
        if self._n_in_vain > len(BACKOFF):
            raise DownloadError(
                f'{self._what}: failed {self._n_in_vain} times in a row, last with: '
                f'{_reason(error)}. Check the network, then run again to continue where it stopped.'
            ) from error
        pause = BACKOFF[min(self._n_in_a_row, len(BACKOFF)) - 1]
        self._wait(max(pause, getattr(error, 'wait', 0)))


def _reason(error):
    if isinstance(error, Dropped):
        return str(error)
    # A server can repeat in an address what it was told; people paste errors into bug reports.
    return f'{type(error).__name__}: ' + re.sub(r'\?[^\s)]*', '?...', str(error))
