import json

import pytest

from posepile.ds.coco.main import PRODUCTS, make_recipe
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release


@pytest.fixture(scope='session')
def simulated_root(tmp_path_factory):
    """DATA_ROOT with the simulated release and all products of it; its path contains ``coco``."""
    root = tmp_path_factory.mktemp('simulation') / 'coco' / 'my_coco_data'
    root.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DATA_ROOT', str(root))
        simulate_release(find_dataset('coco'), markers=True)
        for name in PRODUCTS:
            recipe = make_recipe(name)
            report = make_crops(recipe)
            assert report.skipped == []
            pack(recipe, simulated=True)
    return root


@pytest.fixture
def data_root(simulated_root, monkeypatch):
    """The simulated release as DATA_ROOT. Not to be changed."""
    monkeypatch.setenv('DATA_ROOT', str(simulated_root))
    return simulated_root


@pytest.fixture
def new_root(tmp_path, monkeypatch):
    """An empty DATA_ROOT."""
    root = tmp_path / 'coco'
    root.mkdir()
    monkeypatch.setenv('DATA_ROOT', str(root))
    return root


@pytest.fixture
def written(tmp_path):
    """Writes the content of an annotation file, and returns its path."""
    paths = []

    def write(content):
        paths.append(tmp_path / f'annotations{len(paths)}.json')
        paths[-1].write_text(json.dumps(content))
        return str(paths[-1])

    return write
