"""A release whose images are blank, and one in which body models do not depend on the gender."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from posepile.bodymodels.fake import write_body_models
from posepile.ds.tdpw import simulate
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release


class BlankScene:
    def __init__(self, *args, **kwargs):
        pass

    def render(self, camera, i_frame):
        return SimpleNamespace(image=np.full((*camera.imshape, 3), 100, np.uint8))


def write_same_models(folder, seed=0):
    """Body models of which all genders are the neutral one."""
    write_body_models(folder, seed, genders=['neutral'])
    neutral = os.path.join(folder, 'smpl', 'basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl')
    for letter in 'mf':
        os.link(neutral, neutral.replace('neutral', letter))


def make_release(root, write_models):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, 'Scene', BlankScene)
        patch.setattr(simulate, 'Background', SimpleNamespace(random=lambda *args: None))
        patch.setattr(simulate, 'write_body_models', write_models)
        patch.setenv('DATA_ROOT', os.fspath(root))
        simulate_release(find_dataset('tdpw'))
    return root


@pytest.fixture(scope='session')
def pristine_blank_release(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp('tdpw_blank'), write_body_models)


@pytest.fixture
def blank_release(pristine_blank_release, tmp_path, monkeypatch):
    """A DATA_ROOT of this test's own with the release; body models are shared."""
    root = tmp_path / 'data'
    raw = pristine_blank_release / '3dpw'
    shutil.copytree(
        pristine_blank_release, root, ignore=shutil.ignore_patterns('body_models', 'imageFiles')
    )
    for shared in ('body_models', 'imageFiles'):
        os.symlink(raw / shared, root / '3dpw' / shared)
    monkeypatch.setenv('DATA_ROOT', os.fspath(root))
    return root


@pytest.fixture(scope='session')
def gendered_release(pristine_blank_release):
    """Raw folder of a release; not to be changed."""
    return os.fspath(pristine_blank_release / '3dpw')


@pytest.fixture(scope='session')
def genderless_release(tmp_path_factory):
    """Raw folder of a release in which the neutral model can be exact; not to be changed."""
    root = tmp_path_factory.mktemp('tdpw_genderless')
    return os.fspath(make_release(root, write_same_models) / '3dpw')
