"""Tasks that are marked as running although their runner is gone."""

import os
import time

from posepile.cluster import process
from posepile.cluster.lock import lock_path
from posepile.cluster.state import RUNNING
from posepile.cluster.watchdog import kill_group
from posepile.errors import PosePileError

#: A runner touches the marks of its running tasks this often.
SECONDS_BETWEEN_REFRESHES = 30

#: A mark of another host that is older than this belongs to a dead runner.
_SECONDS_UNTIL_DEAD = 120

_SECONDS_TO_DIE = 10


def clear_dead_tasks(state):
    """Make the tasks of a dead runner pending again. The caller holds the dataset's lock.

    Processes of this host that survived their runner are killed first. Those of another host
    cannot be seen; they are dead if their mark was not touched for two minutes.

    Raises:
        PosePileError: if a task still runs and cannot be ended from here.
    """
    for i_task, mark in enumerate(state.marks()):
        if mark['state'] != RUNNING:
            continue
        if 'job' in mark:
            pass  # the caller has made sure that no Slurm job is left
        elif mark['host'] == process.hostname():
            _end_survivor(state, i_task, mark)
        else:
            _check_other_host(state, i_task, mark)
        state.clear_mark(i_task)


def _end_survivor(state, i_task, mark):
    deadline = time.monotonic() + _SECONDS_TO_DIE
    while process.is_alive(mark):
        if time.monotonic() > deadline:
            raise PosePileError(
                f'Task {i_task} of step {state.name} still runs as process {mark["pid"]} and '
                'cannot be ended. End it, then run again.'
            )
        kill_group(mark['pid'])
        time.sleep(0.02)


def _check_other_host(state, i_task, mark):
    # Both times from the file server, whose clock may differ from ours.
    os.utime(lock_path(state.dataset))
    now = os.stat(lock_path(state.dataset)).st_mtime
    age = now - os.stat(state.mark_path(i_task)).st_mtime
    if age < _SECONDS_UNTIL_DEAD:
        raise PosePileError(
            f'Task {i_task} of step {state.name} seems to run on {mark["host"]} (last sign of '
            f'life {age:.0f} s ago). If that run was killed, run again in '
            f'{_SECONDS_UNTIL_DEAD - age:.0f} s.'
        )
