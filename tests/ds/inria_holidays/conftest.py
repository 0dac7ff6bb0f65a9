import shutil

import pytest

from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release


@pytest.fixture(scope='session')
def simulated_holidays(tmp_path_factory):
    """DATA_ROOT with the simulated release. Not to be changed."""
    root = tmp_path_factory.mktemp('holidays')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DATA_ROOT', str(root))
        simulate_release(find_dataset('inria_holidays'))
    return root


@pytest.fixture
def new_root(tmp_path, monkeypatch):
    """An empty DATA_ROOT."""
    root = tmp_path / 'root'
    root.mkdir()
    monkeypatch.setenv('DATA_ROOT', str(root))
    return root


@pytest.fixture
def holidays(simulated_holidays, new_root):
    """The release in a DATA_ROOT of its own."""
    shutil.copytree(simulated_holidays, new_root, dirs_exist_ok=True)
    return new_root / 'inria_holidays'
