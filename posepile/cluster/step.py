"""One step: what was asked for, whether it is done, who runs it."""

import os
import shlex
import time
import uuid
from dataclasses import asdict

from posepile.cluster.basis import basis, differences
from posepile.cluster.errors import Interrupted, TaskFailed
from posepile.cluster.overview import counts_text, remarks
from posepile.cluster.progress import count, duration, log_tail, say
from posepile.cluster.resources import positive_int_from_env
from posepile.cluster.state import DONE, FAILED, StepState
from posepile.cluster.version import code_version
from posepile.errors import OptionError, PosePileError


def make_executor(lifelines=()):
    """The executor that ``POSEPILE_EXECUTOR`` names, by default the local one.

    An executor has the methods ``n_tasks(request)``, into how many tasks a step is cut at its first
    start, and ``run(request, state, only=None)``, which runs what is not done of it (or of the
    tasks ``only``) and returns whether they are done then (False: they have been handed over), and
    the attribute ``detached``.

    Args:
        lifelines: process numbers; a run ends as soon as one of them has.
    """
    name = os.environ.get('POSEPILE_EXECUTOR') or 'local'
    if name == 'local':
        from posepile.cluster.local import LocalExecutor

        if os.environ.get('POSEPILE_DETACH'):
            raise OptionError('POSEPILE_DETACH=1 needs POSEPILE_EXECUTOR=slurm.')
        return LocalExecutor(lifelines)
    if name == 'slurm':
        from posepile.cluster.slurm.executor import SlurmExecutor

        return SlurmExecutor(lifelines, detached=bool(os.environ.get('POSEPILE_DETACH')))
    raise OptionError(f'POSEPILE_EXECUTOR={name} is unknown; it can be local or slurm.')


def run_step(request, executor, script=None, names=()):
    """Run what is not done of a step. The caller holds the lock of the dataset.

    Args:
        request: the :class:`~posepile.cluster.request.StepRequest`.
        script: the ``main.sh`` that the step belongs to, if it does.
        names: the steps of the script, in order.

    Raises:
        OptionError: if the step is stale (:mod:`posepile.cluster.basis`).
        PosePileError: if a task fails, or the run is interrupted.
    """
    state = StepState(request.dataset, request.name)
    if not executor.detached:
        _check_after(request)
    _record(state, request, executor, script, names)

    title = f'{request.dataset} {request.name}'
    n_tasks = state.read()['n_tasks']
    if all(mark['state'] == DONE for mark in state.marks()):
        say(f'{title}: done before ({count(n_tasks, "task")})')
        return

    start = time.monotonic()
    try:
        if os.environ.get('POSEPILE_RETRY_FAILED') and not executor.detached:
            failed = {i for i, mark in enumerate(state.marks()) if mark['state'] == FAILED}
            if failed:
                say(f'{title}: first {count(len(failed), "task")} that failed before')
                executor.run(request, state, only=failed)
        is_done = executor.run(request, state)
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
        if not executor.detached:
            state.update(seconds=round(state.read().get('seconds', 0) + seconds, 3))
    if not is_done:
        return
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


def current_basis(request, script=None, names=()) -> dict:
    """What results of the step would rest upon if they were made now."""
    earlier = names[: names.index(request.name)] if request.name in names else ()
    return basis(request, script, earlier)


def _check_after(request):
    if request.after is None:
        return
    marks = StepState(request.dataset, request.after).marks()
    if not marks or any(mark['state'] != DONE for mark in marks):
        raise PosePileError(
            f'Step {request.name} is to run after step {request.after}, which is not done.'
        )


def _record(state, request, executor, script, names):
    """Bring ``step.json`` up to date; a step that was never started gets its number of tasks."""
    record = state.read()
    n_tasks = record.get('n_tasks')
    new_basis = current_basis(request, script, names)
    if n_tasks is None:
        state.write(record | {'n_tasks': None})
        state.delete_task_files()
        if record.get('forced'):
            state.delete_results()
        n_tasks = min(request.tasks, executor.n_tasks(request))
        record['epoch'] = uuid.uuid4().hex[:12]
    else:
        _check_stale(state, record, new_basis)
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
            'basis': new_basis,
            'position': names.index(request.name) + 1 if request.name in names else 0,
            'run_id': os.environ.get('POSEPILE_RUN_ID'),
            'code_version': code_version(),
        }
    )


def _check_stale(state, record, new_basis):
    changed = differences(record.get('basis', {}), new_basis)
    n_done = sum(mark['state'] == DONE for mark in state.marks())
    if not changed or n_done == 0 or os.environ.get('POSEPILE_KEEP'):
        return
    told = (f'{key} was "{record["basis"][key]}" and is "{new_basis[key]}"' for key in changed)
    raise OptionError(
        f'Step {state.name} is stale: what its results rest upon has changed since {n_done} of its '
        f'tasks were done: {"; ".join(told)}. '
        f'Run again with --force {state.name} (POSEPILE_FORCE={state.name}) to redo it and the '
        'later steps, or with --keep (POSEPILE_KEEP=1) to keep what is done.'
    )


def _explain_failure(state, i_task, n_tasks):
    log = state.log_path(i_task)
    job = state.mark(i_task).get('job')
    if not log_tail(log) and job:  # it ended before its task began, or without a word of it
        log = state.early_log_path(job)
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
