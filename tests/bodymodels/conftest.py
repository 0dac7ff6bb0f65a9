"""Made-up body models, written once."""

import pytest

from posepile.bodymodels import load
from posepile.bodymodels.fake import write_body_models


@pytest.fixture(scope='session')
def fake_folder(tmp_path_factory):
    """Folder with made-up models of two genders; tests do not change it."""
    folder = tmp_path_factory.mktemp('body_models')
    write_body_models(folder, genders=('male', 'female'))
    return folder


@pytest.fixture(scope='session')
def model(fake_folder):
    return load('smpl', 'female', fake_folder)


@pytest.fixture(scope='session')
def whole_body_folder(tmp_path_factory):
    """Folder with made-up female models that have fingers; tests do not change it."""
    folder = tmp_path_factory.mktemp('whole_body_models')
    write_body_models(folder, genders=('female',), types=('smplh', 'smplh16', 'smplx'))
    return folder


@pytest.fixture(scope='session')
def smplx_model(whole_body_folder):
    return load('smplx', 'female', whole_body_folder)


@pytest.fixture(scope='session')
def smplh_model(whole_body_folder):
    return load('smplh', 'female', whole_body_folder)
