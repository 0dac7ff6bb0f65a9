"""What a person says about the cluster, once: ``cluster.toml``.

It lies in DATA_ROOT, or for all of a person's data in ``~/.config/posepile/``; the former goes
before. Every key is optional::

    partition = "cpu"               # also account and qos
    account = "proj42"
    qos = "normal"
    time = "4:00:00"                # for steps that name none of their own; also mem and cpus
    mem = "4G"
    cpus = 1
    options = ["--constraint=avx2"] # any further options of sbatch
    modules = ["python/3.11"]       # loaded in each job
    setup = "source ~/venv/bin/activate"   # lines of bash before the work
    max_parallel = 200              # most tasks of a step at a time
    requeues = 10                   # how often a task may run into its time limit and go on
    here = ["download"]             # steps that run where posepile was started: nodes that
                                    # compute often have no internet

    [gpu]                           # all of the above again, for steps with --gpu, and
    flag = "--gres=gpu:1"           # how a GPU is asked for; "" for not at all
    partition = "gpu"

    [steps.crops]                   # all of the above again, for a step of any dataset
    mem = "8G"

    [steps."h36m.crops"]            # ... and of one
    time = "12:00:00"
"""

import dataclasses
import os
import os.path as osp
import sys
from dataclasses import dataclass

from posepile import paths
from posepile.checked_table import CheckedTable
from posepile.errors import BadFileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TEXTS = ('partition', 'account', 'qos', 'time', 'mem', 'setup', 'flag')
_COUNTS = ('cpus', 'max_parallel', 'requeues')
_LISTS = ('options', 'modules', 'here')


@dataclass(frozen=True)
class Settings:
    """What a job asks Slurm for; None: whatever the cluster gives."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: str | None = None
    mem: str | None = None
    cpus: int | None = None
    max_parallel: int | None = None
    options: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    setup: str | None = None
    requeues: int = 10
    flag: str | None = None
    here: tuple[str, ...] = ()


class ClusterConfig:
    """The content of ``cluster.toml``; :meth:`settings` tells what a step asks for."""

    def __init__(self, general, gpu, steps):
        self.general = general
        self.gpu = gpu
        self.steps = steps

    def settings(self, request) -> Settings:
        """The settings of a step.

        What is said of the step goes before the step line in ``main.sh``, that before what is
        said of GPU steps, and that before what is said of all.
        """
        values = dict(self.general)
        if request.gpu:
            values |= {'flag': '--gres=gpu:1'} | self.gpu
        of_line = {
            'time': request.time,
            'mem': request.mem,
            'cpus': request.cpus,
            'max_parallel': request.max_parallel,
        }
        values |= {key: value for key, value in of_line.items() if value is not None}
        values |= self.steps.get(request.name, {})
        values |= self.steps.get(f'{request.dataset}.{request.name}', {})
        return dataclasses.replace(Settings(), **values)


def config_paths() -> list[str]:
    """Where ``cluster.toml`` may lie; the first one that exists counts."""
    home = os.environ.get('XDG_CONFIG_HOME') or osp.expanduser('~/.config')
    return [osp.join(folder, 'cluster.toml') for folder in (paths.data_root(), f'{home}/posepile')]


def read_config() -> ClusterConfig:
    """Read ``cluster.toml``; without one, nothing is asked for but what steps ask for.

    Raises:
        BadFileError: names the file and the key that is wrong.
    """
    for path in config_paths():
        if osp.exists(path):
            return _read(path)
    return ClusterConfig({}, {}, {})


def _read(path):
    try:
        with open(path, 'rb') as f:
            content = tomllib.load(f)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadFileError(path, f'is no valid TOML: {e}', 'Correct it.') from e
    table = CheckedTable(path, content)
    gpu = table.table('gpu')
    steps = table.table('steps')
    config = ClusterConfig(
        _values(table), _values(gpu), {name: _values(steps.table(name)) for name in steps.content}
    )
    for part in (table, gpu, steps):
        part.finish()
    return config


def _values(table):
    values = {key: table.string(key, None) for key in _TEXTS}
    values |= {
        key: table.take(key, int, 'a whole number', None, lambda v: v >= 0) for key in _COUNTS
    }
    values |= {key: table.strings(key, ()) or None for key in _LISTS}
    if table.prefix.startswith('steps.'):
        table.finish()
    return {key: value for key, value in values.items() if value is not None}
