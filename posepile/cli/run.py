"""``posepile run NAME``: the main.sh of a dataset, then a table of what was done."""

import os
import shlex
import signal
import subprocess
import sys
import time

from posepile.arguments import whole_number
from posepile.cli.steps_table import print_steps
from posepile.cli.table import print_json
from posepile.cluster.overview import step_summary
from posepile.cluster.plan import plan_of, script_of
from posepile.cluster.state import DONE, StepState, steps_of
from posepile.errors import OptionError
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
  posepile run aspset --dry-run          which steps are there, and what is done of them?
  posepile run aspset --executor slurm   each step as an array job (docs/cluster.md)
  posepile run aspset --executor slurm --detach     all of it into the queue, and return

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
    parser.add_argument(
        '--executor', choices=['local', 'slurm'],
        help='where tasks run: on this machine or as jobs of Slurm (default: POSEPILE_EXECUTOR or '
        'local)',
    )  # fmt: skip
    parser.add_argument(
        '--detach', action='store_true', help='with Slurm: put all steps into the queue and return'
    )
    parser.add_argument(
        '--retry-failed', action='store_true',
        help='of steps with failed tasks, run these first, alone, and go on only when they succeed',
    )  # fmt: skip
    parser.add_argument(
        '--dry-run', action='store_true',
        help='only show what would be done; with Slurm, the job scripts',
    )  # fmt: skip
    parser.add_argument('--json', action='store_true', help='print the table as JSON')


def run(args):
    info = find_dataset(args.name)
    check_data_root(to_write=not args.dry_run)
    script = script_of(info)
    executor = args.executor or os.environ.get('POSEPILE_EXECUTOR') or 'local'
    if args.detach and executor != 'slurm':
        raise OptionError('--detach needs --executor slurm: what runs here ends with its runner.')
    if args.dry_run:
        return _rehearse(info, executor, args)

    run_id = f'{os.getpid()}.{int(time.time())}'
    command = ['bash', script, *([info.variant] if info.variant else [])]
    # Standard output is for the table.
    process = subprocess.Popen(command, env=_environment(args, run_id), stdout=sys.stderr.fileno())
    status = _wait_and_forward_signals(process)

    started = [s for s in steps_of(info.name) if s.read().get('run_id') == run_id]
    queue = _queue(started) if executor == 'slurm' else {}
    steps = [step_summary(s, queue.get(s.name)) for s in started]
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
    if args.executor:
        env['POSEPILE_EXECUTOR'] = args.executor
    if args.detach:
        env['POSEPILE_DETACH'] = '1'
    if args.retry_failed:
        env['POSEPILE_RETRY_FAILED'] = '1'
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
    if args.executor:
        words += ['--executor', args.executor]
    if args.detach:
        words += ['--detach']
    if args.jobs:
        words += ['--jobs', str(args.jobs)]
    if args.until:
        words += ['--until', args.until]
    if args.keep:
        words += ['--keep']
    return shlex.join(words)


def _queue(steps):
    """What of the steps is in Slurm's queue, as far as it answers."""
    from posepile.cluster.slurm.commands import SlurmError
    from posepile.cluster.slurm.queue import queue_of

    try:
        return queue_of(steps)
    except SlurmError:
        return {}


def _rehearse(info, executor, args):
    """Show what would be done, without doing it."""
    requests = plan_of(info)
    if args.until:
        names = [request.name for request in requests]
        if args.until not in names:
            raise OptionError(f'There is no step {args.until!r}. The steps are {", ".join(names)}.')
        requests = requests[: names.index(args.until) + 1]
    if executor == 'slurm':
        from posepile.cluster.slurm.rehearsal import rehearse

        os.environ['POSEPILE_PYTHON'] = sys.executable
        rehearse(requests)
        return 0
    for request in requests:
        marks = StepState(info.name, request.name).marks()
        n_done = sum(mark['state'] == DONE for mark in marks)
        what = 'done' if marks and n_done == len(marks) else f'up to {request.tasks} tasks'
        if marks and n_done < len(marks):
            what = f'{n_done} of {len(marks)} tasks are done'
        print(f'{request.name:12} {what}\n    {shlex.join(request.command)}')
    return 0


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
