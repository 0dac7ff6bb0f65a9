"""Runs the tasks of a step as processes of this machine."""

import signal
import sys
import time
from collections import deque
from typing import NamedTuple

from posepile.cluster import process, recovery, resources
from posepile.cluster.errors import Interrupted, TaskFailed
from posepile.cluster.progress import count, say, show_progress
from posepile.cluster.signals import Signals
from posepile.cluster.slurm.queue import refuse_if_queued
from posepile.cluster.state import DONE, FAILED
from posepile.cluster.task import Task, end_tasks, task_environment
from posepile.cluster.watchdog import Watchdog

#: How many tasks a step is cut into per task that runs at a time: enough for uneven tasks to
#: balance and for little to be repeated after an interruption.
_TASKS_PER_JOB = 4

_SECONDS_BETWEEN_LOOKS = 0.5


class LocalExecutor:
    """Executor of steps on this machine.

    Args:
        lifelines: process numbers; a run ends as soon as one of them has.
    """

    detached = False

    def __init__(self, lifelines=()):
        self.lifelines = [process.identity(pid) for pid in lifelines]

    def n_tasks(self, request) -> int:
        """Into how many tasks a step is cut at its first start, if it can be cut at will."""
        chosen = resources.positive_int_from_env('POSEPILE_TASKS')
        # Loading a network takes long, and its tasks lose nothing when they are interrupted.
        tasks_per_job = 1 if request.gpu else _TASKS_PER_JOB
        return chosen or tasks_per_job * _allot(request).at_a_time

    def run(self, request, state, only=None) -> bool:
        """Run all tasks that are not done.

        Args:
            only: numbers of the tasks to run; by default all.

        Raises:
            TaskFailed: after the tasks that ran beside the failed one have ended.
            Interrupted: after all running tasks were ended; they are pending again.
            PosePileError: if a task cannot be started.
        """
        refuse_if_queued(request.dataset)
        recovery.clear_dead_tasks(state)
        run = _Run(request, state, self.lifelines, only)
        with Signals() as signals, Watchdog() as watchdog:
            try:
                run.work(signals, watchdog)
            finally:
                end_tasks(run.running.values(), signals, lambda t: watchdog.forget(t.pid))
        if run.failed:
            raise TaskFailed(request.name, run.failed, run.n_tasks)
        return True


class _Run:
    """One start of a step."""

    def __init__(self, request, state, lifelines, only=None):
        record = state.read()
        self.request = request
        self.state = state
        self.lifelines = lifelines
        self.title = f'{request.dataset} {request.name}'
        self.n_tasks = record['n_tasks']
        undone = [i for i, mark in enumerate(state.marks()) if mark['state'] != DONE]
        self.todo = deque(i for i in undone if only is None or i in only)
        self.n_done = self.n_tasks - len(undone)
        self.allotment = _allot(request, len(self.todo))
        self.running = {}  # slot -> Task; a slot is a place among those that run at a time
        self.failed = []

    def work(self, signals, watchdog):
        last_refresh = time.monotonic()
        with show_progress(self.title, self.n_tasks, self.n_done) as progress:
            while True:
                self._start_tasks(watchdog)
                if not self.running:
                    return
                progress.update(self.n_done, list(self.running.values()))
                signals.wait(_SECONDS_BETWEEN_LOOKS)
                self._collect_tasks(watchdog)
                if signals.received is not None:
                    raise Interrupted(signals.received)
                if not all(map(process.is_alive, self.lifelines)):
                    raise Interrupted(signal.SIGHUP)
                if time.monotonic() - last_refresh > recovery.SECONDS_BETWEEN_REFRESHES:
                    last_refresh = time.monotonic()
                    for task in self.running.values():
                        task.refresh_mark()

    def _start_tasks(self, watchdog):
        for slot in range(self.allotment.at_a_time):
            if slot in self.running or not self.todo or self.failed:
                continue
            i_task = self.todo.popleft()
            env = task_environment(
                self.request.dataset,
                self.request.name,
                i_task,
                self.n_tasks,
                self.allotment.n_threads,
            )
            if self.allotment.gpus:
                env['CUDA_VISIBLE_DEVICES'] = self.allotment.gpus[slot]
            task = Task(self.state, i_task, self.request.command, env)
            self.running[slot] = task
            watchdog.watch(task.pid)

    def _collect_tasks(self, watchdog):
        for slot, task in list(self.running.items()):
            mark = task.poll()
            if mark is None:
                continue
            del self.running[slot]
            watchdog.forget(task.pid)
            if mark['state'] == FAILED:
                self.failed.append(task.i_task)
                say(f'{self.title}: task {task.i_task} failed ({mark["problem"]})')
                if self.running:
                    say(f'{self.title}: waiting for {count(len(self.running), "running task")}')
            else:
                self.n_done += 1


class _Allotment(NamedTuple):
    """Number of tasks at a time, threads of each, and the GPU of each slot (empty: none)."""

    at_a_time: int
    n_threads: int
    gpus: list[str]


def _allot(request, n_tasks=sys.maxsize):
    jobs = resources.n_jobs()
    gpus = resources.visible_gpus() if request.gpu else []
    if request.gpu:
        # Without a GPU it is for the task to say whether the CPU will do; two at once would not.
        at_a_time = min(jobs, len(gpus)) or 1
    else:
        at_a_time = max(1, jobs // (request.cpus or 1))
    at_a_time = min(at_a_time, request.max_parallel or at_a_time, n_tasks)
    n_threads = max(1, min(jobs, resources.n_cores()) // at_a_time)
    return _Allotment(at_a_time, min(n_threads, request.cpus or n_threads), gpus)
