"""The table of the steps of a pipeline, shared by ``run`` and ``status``."""

from posepile.cli.table import print_table
from posepile.cluster.overview import counts_text
from posepile.cluster.progress import duration

_BAR_WIDTH = 12


def print_steps(summaries):
    """Print summaries of :func:`posepile.cluster.overview.step_summary` as a table."""
    header = ['step', 'state', 'tasks', '', 'time', 'peak MB', 'counts']
    print_table(
        header,
        [
            [
                s['name'],
                s['state'],
                f'{s["done"]}/{s["tasks"] or "?"}',
                progress_bar(s['done'], s['tasks']),
                _time(s),
                f'{s["peak_memory_mb"]:.0f}' if s['done'] else '-',
                counts_text(s['report']) or '-',
            ]
            for s in summaries
        ],
    )


def progress_bar(n_done, n_tasks, width=_BAR_WIDTH) -> str:
    """A bar of plain characters; full only when everything is done."""
    n = width * n_done // n_tasks if n_tasks else 0
    return '[' + '#' * n + '.' * (width - n) + ']'


def _time(summary):
    words = []
    if summary['seconds'] or summary['done']:
        words.append(duration(summary['seconds'] or summary['task_seconds']))
    if summary['seconds_left'] is not None:
        words.append(f'about {duration(summary["seconds_left"])} left')
    if summary['waits_for']:
        words.append(f'waits: {", ".join(summary["waits_for"])}')
    return ', '.join(words) or '-'
