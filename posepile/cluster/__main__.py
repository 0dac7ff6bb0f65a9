"""The part of ``functions.sh`` that is easier said in Python.

``begin``: check what can be checked before the first step, print the product and its lock file.
``lock``: lock the inherited file descriptor, and forget the steps that are to be done again.
``step``: run one step. ``task``: run one of its tasks inside a Slurm job.
"""

import os
import sys

from posepile.cluster import lock
from posepile.cluster.begin import begin
from posepile.cluster.errors import Interrupted
from posepile.cluster.force import forget_forced_steps
from posepile.cluster.plan import plan_of
from posepile.cluster.request import parse_request
from posepile.cluster.slurm.queue import refuse_if_queued
from posepile.cluster.step import make_executor, run_step
from posepile.errors import OptionError
from posepile.paths import check_data_root
from posepile.program import run_program
from posepile.registry import read_dataset


def main(argv=None) -> int:
    return run_program(_dispatch, sys.argv[1:] if argv is None else argv)


def _dispatch(words):
    try:
        if words[:1] == ['begin']:
            if len(words) not in (3, 4):
                raise OptionError(
                    f'A main.sh takes at most one argument, a variant; given were {words[3:]}.'
                )
            dataset = begin(*words[1:])
            print(dataset)
            print(lock.lock_path(dataset))
        elif words[:1] == ['lock']:
            dataset = os.environ['POSEPILE_DATASET']
            lock.acquire(dataset, int(words[1]), _lifelines())
            if os.environ.get('POSEPILE_FORCE'):
                refuse_if_queued(dataset)
            forget_forced_steps(dataset, _step_names(dataset))
        elif words[:1] == ['step']:
            _step(words[1:])
        elif words[:1] == ['task']:
            from posepile.cluster.slurm.task import run_task

            return run_task(*words[1:])
        else:
            raise OptionError('usage: python -m posepile.cluster begin|lock|step|task ...')
    except Interrupted as e:
        return 128 + e.signum


def _step(words):
    dataset = os.environ.get('POSEPILE_DATASET')
    if not dataset:
        raise OptionError('POSEPILE_DATASET is not set; "begin NAME" in a main.sh sets it.')
    request = parse_request(dataset, words)
    executor = make_executor(_lifelines())
    if os.environ.get('POSEPILE_LOCK_FD'):  # below a main.sh, which holds the lock
        script = os.environ.get('POSEPILE_SCRIPT')
        run_step(request, executor, script, _step_names(dataset) if script else ())
        return
    check_data_root()
    fd = lock.open_lock(dataset)
    try:
        lock.acquire(dataset, fd, [*_lifelines(), os.getpid()])
        forget_forced_steps(dataset)
        run_step(request, executor)
    finally:
        os.close(fd)


def _step_names(dataset):
    """The steps of the running main.sh, in order."""
    folder = os.path.dirname(os.environ['POSEPILE_SCRIPT'])
    infos = {info.name: info for info in read_dataset(folder)}
    return [step.name for step in plan_of(infos[dataset])]


def _lifelines():
    """The processes without which this one has no reason to go on."""
    return [int(pid) for pid in os.environ.get('POSEPILE_WATCH_PIDS', '').split()]


if __name__ == '__main__':
    sys.exit(main())
