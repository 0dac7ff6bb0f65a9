import shutil

import pytest


@pytest.fixture
def holidays(simulated_root, new_root):
    """The release in a DATA_ROOT of its own."""
    shutil.copytree(simulated_root('inria_holidays'), new_root, dirs_exist_ok=True)
    return new_root / 'inria_holidays'
