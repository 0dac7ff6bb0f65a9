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
from posepile.cluster.state import DONE, FAILED
from posepile.cluster.task import Task, task_environment
from posepile.cluster.watchdog import Watchdog

#: How many tasks a step is cut into per task that runs at a time: enough for uneven tasks to
#: balance and for little to be repeated after an interruption.
_TASKS_PER_JOB = 4

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_TERMINATE = 5


class LocalExecutor:
    """Executor of steps on this machine.

    An executor has two methods, :meth:`n_tasks` and :meth:`run`; what is the same for all of them
    is in :mod:`posepile.cluster.step`.

    Args:
        lifelines: process numbers; a run ends as soon as one of them has.
    """

    def __init__(self, lifelines=()):
        self.lifelines = [process.identity(pid) for pid in lifelines]

    def n_tasks(self, request) -> int:
        """Into how many tasks a step is cut at its first start, if it can be cut at will."""
        chosen = resources.positive_int_from_env('POSEPILE_TASKS')
        # Loading a network takes long, and its tasks lose nothing when they are interrupted.
        tasks_per_job = 1 if request.gpu else _TASKS_PER_JOB
        return chosen or tasks_per_job * _allot(request).at_a_time

    def run(self, request, state):
        """Run all tasks that are not done.

        Raises:
            TaskFailed: after the tasks that ran beside the failed one have ended.
            Interrupted: after all running tasks were ended; they are pending again.
            PosePileError: if a task cannot be started.
        """
        recovery.clear_dead_tasks(state)
        run = _Run(request, state, self.lifelines)
        with Signals() as signals, Watchdog() as watchdog:
            try:
                run.work(signals, watchdog)
            finally:
                run.end_tasks(signals, watchdog)
        if run.failed:
            raise TaskFailed(request.name, run.failed, run.n_tasks)


class _Run:
    """One start of a step."""

    def __init__(self, request, state, lifelines):
        record = state.read()
        self.request = request
        self.state = state
        self.lifelines = lifelines
        self.title = f'{request.dataset} {request.name}'
        self.n_tasks = record['n_tasks']
        self.todo = deque(i for i in range(self.n_tasks) if state.mark(i)['state'] != DONE)
        self.n_done = self.n_tasks - len(self.todo)
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
            env = task_environment(self.request, i_task, self.n_tasks, self.allotment.n_threads)
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

    def end_tasks(self, signals, watchdog):
        """End the tasks that still run, politely first, then by force."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for task in self.running.values():
                task.signal(signum)
            deadline = time.monotonic() + _SECONDS_TO_TERMINATE
            while self.running and (signum == signal.SIGKILL or time.monotonic() < deadline):
                for slot, task in list(self.running.items()):
                    if task.reap_without_mark():
                        del self.running[slot]
                        watchdog.forget(task.pid)
                if self.running:
                    signals.wait(0.1)


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
