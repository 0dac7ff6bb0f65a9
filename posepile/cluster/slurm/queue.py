"""Which tasks of a product are in Slurm's queue.

A step's ``step.json`` names the jobs that were submitted for it, from before the submission on; so
a job whose submitter died before it learned the number is found by its name.
"""

import os.path as osp

from posepile.cluster.errors import LockedError
from posepile.cluster.slurm import commands
from posepile.cluster.slurm.script import offset_of
from posepile.cluster.state import DONE, steps_of


def queue_of(states) -> dict[str, dict[int, commands.QueuedTask]]:
    """What is in the queue of the given steps of one product.

    Args:
        states: :class:`~posepile.cluster.state.StepState` objects.

    Returns:
        {step name: {task number: :class:`~posepile.cluster.slurm.commands.QueuedTask`}}.

    Raises:
        SlurmError: if jobs were submitted, and Slurm cannot be asked about them.
    """
    step_of_job = {name: s.name for s in states for name in s.read().get('jobs', {})}
    result = {state.name: {} for state in states}
    for task in commands.queued(step_of_job):
        result[step_of_job[task.name]][offset_of(task.name) + task.index] = task
    return result


def tasks_of_early_logs(state) -> dict[int, str]:
    """{task number: job} of the jobs that have written something outside their tasks."""
    offsets = {job: offset_of(name) for name, job in state.read().get('jobs', {}).items() if job}
    result = {}
    for path in state.early_logs():
        job, _, index = osp.basename(path)[len('slurm-') : -len('.out')].partition('_')
        if job in offsets and osp.getsize(path) > 0:
            result[offsets[job] + int(index)] = f'{job}_{index}'
    return result


def unfinished_steps(dataset):
    """The steps for which jobs were submitted and that are not done."""
    return [
        state
        for state in steps_of(dataset)
        if state.read().get('jobs') and any(mark['state'] != DONE for mark in state.marks())
    ]


def refuse_if_queued(dataset):
    """Make sure that no Slurm job works on a product.

    Raises:
        LockedError: if one does; names the jobs.
        SlurmError: if that cannot be found out.
    """
    queue = queue_of(unfinished_steps(dataset))
    jobs = sorted({task.job for tasks in queue.values() for task in tasks.values()}, key=int)
    if jobs:
        raise LockedError(
            f'{dataset} is being worked on by the Slurm jobs {", ".join(jobs)}. Wait for them '
            f'("posepile status {dataset}" shows how far they are; "posepile run {dataset} '
            f'--executor slurm" goes on with them) or end them: posepile cancel {dataset}'
        )
