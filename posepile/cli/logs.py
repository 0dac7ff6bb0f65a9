"""``posepile logs NAME STEP [TASK]``: what the tasks of a step have written."""

import os.path as osp
import sys
import time

from posepile.arguments import whole_number
from posepile.checked_table import nearest
from posepile.cli.table import print_table
from posepile.cluster.progress import duration, last_line, log_tail
from posepile.cluster.state import DONE, FAILED, PENDING, RUNNING, StepState, steps_of
from posepile.errors import OptionError
from posepile.paths import check_data_root
from posepile.registry import find_dataset

HELP = """\
Show what the tasks of a step have written. Without TASK: the log if there is one task only, else a
table of the tasks, failed ones first.

examples:
  posepile logs aspset crops             which tasks are there, and how did they end?
  posepile logs aspset crops 3           the end of the log of task 3
  posepile logs aspset crops 3 --follow  and what is added, until the task has ended"""

_ORDER = (FAILED, RUNNING, DONE, PENDING)
_MOST_ROWS = 50


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', help='a dataset or variant')
    parser.add_argument('step', metavar='STEP', help='a step of its pipeline')
    parser.add_argument('task', metavar='TASK', nargs='?', type=whole_number(), help='its number')
    parser.add_argument(
        '-n', '--lines', type=whole_number(1), default=50, metavar='N',
        help='how many lines from the end (default: 50)',
    )  # fmt: skip
    parser.add_argument('--follow', action='store_true', help='go on until the task has ended')


def run(args):
    check_data_root(to_write=False)
    name = find_dataset(args.name).name
    started = [state.name for state in steps_of(name) if state.read().get('n_tasks')]
    if args.step not in started:
        hint = nearest(args.step, started)
        raise OptionError(
            f'No step {args.step!r} of {name} was started.'
            + (f' Did you mean {hint[0]}?' if hint else '')
            + (f' Started were {", ".join(started)}.' if started else '')
        )
    state = StepState(name, args.step)
    n_tasks = state.read()['n_tasks']
    i_task = 0 if args.task is None and n_tasks == 1 else args.task
    if i_task is None:
        _print_tasks(state)
    elif i_task >= n_tasks:
        raise OptionError(f'Step {args.step} has the tasks 0 to {n_tasks - 1}.')
    else:
        _print_log(state, i_task, args.lines, args.follow)


def _print_tasks(state):
    marks = sorted(enumerate(state.marks()), key=lambda item: _ORDER.index(item[1]['state']))
    rows = []
    for i_task, mark in marks[:_MOST_ROWS]:
        where = mark.get('job') or (f'{mark["host"]}:{mark["pid"]}' if 'pid' in mark else '-')
        seconds = duration(mark['seconds']) if 'seconds' in mark else '-'
        last = mark.get('problem') or last_line(state.log_path(i_task))[:60]
        rows.append([i_task, mark['state'], seconds, where, last or '-'])
    print_table(['task', 'state', 'time', 'where', 'last line'], rows)
    if len(marks) > _MOST_ROWS:
        print(f'... and {len(marks) - _MOST_ROWS} more')


def _print_log(state, i_task, n_lines, follow):
    path = state.log_path(i_task)
    for early in _outputs_of_jobs(state):
        print(f'--- {early} (before its task began)')
        print('\n'.join(log_tail(early, n_lines)))
    size = osp.getsize(path) if osp.exists(path) else 0
    if size == 0:
        print(f'{path}: nothing was written', file=sys.stderr)
    print('\n'.join(log_tail(path, n_lines)))
    while follow and state.mark(i_task)['state'] in (RUNNING, PENDING):
        time.sleep(0.5)
        size = _print_new(path, size)
    if follow:
        _print_new(path, size)


def _print_new(path, size):
    """Print what was added to a file since it had ``size`` bytes; returns its size now."""
    new_size = osp.getsize(path) if osp.exists(path) else 0
    if new_size > size:
        with open(path, 'rb') as f:
            f.seek(size)
            print(f.read(new_size - size).decode('utf-8', 'replace'), end='', flush=True)
    return new_size


def _outputs_of_jobs(state):
    """What Slurm jobs wrote that ended before their tasks began: an environment that fails."""
    return [path for path in state.early_logs() if osp.getsize(path) > 0][-3:]
