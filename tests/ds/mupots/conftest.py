"""A small release of annotations alone, and one of a single sequence with its images."""

import os

import numpy as np
import pytest

from posepile.simulate.writers import write_jpeg
from tests.ds.mupots.one_take import N_FRAMES, N_PEOPLE, box_of, detect, path_of, write
from tests.ds.mupots.small_release import SmallRelease


@pytest.fixture(scope='session')
def release(tmp_path_factory):
    return SmallRelease(tmp_path_factory.mktemp('mupots_annotations') / 'mupots')


@pytest.fixture
def one_take(tmp_path, monkeypatch):
    """TS7 alone: two people in three frames; returns the folder and (3, 2, 17, 3) joints."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    rng = np.random.default_rng(0)
    joints = rng.uniform([-300, -500, 3400], [300, 500, 3600], (N_FRAMES, N_PEOPLE, 17, 3))
    joints[:, 1, :, 0] += 800
    folder = tmp_path / 'mupots/TS7'
    os.makedirs(folder)
    write(folder, joints, np.ones((N_FRAMES, N_PEOPLE), bool))
    for i in range(N_FRAMES):
        write_jpeg(folder / f'img_{i:06d}.jpg', np.full((480, 660, 3), 60 * i, np.uint8))
    detect(tmp_path, {path_of(i): [[*box_of(p), 0.9] for p in joints[i]] for i in range(3)})
    return folder, joints
