"""``posepile run NAME``: the main.sh of a dataset, then a table of what was done."""

import os
import os.path as osp
import shlex
import signal
import subprocess
import sys
import time

from posepile.arguments import whole_number
from posepile.cli.steps_table import print_steps
from posepile.cli.table import print_json
from posepile.cluster.overview import step_summary
from posepile.cluster.state import steps_of
from posepile.errors import BadFileError
from posepile.paths import check_data_root
from posepile.registry import find_dataset

HELP = """\
Run the pipeline of a dataset or variant: the steps of its main.sh that are not done yet.

Stop it at any time; the same command continues. A step that fails shows the end of its log.

examples:
  posepile run aspset                    everything, on all cores
  posepile run aspset --jobs 4           four tasks at a time
  posepile run aspset --until crops      the first steps only
  posepile run aspset --force crops      crops and all later steps once more

The environment variable POSEPILE_TASKS sets into how many tasks a step is cut at its first start
(by default four per task that runs at a time)."""


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', help='a dataset or variant ("posepile list")')
    parser.add_argument(
        '--jobs', type=whole_number(1), metavar='N', help='tasks at a time (default: cores)'
    )
    parser.add_argument('--until', metavar='STEP', help='the last step to run')
    parser.add_argument(
        '--force', metavar='STEP', action='append', default=[],
        help='do this step and all later ones again; may be repeated',
    )  # fmt: skip
    parser.add_argument(
        '--keep', action='store_true', help='keep what is done by commands that have changed since'
    )
    parser.add_argument('--json', action='store_true', help='print the table as JSON')


def run(args):
    info = find_dataset(args.name)
    check_data_root()
    script = osp.join(info.folder, 'main.sh')
    if not osp.exists(script):
        raise BadFileError(script, 'does not exist', 'This dataset has no pipeline.')

    run_id = f'{os.getpid()}.{int(time.time())}'
    command = ['bash', script, *([info.variant] if info.variant else [])]
    # Standard output is for the table.
    process = subprocess.Popen(command, env=_environment(args, run_id), stdout=sys.stderr.fileno())
    status = _wait_and_forward_signals(process)

    steps = [step_summary(s) for s in steps_of(info.name) if s.read().get('run_id') == run_id]
    if args.json:
        print_json({'dataset': info.name, 'exit_status': status, 'steps': steps})
    elif steps:
        print_steps(steps)
    return status


def _environment(args, run_id):
    env = dict(os.environ)
    env['POSEPILE_PYTHON'] = sys.executable
    env['POSEPILE_RUN_ID'] = run_id
    env['POSEPILE_RUN_PID'] = str(os.getpid())
    env['POSEPILE_RESUME'] = _resume_command(args)
    if args.jobs:
        env['POSEPILE_JOBS'] = str(args.jobs)
    if args.until:
        env['POSEPILE_UNTIL'] = args.until
    if args.force:
        env['POSEPILE_FORCE'] = ' '.join(args.force)
    if args.keep:
        env['POSEPILE_KEEP'] = '1'
    return env


def _resume_command(args):
    """The same without what is settled once this run has begun: ``--force``."""
    words = ['posepile', 'run', args.name]
    if args.jobs:
        words += ['--jobs', str(args.jobs)]
    if args.until:
        words += ['--until', args.until]
    if args.keep:
        words += ['--keep']
    return shlex.join(words)


def _wait_and_forward_signals(process):
    """Wait for the pipeline to end also after a signal, and return its exit status."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup asks for
        signals.append(signal.SIGHUP)
    old = {s: signal.signal(s, lambda signum, _: process.send_signal(signum)) for s in signals}
    try:
        status = process.wait()
    finally:
        for signum, handler in old.items():
            signal.signal(signum, handler)
    return status if status >= 0 else 128 - status
