"""What would be submitted, without submitting it."""

from posepile.cluster import resources
from posepile.cluster.progress import count
from posepile.cluster.slurm import commands
from posepile.cluster.slurm.config import read_config
from posepile.cluster.slurm.script import chunks, job_script
from posepile.cluster.state import DONE, StepState


def rehearse(requests):
    """Print the job scripts of the steps that are not done.

    Args:
        requests: all steps of a pipeline, :class:`~posepile.cluster.request.StepRequest`.

    Jobs that do not exist yet are named by their step in dependencies.
    """
    config = read_config()
    max_array_size = _max_array_size()
    undone = []
    for request in requests:
        state = StepState(request.dataset, request.name)
        settings = config.settings(request)
        marks = state.marks()
        title = f'# {request.dataset} {request.name}'
        if marks and all(mark['state'] == DONE for mark in marks):
            print(f'{title}: done\n')
            continue
        if request.name in settings.here:
            print(f'{title}: runs where posepile is started\n')
            continue
        n_tasks = resources.positive_int_from_env('POSEPILE_TASKS') or request.tasks
        n_tasks = len(marks) or min(request.tasks, n_tasks)
        todo = [i for i in range(n_tasks) if not marks or marks[i]['state'] != DONE]
        before = undone if request.after is None else {request.after} & set(undone)
        dependencies = [f'afterok:{":".join(f"<{name}>" for name in before)}'] if before else []
        for offset, tasks in chunks(todo, max_array_size):
            print(f'{title}: {count(len(tasks), "task")}')
            print(job_script(request, state.folder, settings, tasks, offset, dependencies))
        undone.append(request.name)


def _max_array_size():
    try:
        return commands.max_array_size()
    except commands.SlurmError:  # no cluster here: its usual value
        return 1001
