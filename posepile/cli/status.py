"""``posepile status [NAME]``: how far the pipelines are."""

import contextlib
import io
import os
import os.path as osp
import sys
import time

from posepile.cli.steps_table import print_steps
from posepile.cli.table import print_json
from posepile.cluster.overview import STALE
from posepile.cluster.state import steps_of
from posepile.cluster.survey import survey
from posepile.errors import UnknownDatasetError
from posepile.paths import check_data_root, data_root
from posepile.registry import find_dataset

HELP = """\
Show the steps of the pipelines that were started, what runs and waits, and the last lines of the
logs of tasks that failed.

A step is stale if its command, the code behind it or its input has changed since it was done;
"posepile run" then asks whether to redo or to keep it.

examples:
  posepile status                        all pipelines that were ever started here
  posepile status aspset --watch         again and again, until Ctrl-C
  posepile status aspset --json          for programs"""

_MOST_LOGS = 3


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', nargs='?', help='only this dataset or variant')
    parser.add_argument(
        '--watch', metavar='SECONDS', type=float, nargs='?', const=2.0,
        help='show it again every so many seconds (default: 2), until nothing is at work',
    )  # fmt: skip
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    check_data_root(to_write=False)
    if args.watch is None:
        _show(_surveys(args.name), args.json)
        return
    while True:
        surveys = _surveys(args.name)
        page = io.StringIO()
        with contextlib.redirect_stdout(page):
            _show(surveys, args.json)
        if sys.stdout.isatty():
            print('\x1b[2J\x1b[H', end='')  # a clean screen
        print(page.getvalue(), flush=True)
        if not any(map(_is_at_work, surveys)):
            return
        time.sleep(max(0.1, args.watch))


def _surveys(name):
    infos = [find_dataset(name)] if name else _datasets_with_state()
    return [survey(info) for info in infos]


def _datasets_with_state():
    folder = osp.join(data_root(), '.posepile')
    for name in sorted(os.listdir(folder)) if osp.isdir(folder) else []:
        if steps_of(name):
            with contextlib.suppress(UnknownDatasetError):  # of another version of this program
                yield find_dataset(name)


def _is_at_work(status):
    return status['runner'] is not None or any(
        step['running'] or step['queued'] for step in status['steps']
    )


def _show(surveys, as_json):
    if as_json:
        print_json(surveys)
        return
    if not surveys:
        print(f'Nothing was started under DATA_ROOT={data_root()}.')
    for i, status in enumerate(surveys):
        if i > 0:
            print()
        _print_status(status)


def _print_status(status):
    runner = status['runner']
    if runner:
        print(f'{status["dataset"]}: process {runner["pid"]} works on it since {runner["since"]}')
    else:
        print(f'{status["dataset"]}:')
    if not any(step['tasks'] for step in status['steps']):
        print('no step was started')
    print_steps(status['steps'])
    for step in status['steps']:
        if step['state'] == STALE:
            print(
                f'\nstep {step["name"]} is stale; changed since it was done: '
                f'{", ".join(step["stale"])}. Redo it with --force {step["name"]}, or keep what is '
                'done with --keep.'
            )
    for note in status['notes']:
        print(f'\nnote: {note}')
    for failure in status['failures'][:_MOST_LOGS]:
        print(f'\nstep {failure["step"]}, task {failure["task"]}: {failure["problem"]}')
        print(f'last lines of {failure["log"]}:')
        for line in failure['log_tail']:
            print(f'    {line}')
    if len(status['failures']) > _MOST_LOGS:
        print(f'\n... and {len(status["failures"]) - _MOST_LOGS} more failures (--json has all)')
