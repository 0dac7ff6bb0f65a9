"""Runs the tasks of a step as array jobs of Slurm."""

import shutil
import signal
import time
from collections import namedtuple

from posepile.cluster import process, resources
from posepile.cluster.errors import Interrupted, TaskFailed
from posepile.cluster.local import LocalExecutor
from posepile.cluster.progress import count, say, show_progress
from posepile.cluster.signals import Signals
from posepile.cluster.slurm import commands
from posepile.cluster.slurm.commands import CONTINUABLE, SlurmError, SlurmSilence
from posepile.cluster.slurm.config import read_config
from posepile.cluster.slurm.ended import describe_end
from posepile.cluster.slurm.queue import queue_of
from posepile.cluster.slurm.submission import Submission
from posepile.cluster.state import DONE, FAILED, MarkReader, StepState, running_tasks, steps_of
from posepile.errors import OptionError, PosePileError

#: How long a finished task's mark may take to come through a network file system.
_SECONDS_FOR_MARKS = 10

#: How often tasks that Slurm ended, for reasons of its own, are submitted again.
_MOST_ROUNDS = 5

_SECONDS_TO_CANCEL = 60
_MOST_FAILURES_TOLD = 5

_Running = namedtuple('_Running', 'log_path')


class SlurmExecutor:
    """Executor of steps as array jobs.

    Args:
        lifelines: process numbers; a run that waits for its jobs cancels them and ends as soon as
            one of these processes has.
        detached: submit and return at once. Later steps then depend on earlier ones.
    """

    def __init__(self, lifelines=(), detached=False):
        self.lifelines = lifelines
        if not shutil.which('sbatch'):
            raise SlurmError(
                'The command sbatch is not here. Run this on a login node of the Slurm cluster, or '
                'without Slurm: POSEPILE_EXECUTOR=local.'
            )
        self.detached = detached
        self.config = read_config()

    def n_tasks(self, request) -> int:
        """Into how many tasks a step is cut at its first start, if it can be cut at will."""
        if request.name in self.config.settings(request).here:
            return LocalExecutor(self.lifelines).n_tasks(request)
        return resources.positive_int_from_env('POSEPILE_TASKS') or request.tasks

    def run(self, request, state, only=None) -> bool:
        """Submit all tasks that are neither done nor in the queue, and wait unless detached.

        Args:
            only: numbers of the tasks to run; by default all.

        Raises:
            TaskFailed: after all tasks have ended.
            Interrupted: after the jobs were cancelled; their tasks are pending again.
            SlurmError: if Slurm refuses the jobs.
        """
        if request.name in self.config.settings(request).here:
            return self._run_here(request, state, only)
        if self.detached:
            dependencies = self._dependencies(request)
            submitted = Submission(self.config, request, state, dependencies).submit(only)
            if submitted:
                say(f'{request.dataset} {request.name}: submitted as {_jobs_text(submitted)}')
            else:
                say(f'{request.dataset} {request.name}: all that is missing is in the queue')
            return False
        _Attended(self.config, request, state, self.lifelines, only).run()
        return True

    def _run_here(self, request, state, only):
        waiting = self._dependencies(request) if self.detached else []
        if waiting:
            raise OptionError(
                f'Step {request.name} runs where posepile was started ("here" in cluster.toml), '
                'and so cannot wait in the queue for earlier steps. Run once without --detach '
                f'(until then: posepile run {request.dataset} --until ...), or take it out of '
                '"here".'
            )
        return LocalExecutor(self.lifelines).run(request, state, only)

    def _dependencies(self, request):
        """Jobs in the queue that have to end well before this step begins."""
        earlier = []
        for state in steps_of(request.dataset):
            if state.name == request.name:
                break
            earlier.append(state)
        if request.after is not None:
            earlier = [StepState(request.dataset, request.after)]
        jobs = set()
        for state in earlier:
            jobs |= _jobs_of_unfinished(state)
        return sorted(jobs, key=int)


def _jobs_of_unfinished(state):
    """The jobs in the queue that have to end for a step to be done.

    Raises:
        TaskFailed: if tasks are neither done nor in the queue, so that it will never be done.
    """
    deadline = time.monotonic() + _SECONDS_FOR_MARKS
    while True:
        queued = queue_of([state])[state.name]
        marks = state.marks()  # later than the queue, so that no task is in neither
        lost = [i for i, m in enumerate(marks) if m['state'] != DONE and i not in queued]
        if not lost:
            return {task.job for task in queued.values()}
        if time.monotonic() > deadline:
            raise TaskFailed(state.name, lost, len(marks))
        time.sleep(0.5)


