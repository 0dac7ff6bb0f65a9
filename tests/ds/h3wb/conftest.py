"""A release of a few short takes whose videos are blank."""

import dataclasses
import os
import shutil

import numpy as np
import pytest

from posepile.ds.h3wb import simulate as simulate_h3wb
from posepile.ds.h36m import simulate, simulate_takes
from posepile.ds.h36m.metadata import read_metadata
from posepile.ds.h36m.simulate_takes import Take
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release

TAKES = (
    Take(1, 14, 1, 'walk', 36),
    Take(5, 2, 2, 'swing', 61, short_video=(1, 20)),
    Take(6, 13, 1, 'still', 21),
    Take(7, 6, 1, 'walk', 41),
    Take(8, 16, 2, 'kick', 41, missing_video=3),
)


def blank_frames(scene, view, points):
    """What the videos show: nothing, which is quickly drawn."""
    yield np.full((*view.camera.imshape, 3), 100, np.uint8)
    yield from [None] * (view.take.video_length(view.i_camera) - 1)


@dataclasses.dataclass
class Empty:
    """A scene without the person."""

    def render(self, camera, i_frame):
        return self

    def mask(self, k):
        return np.zeros((10, 10), bool)


@pytest.fixture(scope='session')
def pristine_release(tmp_path_factory):
    root = tmp_path_factory.mktemp('h3wb_blank')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate_takes, 'TINY', TAKES)
        patch.setattr(simulate, '_frames', blank_frames)
        patch.setattr(simulate_h3wb, '_without_surroundings', lambda performer: Empty())
        patch.setenv('DATA_ROOT', str(root))
        simulate_release(find_dataset('h3wb'))
    return root


@pytest.fixture
def release(pristine_release, tmp_path, monkeypatch):
    """A DATA_ROOT with the release; only ``h3wb`` may be changed."""
    root = tmp_path / 'data'
    shutil.copytree(pristine_release / 'h3wb', root / 'h3wb')
    (root / 'h36m').symlink_to(pristine_release / 'h36m')
    monkeypatch.setenv('DATA_ROOT', os.fspath(root))
    return root


@pytest.fixture(scope='session')
def metadata(pristine_release):
    return read_metadata(pristine_release / 'h36m/Release-v1.2/metadata.xml')
