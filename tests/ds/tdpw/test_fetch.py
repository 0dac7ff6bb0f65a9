"""The download step, from archives on a server to the tree that the reader expects."""

import dataclasses
import os
import zipfile

import pytest

from posepile.ds.tdpw import fetch, main
from posepile.registry import find_dataset

pytestmark = pytest.mark.xdist_group('tdpw')


@pytest.fixture
def served(server, gendered_release, monkeypatch):
    """The description of the dataset, with addresses of a server that has the two archives."""
    info = find_dataset('tdpw')
    files = []
    for file in info.files:
        with zipfile.ZipFile(server.folder / file.path, 'w') as archive:
            top = os.path.join(gendered_release, file.provides)
            for folder, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    archive.write(path, os.path.relpath(path, gendered_release))
            archive.writestr(f'__MACOSX/{file.provides}/._x', b'stray')
        url = f'http://127.0.0.1:{server.server_address[1]}/{file.path}'
        files.append(dataclasses.replace(file, url=url))
    info = dataclasses.replace(info, files=tuple(files))
    monkeypatch.setattr(fetch, 'read_dataset', lambda folder: [info])
    return info


def tree(folder):
    found = {}
    for top in ('imageFiles', 'sequenceFiles'):
        for parent, _, names in os.walk(os.path.join(folder, top)):
            for name in names:
                path = os.path.join(parent, name)
                with open(path, 'rb') as f:
                    found[os.path.relpath(path, folder)] = f.read()
    return found


def test_whole_release(served, server, gendered_release, tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(tmp_path))
    fetch.fetch()
    raw = tmp_path / '3dpw'
    assert tree(raw) == tree(gendered_release)
    assert len(main.list_clips()) == 3
    left = {p.name for p in raw.iterdir() if not p.name.startswith('.')}
    marks = {'imageFiles.zip.unpacked', 'sequenceFiles.zip.unpacked'}
    assert left == {'imageFiles', 'sequenceFiles', *marks}  # no archives, and nothing of Apple's
    n_requests = len(server.asked)
    fetch.fetch()
    assert len(server.asked) == n_requests


def test_what_was_put_in_place_is_not_fetched(served, server, blank_release):
    fetch.fetch()
    assert server.asked == []


def test_addresses():
    info = find_dataset('tdpw_parametric')
    home = 'https://virtualhumans.mpi-inf.mpg.de/3DPW'
    assert [f.url for f in info.files] == [f'{home}/imageFiles.zip', f'{home}/sequenceFiles.zip']
    assert info.parameters == 'smpl' and info.splits == ('train', 'val', 'test')
