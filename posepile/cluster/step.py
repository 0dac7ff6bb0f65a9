"""One step: what was asked for, whether it is done, who runs it."""

import argparse
import os
import shlex
import time
from dataclasses import asdict, dataclass

from posepile.cluster.errors import Interrupted, TaskFailed
from posepile.cluster.overview import counts_text, remarks
from posepile.cluster.progress import count, duration, log_tail, say
from posepile.cluster.resources import positive_int_from_env
from posepile.cluster.state import DONE, StepState
from posepile.cluster.version import code_version
from posepile.errors import OptionError, PosePileError


@dataclass(frozen=True)
class StepRequest:
    """A ``step`` line of a ``main.sh``. ``tasks`` is the largest useful number of tasks.

    ``mem`` and ``time`` are texts in Slurm's notation; they do not matter locally.
    """

    dataset: str
    name: str
    command: list[str]
    tasks: int = 1
    gpu: bool = False
    cpus: int | None = None
    mem: str | None = None
    time: str | None = None
    max_parallel: int | None = None
    after: str | None = None


def parse_request(dataset, words) -> StepRequest:
    """Read ``NAME [options] -- COMMAND``."""
    if '--' not in words or words.index('--') == len(words) - 1:
        raise OptionError(f'A step is written "step NAME [options] -- COMMAND": {words}')
    i_separator = words.index('--')
    parser = argparse.ArgumentParser(prog='step', allow_abbrev=False)
    parser.add_argument('name')
    parser.add_argument('--tasks', type=_positive, default=1, metavar='N')
    parser.add_argument('--gpu', action='store_true')
    parser.add_argument('--cpus', type=_positive, metavar='C')
    parser.add_argument('--mem', metavar='M')
    parser.add_argument('--time', metavar='T')
    parser.add_argument('--max-parallel', type=_positive, metavar='P')
    parser.add_argument('--after', metavar='STEP')
    options = parser.parse_args(words[:i_separator])
    return StepRequest(dataset=dataset, command=words[i_separator + 1 :], **vars(options))


def make_executor(lifelines=()):
    """The executor that ``POSEPILE_EXECUTOR`` names, by default the local one."""
    name = os.environ.get('POSEPILE_EXECUTOR') or 'local'
    if name == 'local':
        from posepile.cluster.local import LocalExecutor

        return LocalExecutor(lifelines)
    if name == 'slurm':
        raise OptionError(
            'POSEPILE_EXECUTOR=slurm is not available in this version. Use POSEPILE_EXECUTOR=local '
            'inside an allocation.'
        )
    raise OptionError(f'POSEPILE_EXECUTOR={name} is unknown; it can be local.')


def run_step(request, executor):
    """Run what is not done of a step. The caller holds the lock of the dataset.

    Raises:
        OptionError: if the command has changed since tasks were done with it.
        PosePileError: if a task fails, or the run is interrupted.
    """
    state = StepState(request.dataset, request.name)
    _check_after(request)
    _record(state, request, executor)

    title = f'{request.dataset} {request.name}'
    n_tasks = state.read()['n_tasks']
    if all(mark['state'] == DONE for mark in state.marks()):
        say(f'{title}: done before ({count(n_tasks, "task")})')
        return

    start = time.monotonic()
    try:
        executor.run(request, state)
    except TaskFailed as e:
        _explain_failure(state, e.failed[0], n_tasks)
        raise
    except Interrupted:
        n_done = sum(mark['state'] == DONE for mark in state.marks())
        say(f'{title}: interrupted; {n_done} of {n_tasks} tasks are done. Resume with:')
        say(f'    {resume_command()}')
        raise
    finally:
        seconds = time.monotonic() - start
        state.update(seconds=round(state.read().get('seconds', 0) + seconds, 3))
    report = state.report()
    counts = counts_text(report)
    say(
        f'{title}: {count(n_tasks, "task")} done in {duration(seconds)}'
        + (f' ({counts})' if counts else '')
    )
    for line in remarks(report):
        say(f'    {line}')


def resume_command() -> str:
    """How a person continues the running pipeline."""
    return os.environ.get('POSEPILE_RESUME') or 'the same command'


def _check_after(request):
    if request.after is None:
        return
    marks = StepState(request.dataset, request.after).marks()
    if not marks or any(mark['state'] != DONE for mark in marks):
        raise PosePileError(
            f'Step {request.name} is to run after step {request.after}, which is not done.'
        )


def _record(state, request, executor):
    """Bring ``step.json`` up to date; a step that was never started gets its number of tasks."""
    record = state.read()
    n_tasks = record.get('n_tasks')
    if n_tasks is None:
        state.write(record | {'n_tasks': None})
        state.delete_task_files()
        if record.get('forced'):
            state.delete_results()
        n_tasks = min(request.tasks, executor.n_tasks(request))
    elif record['command'] != request.command:
        _check_stale(state, record, request)
    if min(request.tasks, positive_int_from_env('POSEPILE_TASKS') or n_tasks) != n_tasks:
        say(f'{request.dataset} {request.name}: keeps its {count(n_tasks, "task")}')

    options = asdict(request)
    del options['dataset'], options['name'], options['command']
    state.write(
        record
        | {
            'command': request.command,
            'n_tasks': n_tasks,
            'options': options,
            'position': int(os.environ.get('POSEPILE_STEP_POSITION') or 0),
            'run_id': os.environ.get('POSEPILE_RUN_ID'),
            'code_version': code_version(),
        }
    )


def _check_stale(state, record, request):
    n_done = sum(mark['state'] == DONE for mark in state.marks())
    if n_done == 0 or os.environ.get('POSEPILE_KEEP'):
        return
    raise OptionError(
        f'Step {state.name} is stale: its command has changed since {n_done} of its tasks were '
        f'done. It was "{shlex.join(record["command"])}" and is "{shlex.join(request.command)}". '
        f'Run again with --force {state.name} (POSEPILE_FORCE={state.name}) to redo it and the '
        'later steps, or with --keep (POSEPILE_KEEP=1) to keep what is done.'
    )


def _explain_failure(state, i_task, n_tasks):
    log = state.log_path(i_task)
    command = shlex.join(state.read()['command'])
    say(f'--- last lines of {log}')
    for line in log_tail(log):
        say(line)
    say('--- to run this task alone:')
    say(
        f'    POSEPILE_DATASET={state.dataset} SLURM_ARRAY_TASK_ID={i_task} '
        f'SLURM_ARRAY_TASK_COUNT={n_tasks} {command}'
    )
    say('--- to resume:')
    say(f'    {resume_command()}')


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number of at least 1')
    return int(text)
