"""Runs one task inside a Slurm job: what the script of every array job ends with."""

import contextlib
import fcntl
import os
import signal
import sys
import time

from posepile.cluster import resources
from posepile.cluster.recovery import SECONDS_BETWEEN_REFRESHES
from posepile.cluster.signals import Signals
from posepile.cluster.slurm import commands
from posepile.cluster.state import DONE, FAILED, StepState
from posepile.cluster.task import Task, end_tasks, task_environment
from posepile.cluster.watchdog import Watchdog
from posepile.errors import PosePileError

#: By this signal Slurm announces that the time limit is near.
_TIME_IS_SHORT = signal.SIGUSR1

_SECONDS_TO_BE_REQUEUED = 60
_SECONDS_UNTIL_FREE = 60
_SECONDS_BETWEEN_SIGNALS = 1


def run_task(dataset, step, offset) -> int:
    """Run the task that this job is for, and write its mark; returns the exit status.

    Args:
        offset: what to add to the index within the array job.

    A task that Slurm ends becomes pending again, and one that comes near its time limit goes back
    into the queue, from where it continues.
    """
    state = StepState(dataset, step)
    i_task = int(offset) + int(os.environ['SLURM_ARRAY_TASK_ID'])
    job = f'{os.environ["SLURM_ARRAY_JOB_ID"]}_{os.environ["SLURM_ARRAY_TASK_ID"]}'
    record = state.read()
    if not i_task < (record.get('n_tasks') or 0):
        raise PosePileError(f'Step {step} of {dataset} has no task {i_task}; it was started anew.')
    own_output = state.early_log_path(job)
    with _sole_writer(state.log_path(i_task)):
        if state.mark(i_task)['state'] == DONE:
            print(f'task {i_task} was done before')
            return 0
        mark, received = _attend(state, i_task, job, record)
        if received is None:  # whatever is to be said is in the mark and in the task's log
            with contextlib.suppress(FileNotFoundError):
                os.remove(own_output)
            return 0 if mark['state'] == DONE else 1
        if received == _TIME_IS_SHORT:
            _go_on_later(state, i_task, job)
    return 128 + received


def _attend(state, i_task, job, record):
    """Run the task until it ends or a signal arrives.

    Returns:
        Its mark and None, or (when it was ended and is pending again) None and the signal.
    """
    n_threads = _allotted_cores()
    env = task_environment(state.dataset, state.name, i_task, record['n_tasks'], n_threads)
    with Signals(_TIME_IS_SHORT) as signals, Watchdog() as watchdog:
        task = Task(state, i_task, record['command'], env, job=job)
        watchdog.watch(task.pid)
        refreshed = time.monotonic()
        while True:
            signals.wait(SECONDS_BETWEEN_REFRESHES)
            if signals.received is None and _ended_badly(task.pid):
                # Slurm ends a job's processes in any order, and this one may be next.
                signals.wait(_SECONDS_BETWEEN_SIGNALS)
            mark = None if signals.received else task.poll()
            if mark is not None:
                watchdog.forget(task.pid)
                return mark, None
            if signals.received is not None:
                end_tasks([task], signals)
                watchdog.forget(task.pid)
                return None, signals.received
            if time.monotonic() - refreshed > SECONDS_BETWEEN_REFRESHES:
                refreshed = time.monotonic()
                task.refresh_mark()


def _ended_badly(pid) -> bool:
    """Whether a child has ended with an error; it is not waited for."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return end is not None and (end.si_code, end.si_status) != (os.CLD_EXITED, 0)


def _go_on_later(state, i_task, job):
    """Put this job back into the queue, unless it has been there too often."""
    n_before = int(os.environ.get('SLURM_RESTART_COUNT') or 0)
    most = int(os.environ.get('POSEPILE_REQUEUES') or 0)
    problem = f'it ran into its time limit {n_before + 1} times; give it a longer one'
    if n_before < most:
        print(f'task {i_task}: the time limit is near, back into the queue', flush=True)
        try:
            commands.requeue(job)
        except commands.SlurmError as e:
            problem = f'it ran into its time limit and could not be requeued: {e}'
        else:
            time.sleep(_SECONDS_TO_BE_REQUEUED)  # Slurm ends this process
            return
    state.set_mark(i_task, FAILED, exit_code=None, problem=problem, log=state.log_path(i_task),
                   seconds=0, job=job)  # fmt: skip


@contextlib.contextmanager
def _sole_writer(log_path):
    """Hold a lock on a task's log, so that two jobs never run the same task at a time.

    Raises:
        PosePileError: if another process holds it and does not end.
    """
    deadline = time.monotonic() + _SECONDS_UNTIL_FREE
    fd = os.open(log_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PosePileError(f'Another process runs the task of {log_path}.') from None
                time.sleep(0.5)
            except OSError as e:  # a network file system mounted without locks
                print(f'{log_path} cannot be locked: {e.strerror}', file=sys.stderr)
                break
        yield
    finally:
        os.close(fd)


def _allotted_cores():
    for name in ('SLURM_CPUS_PER_TASK', 'SLURM_CPUS_ON_NODE'):
        n = resources.positive_int_from_env(name)
        if n:
            return n
    return 1
