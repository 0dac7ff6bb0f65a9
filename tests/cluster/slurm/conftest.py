"""The demo pipeline of the folder above, on a real one-node Slurm."""

import pytest

from ..conftest import Pipeline
from .one_node import OneNode, missing_programs


@pytest.fixture(scope='session')
def slurm(tmp_path_factory):
    missing = missing_programs()
    if missing:
        pytest.skip(
            f'Slurm is not installed (no {", ".join(missing)}): apt-get install slurm-wlm munge'
        )
    cluster = OneNode(tmp_path_factory.mktemp('slurm'))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def pipeline(tmp_path, slurm):
    """Runs by Slurm; the blank in DATA_ROOT must not matter."""
    pipeline = Pipeline(tmp_path)
    pipeline.data_root = tmp_path / 'all data'
    pipeline.data_root.mkdir()
    pipeline.env |= slurm.env | {
        'DATA_ROOT': str(pipeline.data_root),
        'POSEPILE_EXECUTOR': 'slurm',
    }
    configure(pipeline)
    yield pipeline
    pipeline.posepile('cancel', 'demo')


def configure(pipeline, **values):
    lines = [f'{key} = {value!r}' for key, value in ({'mem': '200M'} | values).items()]
    (pipeline.data_root / 'cluster.toml').write_text('\n'.join(lines).replace("'", '"') + '\n')
