"""What is done, as files: ``$DATA_ROOT/.posepile/<dataset>/<step>/``.

========================  =======================================================================
``step.json``             command, number of tasks, options and basis of the step, Slurm jobs
``00003.json``            mark of task 3; absent: pending. Its ``state`` is one of

                          * ``running``: host, pid, start, since, and in Slurm job
                          * ``done``: seconds, peak_memory_mb, report, ended
                          * ``failed``: exit_code, problem, log, seconds
``00003.log``             what task 3 wrote to its standard output and error, last attempt
``00003.report.json``     what task 3 leaves for its mark (``POSEPILE_TASK_REPORT``); removed then
``slurm-JOB_TASK.out``    what a Slurm job wrote outside its task; removed if the task ends
any folder                results that the step's command keeps here; they go when it is forced
========================  =======================================================================

All files are written under a temporary name and renamed, so that they are whole or absent. A
file has one writer at a time: ``step.json`` the holder of the dataset's lock
(:mod:`posepile.cluster.lock`), a mark the process that runs the task, which holds a lock on its
log, and after its end the holder of the dataset's lock.
"""

import json
import os
import os.path as osp
import re
import shutil

from posepile.atomic import replacing
from posepile.checked_table import NAME
from posepile.errors import BadFileError, OptionError
from posepile.paths import state_dir, step_dir

PENDING, RUNNING, DONE, FAILED = 'pending', 'running', 'done', 'failed'

_MARK_NAME = re.compile(r'\d{5,}\.json')


class StepState:
    """The state of step ``name`` of the product ``dataset``; reading never writes."""

    def __init__(self, dataset, name):
        if not NAME.fullmatch(name):
            raise OptionError(f'A step cannot be called {name!r}: use letters, digits, _ and -.')
        self.dataset = dataset
        self.name = name
        self.folder = step_dir(dataset, name)

    def read(self) -> dict:
        """The content of ``step.json``; empty if the step was never started."""
        return read_json(osp.join(self.folder, 'step.json')) or {}

    def write(self, record):
        os.makedirs(self.folder, exist_ok=True)
        write_json(osp.join(self.folder, 'step.json'), record)

    def update(self, **changes):
        self.write(self.read() | changes)

    def mark_path(self, i_task) -> str:
        return osp.join(self.folder, f'{i_task:05d}.json')

    def log_path(self, i_task) -> str:
        return osp.join(self.folder, f'{i_task:05d}.log')

    def report_path(self, i_task) -> str:
        return osp.join(self.folder, f'{i_task:05d}.report.json')

    def early_log_path(self, job) -> str:
        """What a Slurm job (``'12_3'``) wrote outside its task; removed if that ends well."""
        return osp.join(self.folder, f'slurm-{job}.out')

    def early_logs(self) -> list[str]:
        """Paths of all files of :meth:`early_log_path`."""
        names = os.listdir(self.folder) if osp.isdir(self.folder) else []
        names = sorted(name for name in names if re.fullmatch(r'slurm-\d+_\d+\.out', name))
        return [osp.join(self.folder, name) for name in names]

    def delete_early_logs(self):
        for path in self.early_logs():
            remove(path)

    def mark(self, i_task) -> dict:
        """The mark of a task: a dict with at least ``state``."""
        return read_json(self.mark_path(i_task)) or {'state': PENDING}

    def marks(self) -> list[dict]:
        """The marks of all tasks in order; empty if the step was never started."""
        return MarkReader(self).read()

    def set_mark(self, i_task, state, **fields):
        write_json(self.mark_path(i_task), {'state': state, **fields})

    def clear_mark(self, i_task):
        remove(self.mark_path(i_task))

    def reset(self):
        """Forget all tasks and their results; the next start of the step begins anew.

        Dying in the middle is harmless: ``step.json`` is replaced first, and a step without a
        number of tasks has its files deleted (again) before it is started.
        """
        self.write({'n_tasks': None, 'forced': True, 'position': self.read().get('position', 0)})
        self.delete_task_files()
        self.delete_results()

    def delete(self):
        """Forget the step altogether."""
        shutil.rmtree(self.folder)

    def delete_results(self):
        for entry in os.scandir(self.folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)

    def delete_task_files(self):
        for name in os.listdir(self.folder):
            if re.match(r'\d{5,}\.', name):
                remove(osp.join(self.folder, name))
        self.delete_early_logs()

    def report(self, marks=None) -> dict:
        """The reports of all done tasks as one: numbers are summed, lists joined.

        Args:
            marks: the marks of all tasks, if they were read before.
        """
        total = {}
        for mark in self.marks() if marks is None else marks:
            for key, value in mark.get('report', {}).items():
                total[key] = total[key] + value if key in total else value
        return total


