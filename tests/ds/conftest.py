"""Simulated releases, each made once per test run."""

import pytest

from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release


@pytest.fixture(scope='session')
def simulated_root(tmp_path_factory):
    """(name of a product) -> a DATA_ROOT with the simulated raw release, joints marked."""
    roots = {}

    def root_of(name):
        info = find_dataset(name)
        if info.folder not in roots:
            root = tmp_path_factory.mktemp(info.dataset)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv('DATA_ROOT', str(root))
                simulate_release(info, markers=True)
            roots[info.folder] = root
        return roots[info.folder]

    return root_of
