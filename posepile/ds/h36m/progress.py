"""Telling how far a download is: bars on a terminal, a line now and then anywhere else."""

import sys
import threading
import time

#: Seconds between two lines about the same file.
_EVERY = 30


class Progress:
    """Of each file and of all of them, on standard error.

    Args:
        n_files: number of files to fetch.
        is_terminal: whether to draw bars; by default, if standard error is a terminal.
    """

    def __init__(self, n_files, is_terminal=None):
        self._n_files = n_files
        self._n_done = 0
        self._n_bytes = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._bars = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._bar = self._total = None
        if self._bars:
            from tqdm import tqdm

            self._total = tqdm(desc='total', total=n_files, unit='file', position=0)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._bars:
            self._close_bar()
            self._total.close()

    def begin(self, name):
        """A file is about to be fetched."""
        self._name = name
        self._first = None
        self._told_at = self._begun_at = time.monotonic()
        if self._bars:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=name, unit='B', unit_scale=True, position=1, leave=False, mininterval=0.2
            )
        else:
            self.say(f'{self._name}: fetching, file {self._n_done + 1} of {self._n_files}')

    def update(self, n_present, size):
        """So many bytes of the file are there, of ``size`` (None if unknown)."""
        with self._lock:
            if self._first is None:
                self._first = n_present
            if self._bars:
                self._bar.total = size
                self._bar.n = n_present
                self._bar.update(0)
                return
            now = time.monotonic()
            if now - self._told_at < _EVERY:
                return
            self._told_at = now
            rate = max(0, n_present - self._first) / max(now - self._begun_at, 1e-9)
            share = f'{n_present / size:.0%} of {_amount(size)}' if size else _amount(n_present)
            self.say(
                f'{self._name}: {share}, {_amount(rate)}/s; '
                f'in total {self._n_done} of {self._n_files} files'
            )

    def end(self, size):
        """The file is complete and has been checked."""
        self._n_done += 1
        self._n_bytes += size
        if self._bars:
            self._close_bar()
            self._total.update()
            self._total.set_postfix_str(_amount(self._n_bytes))
        else:
            seconds = time.monotonic() - self._started
            self.say(
                f'{self._name}: complete, {_amount(size)}; in total {self._n_done} of '
                f'{self._n_files} files, {_amount(self._n_bytes)} in {seconds:.0f} s'
            )

    def say(self, text):
        """Print a line, above the bars if there are any."""
        if self._bars:
            self._total.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def _close_bar(self):
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _amount(n_bytes):
    for unit in ('B', 'kB', 'MB'):
        if n_bytes < 1000:
            return f'{n_bytes:.3g} {unit}'
        n_bytes /= 1000
    return f'{n_bytes:.1f} GB'
