"""How a step can end before it is done."""

import signal

from posepile.errors import PosePileError


class TaskFailed(PosePileError):
    """Tasks ended with an error; ``failed`` holds their numbers."""

    def __init__(self, step, failed, n_tasks):
        self.failed = sorted(failed)
        others = f' and {len(failed) - 1} more' if len(failed) > 1 else ''
        super().__init__(f'step {step}: task {self.failed[0]}{others} of {n_tasks} failed')


class Interrupted(PosePileError):
    """The runner was asked to stop, or a process for which it works has ended."""

    def __init__(self, signum):
        self.signum = signum
        super().__init__(f'interrupted by {signal.Signals(signum).name}')


class LockedError(PosePileError):
    """Another run works on the same product."""
