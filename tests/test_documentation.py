"""What the pages say works: the dataset of docs/adding-a-dataset.md is made and compared."""

import glob
import os
import re

import pytest

import posepile.ds
from posepile import registry
from posepile.cli import main
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.storage.access import dataset_module

ROOT = os.path.join(os.path.dirname(__file__), '..')
FILES = ('dataset.toml', 'simulate.py', 'main.py', 'main.sh')


def blocks_of(page):
    """{title of the section's file: its first block of code}."""
    with open(os.path.join(ROOT, page), encoding='utf-8') as f:
        found = re.findall(r'^## \d\. `([\w.]+)`.*?^```\w*\n(.*?)^```', f.read(), re.M | re.S)
    return dict(found)


@pytest.fixture
def written_dataset(tmp_path, monkeypatch):
    folder = tmp_path / 'ds' / 'mydata'
    folder.mkdir(parents=True)
    (folder / '__init__.py').touch()
    for name, text in blocks_of('docs/adding-a-dataset.md').items():
        (folder / name).write_text(text)
    monkeypatch.setattr(registry, 'DATASETS_DIR', str(tmp_path / 'ds'))
    monkeypatch.setattr(posepile.ds, '__path__', [str(tmp_path / 'ds')])
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'data'))
    (tmp_path / 'data').mkdir()
    return folder


@pytest.mark.slow
def test_the_dataset_of_the_page_equals_its_truth(written_dataset, capsys):
    assert sorted(os.listdir(written_dataset)) == sorted([*FILES, '__init__.py'])
    assert main(['simulate', 'mydata', '--markers']) == 0
    recipe = dataset_module('mydata').make_recipe()
    make_crops(recipe)
    pack(recipe)
    capsys.readouterr()
    assert main(['verify', 'mydata', '--deep', '--truth']) == 0
    out = capsys.readouterr().out
    assert 'markers found' in out and out.splitlines()[-1] == 'OK'
    (info,) = registry.list_datasets()
    assert info.joints == recipe.joint_info.n_joints
    assert f'begin {info.name} ' in (written_dataset / 'main.sh').read_text()


def test_pages_link_to_what_is_there():
    for page in 'README.md', 'ARCHITECTURE.md', *glob.glob('docs/*.md', root_dir=ROOT):
        path = os.path.join(ROOT, page)
        with open(path, encoding='utf-8') as f:
            links = re.findall(r'\]\((?!https?:)([^)#]+)\)', f.read())
        for link in links:
            assert os.path.exists(os.path.join(os.path.dirname(path), link)), f'{page}: {link}'
