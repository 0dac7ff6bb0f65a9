"""Putting a simulated release in place: made once, never over real data, whole or not at all."""

import dataclasses
import importlib
import sys
import textwrap
from pathlib import Path

import pytest

from posepile import paths
from posepile.errors import OptionError
from posepile.registry import read_dataset
from posepile.simulate.origin import MARKER, is_simulated, simulation_arguments
from posepile.simulate.release import simulate_release
from posepile.simulate.truth import load_truth

DATASET_TOML = """
    name = "letters"
    title = "Letters"
    kind = "3d"
    year = 2021
    citation = "Nobody et al."
    homepage = "https://example.org"
    licence = "CC0 1.0"
    access = "open"
    raw = "letters"
    joints = 1
    splits = ["train"]
"""
#: A dataset folder whose release is two small text files, in two raw folders.
SIMULATOR = """
    import os
    import numpy as np
    from posepile.simulate.truth import TruePerson
    from posepile.util import TRAIN

    RAW_FOLDERS = ('letters', 'digits')
    fails = False

    def simulate(root, seed, size, markers):
        for folder in RAW_FOLDERS:
            os.makedirs(os.path.join(root, folder))
            with open(os.path.join(root, folder, 'text'), 'w') as f:
                f.write(f'{seed} {size} {markers}')
        if fails:
            raise KeyboardInterrupt
        joints = np.full((1, 3), float(seed))
        return {'letters': [TruePerson('a.jpg', TRAIN, joints, np.ones(4), (8, 9))]}
"""


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    root = tmp_path / 'data'
    root.mkdir()
    monkeypatch.setenv('DATA_ROOT', str(root))
    return root


@pytest.fixture
def info(tmp_path, monkeypatch):
    package = tmp_path / 'package/letters'
    package.mkdir(parents=True)
    (package / '__init__.py').touch()
    (package / 'dataset.toml').write_text(textwrap.dedent(DATASET_TOML))
    (package / 'simulate.py').write_text(textwrap.dedent(SIMULATOR))
    monkeypatch.syspath_prepend(package.parent)
    for name in (package.name, f'{package.name}.simulate'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    [info] = read_dataset(package)
    return dataclasses.replace(info, module=package.name)


def text(root, folder='letters'):
    return (root / folder / 'text').read_text()


def test_release_and_truth(info, data_root):
    assert simulate_release(info, seed=3) == ['letters', 'digits']
    assert text(data_root) == text(data_root, 'digits') == '3 tiny False'
    assert is_simulated(data_root / 'letters')
    assert simulation_arguments(data_root / 'digits') == dict(
        dataset='letters', seed=3, size='tiny', markers=False
    )
    [person] = load_truth('letters')
    assert person.joints.tolist() == [[3, 3, 3]]
    left = {p.name for p in data_root.rglob('*') if p.is_file()}
    assert left == {'text', 'truth.msgpack', '.lock', MARKER}
    assert not list(data_root.rglob('.simulating'))


def test_same_arguments_make_nothing_again(info, data_root):
    simulate_release(info)
    (data_root / 'letters/text').write_text('mine')
    simulate_release(info)
    assert text(data_root) == 'mine'


@pytest.mark.parametrize('changed', [dict(seed=1), dict(size='small'), dict(markers=True)])
def test_other_arguments_need_force_and_undo_the_steps(info, data_root, changed):
    simulate_release(info)
    with pytest.raises(OptionError, match='other arguments.*--force'):
        simulate_release(info, **changed)
    assert text(data_root) == '0 tiny False'
    step = data_root / paths.step_dir('letters', 'crops')
    step.mkdir(parents=True)
    simulate_release(info, **changed, force=True)
    arguments = dict(seed=0, size='tiny', markers=False) | changed
    assert text(data_root) == ' '.join(map(str, arguments.values()))
    assert not step.exists()


@pytest.mark.parametrize('folder', ['letters', 'digits'])
def test_real_data_is_never_replaced(info, data_root, folder):
    (data_root / folder).mkdir()
    (data_root / folder / 'text').write_text('real')
    with pytest.raises(OptionError, match='was not simulated and is never replaced'):
        simulate_release(info, force=True)
    assert text(data_root, folder) == 'real'
    assert {p.name for p in data_root.iterdir()} == {folder, '.posepile'}


def test_empty_folder_is_not_in_the_way(info, data_root):
    (data_root / 'letters').mkdir()
    simulate_release(info)
    assert text(data_root) == '0 tiny False'


def test_interrupted_simulation_leaves_nothing_in_place_and_can_be_repeated(
    info, data_root, monkeypatch
):
    simulator = importlib.import_module(f'{info.module}.simulate')
    monkeypatch.setattr(simulator, 'fails', True)
    with pytest.raises(KeyboardInterrupt):
        simulate_release(info)
    assert not (data_root / 'letters').exists()
    monkeypatch.setattr(simulator, 'fails', False)
    simulate_release(info)
    assert text(data_root) == '0 tiny False'


def test_dataset_that_builds_on_another(info, data_root, monkeypatch):
    """Its base is simulated first, or left as it is if it fits."""
    import types

    from posepile.simulate import release

    capitals = types.ModuleType('capitals.simulate')
    capitals.RAW_FOLDERS, capitals.BUILDS_ON = ('capitals',), ('letters',)

    def simulate(root, seed, size, markers):
        assert text(data_root) == f'{seed} tiny False'
        (Path(root) / 'capitals').mkdir()
        return {}

    capitals.simulate = simulate
    monkeypatch.setitem(sys.modules, 'capitals', types.ModuleType('capitals'))
    monkeypatch.setitem(sys.modules, 'capitals.simulate', capitals)
    monkeypatch.setattr(release, 'find_dataset', lambda name: info)
    other = dataclasses.replace(info, module='capitals')
    simulate_release(info, seed=4)
    inode = (data_root / 'letters/text').stat().st_ino
    assert simulate_release(other, seed=4) == ['letters', 'digits', 'capitals']
    assert (data_root / 'letters/text').stat().st_ino == inode
    with pytest.raises(OptionError, match='other arguments'):
        simulate_release(other, seed=5)
    simulate_release(other, seed=5, force=True)
    assert text(data_root) == '5 tiny False'
