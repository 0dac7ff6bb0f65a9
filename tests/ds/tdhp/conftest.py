"""A release of a few short sequences whose videos are blank, copied for each test."""

import os
import shutil

import numpy as np
import pytest

from posepile.ds.tdhp import simulate, simulate_takes
from posepile.ds.tdhp.simulate_takes import Sequence
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release
from posepile.simulate.truth import save_truth

TAKES = (
    Sequence(1, 2, 'walk', 22, (0, 3, 12), place=(1300, 700)),
    Sequence(6, 2, 'still', 12, (2,), short_video=(2, 9)),
    Sequence(8, 2, 'walk', 22, (0,)),
)


def blank_images(view, wanted, markers):
    """What the videos show: nothing, which is quickly drawn."""
    for i in range(view.n):
        person = np.zeros(view.camera.imshape, bool)
        person[300:700, 300 + i : 500 + i] = True
        nothing = np.zeros_like(person)
        view.foregrounds[i] = simulate.masks.Foreground(person, person, nothing, nothing)
        yield np.full((*view.camera.imshape, 3), 100, np.uint8) if i == 0 else None


@pytest.fixture(scope='session')
def pristine_blank_release(tmp_path_factory):
    root = tmp_path_factory.mktemp('tdhp_blank')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate_takes, 'TINY', TAKES)
        patch.setattr(simulate_takes, 'TINY_TEST', ())
        patch.setattr(simulate._View, '_images', blank_images)
        patch.setattr(simulate, 'BUILDS_ON', ())
        patch.setenv('DATA_ROOT', str(root))
        save_truth('mupots_yolo', [])
        simulate_release(find_dataset('tdhp'))
    return root


@pytest.fixture
def blank_release(pristine_blank_release, tmp_path, monkeypatch):
    """A DATA_ROOT of this test's own with the release, without test sequences."""
    root = tmp_path / 'data'
    shutil.copytree(pristine_blank_release, root)
    monkeypatch.setenv('DATA_ROOT', os.fspath(root))
    return root
