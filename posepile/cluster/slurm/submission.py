"""Puts tasks into Slurm's queue, each once."""

import time

from posepile.cluster.progress import say
from posepile.cluster.slurm import commands
from posepile.cluster.slurm.commands import SlurmSilence
from posepile.cluster.slurm.queue import queue_of
from posepile.cluster.slurm.script import chunks, job_name, job_script
from posepile.cluster.state import DONE

#: How long Slurm may be silent while we submit.
_SECONDS_TO_SUBMIT = 600

_SECONDS_BETWEEN_QUESTIONS = 5


class Submission:
    """Submits what of a step is neither done nor in the queue.

    Args:
        config: :class:`~posepile.cluster.slurm.config.ClusterConfig`.
        request: :class:`~posepile.cluster.request.StepRequest`.
        state: :class:`~posepile.cluster.state.StepState`.
        dependencies: numbers of jobs that have to end well before.
    """

    def __init__(self, config, request, state, dependencies=()):
        self.request = request
        self.state = state
        self.settings = config.settings(request)
        self.dependencies = [f'afterok:{":".join(dependencies)}'] if dependencies else []

    def submit(self, only=None) -> dict[int, tuple[str, int]]:
        """Returns {task number: (new job, index in it)}."""
        queued = queue_of([self.state])[self.state.name]
        todo = [
            i
            for i, mark in enumerate(self.state.marks())
            if mark['state'] != DONE and i not in queued and (only is None or i in only)
        ]
        for i_task in todo:
            self.state.clear_mark(i_task)
        if not queued:
            self.state.delete_early_logs()
        submitted = {}
        job = None
        for offset, tasks in chunks(todo, commands.max_array_size()):
            dependencies = list(self.dependencies)
            if job is not None and self.settings.max_parallel:
                # Side by side, each of them would take the whole allowance.
                dependencies.append(f'afterany:{job}')
            job = self._submit_one(offset, tasks, dependencies)
            submitted |= {i: (job, i - offset) for i in tasks}
        return submitted

    def _submit_one(self, offset, tasks, dependencies):
        name = job_name(self.request.dataset, self.request.name, offset)
        self._note(name, None)
        script = job_script(
            self.request, self.state.folder, self.settings, tasks, offset, dependencies
        )
        deadline = time.monotonic() + _SECONDS_TO_SUBMIT
        while True:
            try:
                job = commands.submit(script)
                break
            except SlurmSilence as e:
                # It may have taken the job all the same.
                say(f'{self.request.dataset} {self.request.name}: waiting for Slurm ({e})')
                job = self._find(name, offset, tasks, deadline)
                if job is not None:
                    break
        self._note(name, job)
        return job

    def _find(self, name, offset, tasks, deadline):
        """The job with this name that has the given tasks; None if Slurm knows none."""
        while True:
            time.sleep(_SECONDS_BETWEEN_QUESTIONS)
            try:
                queued = commands.queued([name])
            except SlurmSilence:
                if time.monotonic() > deadline:
                    raise
                continue
            jobs = {task.job for task in queued if offset + task.index in tasks}
            return jobs.pop() if jobs else None

    def _note(self, name, job):
        self.state.update(jobs=self.state.read().get('jobs', {}) | {name: job})
