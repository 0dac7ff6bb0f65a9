"""Job scripts and cluster.toml, which need no Slurm."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.cluster.request import StepRequest
from posepile.cluster.slurm.commands import SlurmError
from posepile.cluster.slurm.config import Settings, read_config
from posepile.cluster.slurm.ended import describe_end
from posepile.cluster.slurm.executor import SlurmExecutor
from posepile.cluster.slurm.script import (
    chunks,
    index_ranges,
    job_name,
    job_script,
    offset_of,
    time_limit_seconds,
)
from posepile.errors import BadFileError

CROPS = StepRequest('demo', 'crops', ['python', '-m', 'x'], tasks=64)


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path / 'config'))
    monkeypatch.setenv('POSEPILE_PYTHON', '/env/bin/python')
    for name in ('POSEPILE_DETECTOR', 'POSEPILE_SEGMENTER', 'CACHE_DIR', 'PYTHONPATH'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def settings(data_root, toml, request=CROPS):
    (data_root / 'cluster.toml').write_text(toml)
    return read_config().settings(request)


@given(st.sets(st.integers(0, 300)))
def test_ranges_name_every_index_once(indices):
    text = index_ranges(sorted(indices))
    found = []
    for part in text.split(',') if text else []:
        first, _, last = part.partition('-')
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(indices)


@given(st.sets(st.integers(0, 20000), min_size=1), st.integers(1, 1001))
def test_chunks_keep_indices_below_the_limit(tasks, limit):
    result = chunks(sorted(tasks), limit)
    assert sorted(i for _, part in result for i in part) == sorted(tasks)
    assert all(0 <= i - offset < limit for offset, part in result for i in part)
    # An offset does not depend on which tasks are left: their jobs are found again by it.
    assert all(offset % limit == 0 for offset, _ in result)


@pytest.mark.parametrize(
    'text, seconds',
    [('30', 1800), ('30:15', 1815), ('2:00:00', 7200), ('1-12', 129600), ('1-12:30', 131400),
     ('1-12:30:05', 131405), ('UNLIMITED', None), ('2h', None)],
)  # fmt: skip
def test_time_limits(text, seconds):
    assert time_limit_seconds(text) == seconds


def test_script(data_root):
    toml = """
        partition = "cpu"
        account = "proj42"
        qos = "long"
        modules = ["python/3.11", "cuda 12"]
        setup = "source ~/venv/bin/activate\\nulimit -c 0"
        options = ["--constraint=avx2"]
        max_parallel = 8
        [steps.crops]
        time = "2:00:00"
        mem = "4G"
    """
    script = job_script(
        CROPS, '/all data/crops', settings(data_root, toml), [5, 6, 7, 9], 5, ['afterok:12:13']
    )
    lines = script.splitlines()
    assert lines[0] == '#!/bin/bash'
    assert '#SBATCH --array=0-2,4%8' in lines
    assert "#SBATCH --output='/all data/crops/slurm-%A_%a.out'" in lines
    for option in (
        'partition=cpu', 'account=proj42', 'qos=long', 'time=2:00:00', 'mem=4G', 'ntasks=1',
        'constraint=avx2', 'requeue', 'signal=B:USR1@120', 'dependency=afterok:12:13',
        'kill-on-invalid-dep=yes', f'job-name={job_name("demo", "crops", 5)}',
    ):  # fmt: skip
        assert f'#SBATCH --{option}' in lines
    body = lines[lines.index('set -e') :]
    assert body[1:5] == [
        'module load python/3.11', "module load 'cuda 12'", 'source ~/venv/bin/activate',
        'ulimit -c 0',
    ]  # fmt: skip
    assert f'export DATA_ROOT={data_root}' in body
    assert body[-1] == 'exec /env/bin/python -m posepile.cluster task demo crops 5'


def test_settings_of_a_step_go_before_the_line_in_main_sh_and_that_before_the_general(data_root):
    toml = """
        mem = "1G"
        time = "1:00:00"
        cpus = 2
        [gpu]
        partition = "gpu"
        mem = "8G"
        [steps.masks]
        time = "3:00:00"
        [steps."h36m.masks"]
        time = "9:00:00"
    """
    plain = settings(data_root, toml)
    assert (plain.mem, plain.time, plain.cpus, plain.partition) == ('1G', '1:00:00', 2, None)
    assert plain.flag is None
    masks = StepRequest('demo', 'masks', ['true'], gpu=True, mem='16G', time='2:00:00')
    of_masks = settings(data_root, toml, masks)
    assert (of_masks.mem, of_masks.time, of_masks.partition) == ('16G', '3:00:00', 'gpu')
    assert of_masks.flag == '--gres=gpu:1'
    of_h36m = settings(data_root, toml, StepRequest('h36m', 'masks', ['true'], gpu=True))
    assert (of_h36m.mem, of_h36m.time) == ('8G', '9:00:00')


def test_cluster_toml_of_the_data_goes_before_that_of_the_person(data_root):
    assert read_config().settings(CROPS) == Settings()
    personal = data_root / 'config/posepile/cluster.toml'
    personal.parent.mkdir(parents=True)
    personal.write_text('partition = "mine"')
    assert read_config().settings(CROPS).partition == 'mine'
    assert settings(data_root, 'partition = "ours"').partition == 'ours'


@pytest.mark.parametrize(
    'toml, problem',
    [('partitoin = "x"', 'key partitoin: is unknown; did you mean partition?'),
     ('cpus = "two"', "key cpus: is 'two'; it must be a whole number"),
     ('[steps.crops]\nmemory = "1G"', 'key steps.crops.memory: is unknown'),
     ('[steps]\ncrops = 3', 'key steps.crops: is 3; it must be a table'),
     ('options = "--x"', 'key options'),
     ('mem = ', 'is no valid TOML')],
)  # fmt: skip
def test_mistakes_in_cluster_toml_are_named(data_root, toml, problem):
    with pytest.raises(BadFileError, match=re.escape(problem)) as e:
        settings(data_root, toml)
    assert str(data_root / 'cluster.toml') in str(e.value)


def test_names_of_jobs_tell_the_step_and_the_data_root(data_root, monkeypatch):
    name = job_name('demo', 'crops', 2002)
    assert name.startswith('demo.crops.2002.') and offset_of(name) == 2002
    monkeypatch.setenv('DATA_ROOT', str(data_root / 'other'))
    assert job_name('demo', 'crops', 2002) != name


def test_warning_comes_well_before_a_short_limit(data_root):
    script = job_script(CROPS, '/x', Settings(time='2'), [0])
    assert '#SBATCH --signal=B:USR1@30' in script


def test_without_slurm(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SlurmError, match='sbatch is not here.*POSEPILE_EXECUTOR=local'):
        SlurmExecutor()


@pytest.mark.parametrize(
    'end, output, expected',
    [('OUT_OF_MEMORY', '', 'more memory'), ('TIMEOUT', '', 'more time'),
     ('FAILED', 'slurmstepd: error: Exceeded job memory limit', 'more memory'),
     ('FAILED', 'error: execve(): no such file', r'\(error: execve'),
     ('', '', 'nobody knows how')],
)  # fmt: skip
def test_ends_in_words(tmp_path, end, output, expected):
    (tmp_path / 'out').write_text(output)
    assert re.search(expected, describe_end(end, str(tmp_path / 'out')))
