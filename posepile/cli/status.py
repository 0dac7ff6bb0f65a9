"""``posepile status [NAME]``: how far the pipelines are."""

import os
import os.path as osp

from posepile.cli.steps_table import print_steps
from posepile.cli.table import print_json
from posepile.cluster.lock import holder
from posepile.cluster.overview import step_summary
from posepile.cluster.progress import log_tail
from posepile.cluster.state import steps_of
from posepile.paths import check_data_root, data_root
from posepile.registry import find_dataset

HELP = """\
Show the steps of the pipelines that were started, with the last lines of the logs of tasks that
failed."""

_LOG_LINES = 10
_MOST_LOGS = 3


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', nargs='?', help='only this dataset or variant')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    check_data_root(to_write=False)
    names = [find_dataset(args.name).name] if args.name else _names_with_state()
    statuses = [_status(name) for name in names]
    if args.json:
        print_json(statuses)
        return
    if not statuses:
        print(f'Nothing was started under DATA_ROOT={data_root()}.')
    for i, status in enumerate(statuses):
        if i > 0:
            print()
        _print_status(status)


def _names_with_state():
    folder = osp.join(data_root(), '.posepile')
    names = sorted(os.listdir(folder)) if osp.isdir(folder) else []
    return [name for name in names if steps_of(name)]


def _status(name):
    runner = holder(name)
    failures = []
    summaries = []
    for state in steps_of(name):
        summary = step_summary(state)
        summaries.append(summary)
        for i_task in summary['failed']:
            log = state.log_path(i_task)
            failures.append(
                {
                    'step': state.name,
                    'task': i_task,
                    'problem': state.mark(i_task)['problem'],
                    'log': log,
                    'log_tail': log_tail(log, _LOG_LINES),
                }
            )
    return {'dataset': name, 'runner': runner, 'steps': summaries, 'failures': failures}


def _print_status(status):
    runner = status['runner']
    if runner:
        print(f'{status["dataset"]}: process {runner["pid"]} works on it since {runner["since"]}')
    else:
        print(f'{status["dataset"]}:')
    if not status['steps']:
        print('no step was started')
        return
    print_steps(status['steps'])
    for failure in status['failures'][:_MOST_LOGS]:
        print(f'\nstep {failure["step"]}, task {failure["task"]}: {failure["problem"]}')
        print(f'last lines of {failure["log"]}:')
        for line in failure['log_tail']:
            print(f'    {line}')
    if len(status['failures']) > _MOST_LOGS:
        print(f'\n... and {len(status["failures"]) - _MOST_LOGS} more failures (--json has all)')
