"""The state of steps in numbers and words."""

from posepile.cluster import process
from posepile.cluster.state import DONE, FAILED, PENDING, RUNNING

#: State of a step whose runner died, so that tasks are marked as running and are not.
INTERRUPTED = 'interrupted'

#: State of a step whose tasks wait in Slurm's queue.
QUEUED = 'queued'

#: State of a step with results of other code, commands or data than the present ones.
STALE = 'stale'


def step_summary(state, queued=None, stale=()) -> dict:
    """The state of a :class:`~posepile.cluster.state.StepState`, ready for JSON.

    Args:
        queued: {task number: :class:`~posepile.cluster.slurm.commands.QueuedTask`} in Slurm's
            queue; None if that is not known.
        stale: what has changed since tasks were done.

    Returns:
        A dict. ``state`` is ``done``, ``stale``, ``running``, ``queued``, ``failed``,
        ``interrupted`` or ``pending``; ``done`` counts tasks, ``running``, ``queued`` and
        ``failed`` list them; ``seconds`` is the time during which the step ran, ``task_seconds``
        the sum over its done tasks, ``seconds_left`` an estimate (None: unknown).
    """
    record = state.read()
    marks = state.marks()
    done = [mark for mark in marks if mark['state'] == DONE]
    failed = [i for i, mark in enumerate(marks) if mark['state'] == FAILED]
    marked_running = [i for i, mark in enumerate(marks) if mark['state'] == RUNNING]
    running = [i for i in marked_running if _may_run(i, marks[i], queued)]
    waiting = sorted(set(queued or ()) - set(running)) if len(done) < len(marks) else []
    if done and stale:
        summary = STALE
    elif marks and len(done) == len(marks):
        summary = DONE
    elif running:
        summary = RUNNING
    elif waiting:
        summary = QUEUED
    elif failed:
        summary = FAILED
    else:
        summary = INTERRUPTED if marked_running or done else PENDING
    task_seconds = sum(mark['seconds'] for mark in done)
    seconds_left = None
    if done and running:
        seconds_left = round(task_seconds / len(done) * (len(marks) - len(done)) / len(running), 1)
    reasons = {queued[i].reason for i in waiting if queued[i].state == 'PENDING'}
    return {
        'name': state.name,
        'state': summary,
        'tasks': len(marks),
        'done': len(done),
        'running': running,
        'queued': waiting,
        'failed': failed,
        'waits_for': sorted(reasons - {'None'}),
        'stale': list(stale),
        'seconds': record.get('seconds', 0),
        'task_seconds': round(task_seconds, 3),
        'seconds_left': seconds_left,
        'peak_memory_mb': max((mark['peak_memory_mb'] for mark in done), default=0),
        'report': state.report(marks),
        'command': record.get('command', []),
        'code_version': record.get('code_version'),
    }


def counts_text(report) -> str:
    """The report of a step for people: its numbers, and the lengths of its lists."""
    texts = []
    for key, value in report.items():
        number = len(value) if isinstance(value, list) else value
        texts.append(f'{key} {number:,}' if isinstance(number, int) else f'{key} {number:,.6g}')
    return ', '.join(texts)


def remarks(report, most=5) -> list[str]:
    """The first lines of each list in a report, each line once, and how many there are more."""
    result = []
    for key, value in report.items():
        if isinstance(value, list):
            lines = list(dict.fromkeys(value))
            result += [f'{key}: {line}' for line in lines[:most]]
            if len(lines) > most:
                result.append(f'{key}: {len(lines) - most} more, in the logs of the tasks')
    return result


def _may_run(i_task, mark, queued):
    """Whether a task that is marked as running does, as far as this host can tell."""
    if 'job' in mark and queued is not None:
        return i_task in queued
    return mark['host'] != process.hostname() or process.is_alive(mark)
