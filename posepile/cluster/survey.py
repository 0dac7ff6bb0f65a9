"""Where the pipeline of a product stands: all its steps, who works on them, what failed."""

from posepile.cluster.basis import differences
from posepile.cluster.lock import holder
from posepile.cluster.overview import step_summary
from posepile.cluster.plan import plan_of, script_of
from posepile.cluster.progress import log_tail
from posepile.cluster.slurm.commands import SlurmError, how_they_ended
from posepile.cluster.slurm.ended import describe_end
from posepile.cluster.slurm.queue import queue_of, tasks_of_early_logs, unfinished_steps
from posepile.cluster.state import PENDING, RUNNING, StepState, steps_of
from posepile.cluster.step import current_basis
from posepile.errors import PosePileError

_LOG_LINES = 10


def survey(info) -> dict:
    """The state of the pipeline of a product, ready for JSON.

    Args:
        info: :class:`posepile.registry.DatasetInfo`.

    Returns:
        ``dataset``; ``runner`` (who holds its lock, as far as this host can tell, or None);
        ``steps`` (:func:`~posepile.cluster.overview.step_summary` of each in order, also of those
        that were never started); ``failures`` (step, task, problem, log, log_tail); ``notes``
        (what could not be found out).
    """
    notes = []
    try:
        plan = {request.name: request for request in plan_of(info)}
    except PosePileError as e:  # a script that is being edited
        plan = {}
        notes.append(f'The steps of its main.sh cannot be read: {e}')
    started = [s for s in steps_of(info.name) if plan == {} or s.name in plan]
    states = [StepState(info.name, name) for name in plan] or started
    try:
        queue = queue_of(unfinished_steps(info.name))
    except SlurmError as e:
        queue = None
        notes.append(f'What waits or runs in Slurm is not known: {e}')

    steps, failures = [], []
    for state in states:
        stale = _stale(state, plan, info) if state.read().get('n_tasks') else []
        queued = None if queue is None else queue.get(state.name, {})
        summary = step_summary(state, queued, stale)
        steps.append(summary)
        failures += [_failure(state, i, state.mark(i).get('problem')) for i in summary['failed']]
        if queued is not None:
            failures += _ended_by_slurm(state, queued)
    return {
        'dataset': info.name,
        'runner': holder(info.name),
        'steps': steps,
        'failures': failures,
        'notes': notes,
    }


def _stale(state, plan, info):
    """What has changed since tasks of the step were done."""
    if state.name not in plan:
        return []
    new = current_basis(plan[state.name], script_of(info), list(plan))
    return differences(state.read().get('basis', {}), new)


def _ended_by_slurm(state, queued):
    """Tasks whose jobs have gone when nobody was there to note it."""
    marks = state.marks()
    jobs = {
        i_task: mark['job']
        for i_task, mark in enumerate(marks)
        if mark['state'] == RUNNING and 'job' in mark and i_task not in queued
    }
    for i_task, job in tasks_of_early_logs(state).items():
        if i_task not in queued and marks[i_task]['state'] == PENDING:
            jobs[i_task] = job  # it ended before its task began
    elements = {i_task: (job.split('_')[0], int(job.split('_')[1])) for i_task, job in jobs.items()}
    try:
        ends = how_they_ended(elements.values())
    except SlurmError:
        ends = {}
    return [
        _failure(
            state, i_task, describe_end(ends.get(element, ''), state.early_log_path(jobs[i_task]))
        )
        for i_task, element in elements.items()
    ]


def _failure(state, i_task, problem):
    log = state.log_path(i_task)
    job = state.mark(i_task).get('job') or tasks_of_early_logs(state).get(i_task)
    if job and not log_tail(log):
        log = state.early_log_path(job)
    return {
        'step': state.name,
        'task': i_task,
        'problem': problem or 'unknown',
        'log': log,
        'log_tail': log_tail(log, _LOG_LINES),
    }
