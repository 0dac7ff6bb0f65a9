"""The table of the steps of a pipeline, shared by ``run`` and ``status``."""

from posepile.cli.table import print_table
from posepile.cluster.overview import counts_text
from posepile.cluster.progress import duration


def print_steps(summaries):
    """Print summaries of :func:`posepile.cluster.overview.step_summary` as a table."""
    header = ['step', 'state', 'tasks', 'time', 'peak MB', 'counts']
    print_table(
        header,
        [
            [
                s['name'],
                s['state'],
                f'{s["done"]}/{s["tasks"]}',
                duration(s['seconds']),
                f'{s["peak_memory_mb"]:.0f}' if s['done'] else '-',
                counts_text(s['report']) or '-',
            ]
            for s in summaries
        ],
    )
