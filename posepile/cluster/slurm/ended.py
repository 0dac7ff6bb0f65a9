"""Why Slurm ended a task, for people."""

import re

from posepile.cluster.progress import log_tail

_MEMORY = re.compile(r'memory limit|oom|out.of.memory', re.IGNORECASE)
_TIME = re.compile(r'time limit', re.IGNORECASE)


def describe_end(end, early_log) -> str:
    """One line about a task that ended without saying so itself.

    Args:
        end: state of its job, such as ``'OUT_OF_MEMORY'``; ``''`` if nobody knows.
        early_log: path of what Slurm wrote about the job.
    """
    errors = [line for line in log_tail(early_log) if 'error' in line.lower()]
    words = ' '.join([end, *errors])
    text = f'ended by Slurm: {end or "nobody knows how"}'
    if _MEMORY.search(words):
        return f'{text} (it needs more memory: mem in cluster.toml)'
    if end == 'TIMEOUT' or _TIME.search(words):
        return f'{text} (it needs more time: time in cluster.toml)'
    return f'{text} ({errors[0]})' if errors else text
