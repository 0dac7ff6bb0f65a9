"""One runner per product: a lock on ``$DATA_ROOT/.posepile/<dataset>/.lock``.

The lock is an ``flock`` on a file descriptor that ``main.sh`` opens and its steps inherit. It is
free as soon as all of them have ended, however they ended. The file says who holds it.
"""

import contextlib
import fcntl
import json
import os
import os.path as osp
import sys
import time

from posepile.cluster import process
from posepile.cluster.errors import LockedError
from posepile.cluster.slurm.queue import refuse_if_queued
from posepile.cluster.state import read_json
from posepile.paths import state_dir

#: How long the processes of a killed runner may take to notice it and end.
_SECONDS_TO_END = 30


def lock_path(dataset) -> str:
    return osp.join(state_dir(dataset), '.lock')


def open_lock(dataset) -> int:
    """Create the lock file of a product where missing; returns a new file descriptor of it."""
    os.makedirs(state_dir(dataset), exist_ok=True)
    return os.open(lock_path(dataset), os.O_RDWR | os.O_CREAT, 0o666)


def acquire(dataset, fd, pids):
    """Lock the file descriptor ``fd`` of the lock file in the name of the processes ``pids``.

    Raises:
        LockedError: if another run holds it; names its host and process.
    """
    deadline = time.monotonic() + _SECONDS_TO_END
    told = False
    while not _try_lock(fd):
        holder = read_json(lock_path(dataset)) or {}
        # A run of which a part was killed is about to end by itself.
        if not _is_ending(holder) or time.monotonic() > deadline:
            raise LockedError(_describe(dataset, holder))
        if not told:
            print(f'{dataset}: waiting for the processes of a killed run to end', file=sys.stderr)
            told = True
        time.sleep(0.1)

    holder = {
        'host': process.hostname(),
        'pid': pids[-1],
        'processes': [process.identity(pid) for pid in pids],
        'since': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
    }
    # In place: a renamed file would no longer be the locked one.
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(holder).encode(), 0)


@contextlib.contextmanager
def held(datasets):
    """Hold the locks of these products for the length of a block, in this process.

    Raises:
        LockedError: if another run holds one of them.
    """
    with contextlib.ExitStack() as stack:
        for dataset in sorted(datasets):  # everybody in the same order
            fd = open_lock(dataset)
            stack.callback(os.close, fd)
            acquire(dataset, fd, [os.getpid()])
            refuse_if_queued(dataset)
            stack.callback(os.ftruncate, fd, 0)
        yield


def holder(dataset) -> dict | None:
    """Who works on the product, as far as this host can tell; None if nobody does."""
    content = read_json(lock_path(dataset))
    if not content or content['host'] != process.hostname():
        return None
    return content if all(map(process.is_alive, content['processes'])) else None


def _try_lock(fd):
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:  # network file systems mounted without locks
        print(
            f'posepile: warning: the file system of DATA_ROOT has no locks ({e.strerror}); '
            'never start two runs of one dataset at the same time',
            file=sys.stderr,
        )
    return True


def _is_ending(holder):
    return holder.get('host') == process.hostname() and not all(
        map(process.is_alive, holder['processes'])
    )


def _describe(dataset, holder):
    who = 'another run'
    if holder:
        who = f'process {holder["pid"]} on {holder["host"]}, since {holder["since"]}'
    return (
        f'{dataset} is being worked on by {who}. Wait for it or end it; '
        f'"posepile status {dataset}" shows how far it is. (Lock: {lock_path(dataset)})'
    )