class MarkReader:
    """Reads the marks of a step again and again; only those that have changed are opened."""

    def __init__(self, state):
        self.state = state
        self._known = {}  # file name -> (what tells a change, mark)

    def read(self) -> list[dict]:
        """The marks of all tasks in order; empty if the step was never started."""
        n_tasks = self.state.read().get('n_tasks') or 0
        known = {}
        if n_tasks:
            with os.scandir(self.state.folder) as entries:
                for entry in entries:
                    if _MARK_NAME.fullmatch(entry.name):
                        known[entry.name] = self._read_one(entry)
        self._known = known
        names = (osp.basename(self.state.mark_path(i)) for i in range(n_tasks))
        return [known[name][1] if name in known else {'state': PENDING} for name in names]

    def _read_one(self, entry):
        old = self._known.get(entry.name)
        try:
            stat = entry.stat()
            change = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if old is not None and old[0] == change:
                return old
            mark = read_json(entry.path)
        except FileNotFoundError:  # deleted since it was listed
            change, mark = None, None
        return change, mark or {'state': PENDING}


def running_tasks(marks) -> list[int]:
    """Numbers of the tasks that are marked as running."""
    return [i for i, mark in enumerate(marks) if mark['state'] == RUNNING]


def steps_of(dataset) -> list[StepState]:
    """The steps of a product that were ever started, in the order of its ``main.sh``."""
    folder = state_dir(dataset)
    names = os.listdir(folder) if osp.isdir(folder) else []
    # What belongs to the dataset as a whole lies here, too, under names with a dot.
    states = [StepState(dataset, name) for name in names if NAME.fullmatch(name)]
    return sorted(states, key=lambda s: (s.read().get('position', 0), s.name))


def step_report(step, dataset=None) -> dict:
    """What the tasks of a step reported, summed over tasks (lists are joined in task order).

    Args:
        step: name of the step.
        dataset: name of the product, by default ``$POSEPILE_DATASET``, as inside a pipeline.
    """
    dataset = dataset or os.environ.get('POSEPILE_DATASET')
    if not dataset:
        raise OptionError('The report of a step needs the name of a dataset or POSEPILE_DATASET.')
    return StepState(dataset, step).report()


def read_json(path):
    """The dict in a file; None if the file is absent or damaged.

    Damage (an interrupted disk, a full one) makes a task count as pending, which costs its
    repetition and nothing else.
    """
    try:
        with open(path, encoding='utf-8') as f:
            content = json.load(f)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path, content):
    """Replace a file atomically.

    Raises:
        BadFileError: if the disk is full, or for whatever else it cannot be written.
    """
    try:
        with replacing(path) as partial, open(partial, 'w', encoding='utf-8') as f:
            json.dump(content, f, indent=1)
            f.write('\n')
    except OSError as e:
        raise BadFileError(
            path, f'cannot be written: {e.strerror}', 'What is done so far is kept.'
        ) from e


def remove(path):
    """Delete a file that may be absent."""
    if osp.lexists(path):
        os.remove(path)
