"""A small release of annotations alone."""

import pytest

from tests.ds.mupots.small_release import SmallRelease


@pytest.fixture(scope='session')
def release(tmp_path_factory):
    return SmallRelease(tmp_path_factory.mktemp('mupots_annotations') / 'mupots')
