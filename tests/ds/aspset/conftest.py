"""A tiny release of three short clips, copied for each test that damages it."""

import os
import shutil

import pytest

from posepile.ds.aspset import simulate
from posepile.ds.aspset.simulate import ClipPlan
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release

PLANS = (
    ClipPlan('0aaa', '0001', 'train', 'left', 'walk', n_frames=12),
    ClipPlan('0aaa', '0002', 'train', 'mid', 'kick', n_frames=12),
    ClipPlan('0bbb', '0001', 'val', 'right', 'swing', n_frames=12),
    ClipPlan('0ccc', '0001', 'test', 'right', 'reach', n_frames=12),
)


@pytest.fixture(scope='session')
def pristine_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('aspset_pristine')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, 'TINY', PLANS)
        patch.setenv('DATA_ROOT', str(root))
        simulate_release(find_dataset('aspset'))
    return root


@pytest.fixture
def data_root(pristine_root, tmp_path, monkeypatch):
    """A DATA_ROOT of this test's own with the simulated release."""
    root = tmp_path / 'data'
    shutil.copytree(pristine_root, root)
    monkeypatch.setenv('DATA_ROOT', os.fspath(root))
    return root