class _Attended:
    """Submits a step and waits until it has ended."""

    def __init__(self, config, request, state, lifelines, only):
        self.only = only
        self.config = config
        self.request = request
        self.state = state
        self.lifelines = [process.identity(pid) for pid in lifelines]
        self.title = f'{request.dataset} {request.name}'
        self.reader = MarkReader(state)
        self.rounds = 0
        self.told = set()  # failed tasks of which the person knows

    def run(self):
        with Signals() as signals:
            try:
                while True:
                    lost = self._wait(self._submit(), signals)
                    if not lost or not self._shall_resubmit(lost):
                        break
            except Interrupted:
                self._cancel(signals)
                raise
        failed = [
            i
            for i, mark in enumerate(self.state.marks())
            if mark['state'] != DONE and (self.only is None or i in self.only)
        ]
        if failed:
            raise TaskFailed(self.request.name, failed, len(self.state.marks()))

    def _submit(self):
        """Submit what is missing; returns {task number: (job, index)} of all in the queue."""
        in_queue = queue_of([self.state])[self.state.name]
        at_work = {i: (task.job, task.index) for i, task in in_queue.items()}
        if at_work and self.rounds == 0:
            say(f'{self.title}: {_jobs_text(at_work)} is at work already; waiting for it')
        submitted = Submission(self.config, self.request, self.state).submit(self.only)
        if submitted:
            say(f'{self.title}: submitted as {_jobs_text(submitted)}')
        return at_work | submitted

    def _wait(self, seen, signals):
        """Wait until nothing of the step is in the queue.

        Args:
            seen: {task number: (job, index)} of what is in it now.

        Returns:
            The same of what ended without a mark.
        """
        silent = False
        marks = self.reader.read()
        n_done = sum(mark['state'] == DONE for mark in marks)
        reason = ''
        with show_progress(self.title, len(marks), n_done) as progress:
            while True:
                if signals.received is not None:
                    raise Interrupted(signals.received)
                if not all(map(process.is_alive, self.lifelines)):
                    raise Interrupted(signal.SIGHUP)
                try:
                    queued = queue_of([self.state])[self.state.name]
                    silent = False
                except SlurmSilence as e:
                    if not silent:
                        say(f'{self.title}: Slurm does not answer ({e}); the tasks go on')
                    silent = True
                if not silent:
                    seen |= {i: (task.job, task.index) for i, task in queued.items()}
                    marks = self.reader.read()
                    if not queued:
                        lost = self._lost(seen, signals)
                        self._tell_failures(self.reader.read())
                        return lost
                    reason = self._tell_reason(queued, reason)
                marks = self.reader.read()
                self._tell_failures(marks)
                running = [_Running(self.state.log_path(i)) for i in running_tasks(marks)]
                progress.update(sum(mark['state'] == DONE for mark in marks), running)
                signals.wait(_seconds_between_looks(len(marks)))

    def _tell_reason(self, queued, told):
        """Say why nothing runs, once per reason."""
        states = {task.state for task in queued.values()}
        if states != {'PENDING'}:
            return ''
        reason = next(iter(queued.values())).reason
        if reason != told and reason not in ('None', 'Priority', 'Resources'):
            say(f'{self.title}: waits in the queue ({reason})')
        return reason

    def _tell_failures(self, marks):
        """Say of the first tasks that fail what is wrong with them, once."""
        for i_task, mark in enumerate(marks):
            if mark['state'] == FAILED and i_task not in self.told:
                self.told.add(i_task)
                if len(self.told) <= _MOST_FAILURES_TOLD:
                    say(f'{self.title}: task {i_task} failed ({mark["problem"]})')

    def _lost(self, seen, signals):
        deadline = time.monotonic() + _SECONDS_FOR_MARKS
        while True:
            marks = self.reader.read()
            lost = {i: job for i, job in seen.items() if marks[i]['state'] not in (DONE, FAILED)}
            if not lost or time.monotonic() > deadline:
                return lost
            signals.wait(0.5)

    def _shall_resubmit(self, lost):
        """Mark what Slurm ended for good as failed; whether something can go on."""
        found = commands.how_they_ended(lost.values())
        ends = {i: found.get(job, '') for i, job in lost.items()}
        cancelled = [i for i, end in ends.items() if end == 'CANCELLED']
        if cancelled:
            for i_task in cancelled:
                self.state.clear_mark(i_task)
            raise PosePileError(
                f'{count(len(cancelled), "task")} of step {self.request.name} cancelled in Slurm '
                'by somebody else. What is done is kept.'
            )
        self.rounds += 1
        can_go_on = {i for i, end in ends.items() if end in CONTINUABLE}
        if self.rounds > _MOST_ROUNDS:
            can_go_on = set()
        for i_task in can_go_on:
            say(f'{self.title}: task {i_task} was ended ({ends[i_task]}) and goes on')
            self.state.clear_mark(i_task)
        for i_task in sorted(set(ends) - can_go_on):
            job = '_'.join(map(str, lost[i_task]))
            problem = describe_end(ends[i_task], self.state.early_log_path(job))
            self.told.add(i_task)
            say(f'{self.title}: task {i_task} failed ({problem})')
            self.state.set_mark(
                i_task, FAILED, exit_code=None, problem=problem,
                log=self.state.log_path(i_task), seconds=0, job=job,
            )  # fmt: skip
        return bool(can_go_on)

    def _cancel(self, signals):
        """Cancel the jobs of this step, and wait until they have ended."""
        try:
            queued = queue_of([self.state])[self.state.name]
            commands.cancel({task.job for task in queued.values()})
            deadline = time.monotonic() + _SECONDS_TO_CANCEL
            while queued and time.monotonic() < deadline:
                signals.wait(1)
                queued = queue_of([self.state])[self.state.name]
        except SlurmError as e:
            say(f'{self.title}: its jobs could not be cancelled: {e}')
            return
        for i_task in running_tasks(self.state.marks()):
            self.state.clear_mark(i_task)


def _seconds_between_looks(n_tasks):
    return 1 + min(n_tasks / 500, 20)


def _jobs_text(tasks):
    """The jobs in {task number: (job, index)}, for people."""
    jobs = sorted({job for job, _ in tasks.values()}, key=int)
    return f'Slurm job {jobs[0]}' if len(jobs) == 1 else f'Slurm jobs {", ".join(jobs)}'
