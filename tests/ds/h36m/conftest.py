"""A release of a few short takes whose videos are blank, copied for each test."""

import os
import shutil

import numpy as np
import pytest

from posepile.ds.h36m import simulate, simulate_takes
from posepile.ds.h36m.simulate_takes import Take
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release

TAKES = (
    Take(1, 12, 1, 'swing', 41, box_rows=38),
    Take(5, 2, 2, 'still', 11),
    Take(6, 13, 1, 'walk', 21),
    Take(7, 6, 1, 'still', 6),
    Take(8, 16, 2, 'kick', 70),
    Take(9, 5, 1, 'still', 6),
    Take(9, 5, 2, 'reach', 70, excess=70),
    Take(9, 10, 2, 'sit', 66),
    Take(11, 2, 2, 'still', 6),
)


def blank_frames(scene, view, points):
    """What the videos show: nothing, which is quickly drawn."""
    length = view.take.video_length(view.i_camera)
    yield np.full((*view.camera.imshape, 3), 100, np.uint8)
    yield from [None] * (length - 1)


@pytest.fixture(scope='session')
def pristine_blank_release(tmp_path_factory):
    root = tmp_path_factory.mktemp('h36m_blank')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate_takes, 'TINY', TAKES)
        patch.setattr(simulate, '_frames', blank_frames)
        patch.setenv('DATA_ROOT', str(root))
        simulate_release(find_dataset('h36m'))
    return root


@pytest.fixture
def blank_release(pristine_blank_release, tmp_path, monkeypatch):
    """A DATA_ROOT of this test's own with the release."""
    root = tmp_path / 'data'
    shutil.copytree(pristine_blank_release, root)
    monkeypatch.setenv('DATA_ROOT', os.fspath(root))
    return root
