"""``posepile cancel NAME``: end what works on a product."""

import os
import signal
import time

from posepile.cluster import process
from posepile.cluster.lock import holder, lock_path
from posepile.cluster.slurm import commands
from posepile.cluster.slurm.queue import queue_of, unfinished_steps
from posepile.cluster.state import read_json
from posepile.errors import PosePileError
from posepile.paths import check_data_root
from posepile.registry import find_dataset

HELP = """\
End the run of a pipeline: its process on this machine, and its jobs in Slurm's queue. What is done
is kept, and "posepile run" continues."""

_SECONDS_TO_END = 60


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', help='a dataset or variant')


def run(args):
    check_data_root()
    name = find_dataset(args.name).name
    ended = _end_runner(name)
    jobs = _cancel_jobs(name)
    if ended:
        print(f'{name}: its run (process {ended}) has ended')
    if jobs:
        print(f'{name}: cancelled Slurm job {", ".join(jobs)}')
    if not ended and not jobs:
        elsewhere = read_json(lock_path(name)) or {}
        if elsewhere.get('host') not in (None, process.hostname()):
            print(f'{name}: nothing runs here; it was last run on {elsewhere["host"]}')
        else:
            print(f'{name}: nothing is at work')


def _end_runner(name):
    """Ask the process that holds the lock to end, and wait for it; returns its number or None."""
    runner = holder(name)
    if runner is None:
        return None
    os.kill(runner['pid'], signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS_TO_END
    while any(map(process.is_alive, runner['processes'])):
        if time.monotonic() > deadline:
            raise PosePileError(f'Process {runner["pid"]} does not end. End it by hand: kill -9.')
        time.sleep(0.1)
    return runner['pid']


def _cancel_jobs(name):
    """Cancel the jobs of a product and wait until they are gone; returns their numbers."""
    states = unfinished_steps(name)
    jobs = _jobs(states)
    commands.cancel(jobs)
    deadline = time.monotonic() + _SECONDS_TO_END
    while _jobs(states):
        if time.monotonic() > deadline:
            raise PosePileError(f'Slurm has not ended the jobs {", ".join(jobs)} yet.')
        time.sleep(1)
    return jobs


def _jobs(states):
    tasks = (task for tasks in queue_of(states).values() for task in tasks.values())
    return sorted({task.job for task in tasks}, key=int)
