"""Ends the tasks of a runner that was killed.

The runner starts this file as a process and writes ``+PID`` and ``-PID`` lines to it: the process
groups that its tasks lead. When the pipe closes without a farewell, the runner is gone and could
not clean up; what is left is killed, so that a restarted run is alone with its files. Tasks
replace their outputs atomically, so a kill leaves nothing half-written.
"""

import contextlib
import os
import signal
import subprocess
import sys


class Watchdog:
    """Context manager around the life of tasks: :meth:`watch` after start, :meth:`forget` after
    end."""

    def __enter__(self):
        # -I -S: no site-packages, so that it is up in a few milliseconds. Its own session keeps
        # it out of reach of the Ctrl-C and of the kill -9 of the terminal's group.
        self.process = subprocess.Popen(
            [sys.executable, '-I', '-S', os.path.abspath(__file__)],
            stdin=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        return self

    def watch(self, pid):
        self._tell(f'+{pid}')

    def forget(self, pid):
        self._tell(f'-{pid}')

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def _tell(self, line):
        # Should somebody have killed it, the tasks go on: recovery.py is the second safety net.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f'{line}\n'.encode())


def kill_group(pid, signum=signal.SIGKILL):
    """Send a signal to the process group led by ``pid``, which may have ended."""
    try:
        os.killpg(pid, signum)
    except ProcessLookupError:
        return


def _main():
    watched = set()
    for line in sys.stdin:
        if line.startswith('+'):
            watched.add(int(line))
        elif line.startswith('-'):
            watched.discard(-int(line))
    for pid in watched:
        kill_group(pid)


if __name__ == '__main__':
    _main()
