"""The state of steps in numbers and words."""

from posepile.cluster import process
from posepile.cluster.state import DONE, FAILED, PENDING, RUNNING

#: State of a step whose runner died, so that tasks are marked as running and are not.
INTERRUPTED = 'interrupted'


def step_summary(state) -> dict:
    """The state of a :class:`~posepile.cluster.state.StepState`, ready for JSON.

    ``state`` is ``done``, ``failed``, ``running``, ``interrupted`` or ``pending``; ``done`` counts
    tasks, ``running`` and ``failed`` list them; ``seconds`` is the time during which the step ran,
    ``task_seconds`` the sum over its done tasks.
    """
    record = state.read()
    marks = state.marks()
    done = [mark for mark in marks if mark['state'] == DONE]
    failed = [i for i, mark in enumerate(marks) if mark['state'] == FAILED]
    marked_running = [i for i, mark in enumerate(marks) if mark['state'] == RUNNING]
    running = [i for i in marked_running if _may_run(marks[i])]
    if marks and len(done) == len(marks):
        summary = DONE
    elif running:
        summary = RUNNING
    elif failed:
        summary = FAILED
    else:
        summary = INTERRUPTED if marked_running or done else PENDING
    return {
        'name': state.name,
        'state': summary,
        'tasks': len(marks),
        'done': len(done),
        'running': running,
        'failed': failed,
        'seconds': record.get('seconds', 0),
        'task_seconds': round(sum(mark['seconds'] for mark in done), 3),
        'peak_memory_mb': max((mark['peak_memory_mb'] for mark in done), default=0),
        'report': state.report(),
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


def _may_run(mark):
    """Whether a task that is marked as running does, as far as this host can tell."""
    return mark['host'] != process.hostname() or process.is_alive(mark)
