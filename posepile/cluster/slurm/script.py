"""The script of an array job."""

import hashlib
import os
import os.path as osp
import re
import shlex

from posepile import paths

#: Long before the end Slurm tells the task, which then goes back into the queue.
_SECONDS_OF_WARNING = 120

# What a person has set and a task on another machine has to know.
_EXPORTED = ('DATA_ROOT', 'CACHE_DIR', 'PYTHONPATH', 'POSEPILE_DETECTOR', 'POSEPILE_SEGMENTER')


def job_name(dataset, step, offset=0) -> str:
    """The name of the array job that runs the tasks from number ``offset`` on.

    Jobs are found again by it, so it also tells one DATA_ROOT from another.
    """
    root = hashlib.sha256(osp.realpath(paths.data_root()).encode()).hexdigest()[:8]
    return f'{dataset}.{step}.{offset}.{root}'


def offset_of(name) -> int:
    """The number that was given to :func:`job_name`."""
    return int(name.rsplit('.', 2)[1])


def job_script(request, folder, settings, tasks, offset=0, dependencies=()) -> str:
    """The text that is given to ``sbatch``.

    Args:
        request: the :class:`~posepile.cluster.request.StepRequest`.
        folder: the step's folder, for what the job writes before its task begins.
        settings: :class:`~posepile.cluster.slurm.config.Settings` of the step.
        tasks: numbers of the tasks, ascending.
        offset: subtracted from them to get the indices of the array.
        dependencies: texts such as ``'afterok:12:13'``.
    """
    throttle = f'%{settings.max_parallel}' if settings.max_parallel else ''
    options = {
        'job-name': job_name(request.dataset, request.name, offset),
        'array': index_ranges([i - offset for i in tasks]) + throttle,
        'output': osp.join(folder, 'slurm-%A_%a.out'),
        'open-mode': 'append',
        'ntasks': 1,
        'cpus-per-task': settings.cpus,
        'mem': settings.mem,
        'time': settings.time,
        'partition': settings.partition,
        'account': settings.account,
        'qos': settings.qos,
        'signal': f'B:USR1@{_warning(settings.time)}',
        'dependency': ','.join(dependencies) or None,
        'kill-on-invalid-dep': 'yes' if dependencies else None,
    }
    flags = [f'--{key}={shlex.quote(str(v))}' for key, v in options.items() if v is not None]
    flags += ['--requeue', *([settings.flag] if settings.flag else []), *settings.options]

    lines = ['#!/bin/bash', *(f'#SBATCH {flag}' for flag in flags), 'set -e']
    lines += [f'module load {shlex.quote(name)}' for name in settings.modules]
    lines += settings.setup.splitlines() if settings.setup else []
    environment = {name: os.environ.get(name) for name in _EXPORTED}
    environment |= {'DATA_ROOT': paths.data_root(), 'POSEPILE_REQUEUES': settings.requeues}
    lines += [f'export {k}={shlex.quote(str(v))}' for k, v in environment.items() if v]
    python = os.environ.get('POSEPILE_PYTHON') or 'python'
    command = [python, '-m', 'posepile.cluster', 'task', request.dataset, request.name, str(offset)]
    return '\n'.join([*lines, f'exec {shlex.join(command)}']) + '\n'


def chunks(tasks, max_array_size):
    """Cut task numbers into array jobs: (offset, numbers) with indices below a limit."""
    result = {}
    for i in tasks:
        result.setdefault(i // max_array_size * max_array_size, []).append(i)
    return sorted(result.items())


def index_ranges(indices) -> str:
    """Ascending numbers as Slurm writes them: ``'0-3,7'``."""
    ranges = []
    for i in indices:
        if ranges and ranges[-1][1] == i - 1:
            ranges[-1][1] = i
        else:
            ranges.append([i, i])
    return ','.join(str(a) if a == b else f'{a}-{b}' for a, b in ranges)


def _warning(time_limit) -> int:
    """Seconds before the time limit at which a task is told; at most a quarter of the limit."""
    seconds = time_limit_seconds(time_limit) if time_limit else None
    return min(_SECONDS_OF_WARNING, seconds // 4) if seconds else _SECONDS_OF_WARNING


def time_limit_seconds(text) -> int | None:
    """A time limit as ``sbatch`` takes it, in seconds; None if it is unlimited or not understood.

    The forms are minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes
    and days-hours:minutes:seconds.
    """
    found = re.fullmatch(r'(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?', text.strip())
    if not found:
        return None
    days, *numbers = (None if n is None else int(n) for n in found.groups())
    numbers = [n for n in numbers if n is not None]
    if days is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    return ((days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds
