"""ASPset's download step: from archives on a server to the tree that the reader expects."""

import dataclasses
import hashlib
import tarfile

import pytest

from posepile.errors import PosePileError, RawDataError
from posepile.pipeline.fetch import fetch_dataset
from posepile.registry import find_dataset


@pytest.fixture
def served(server, pristine_root):
    """The dataset as the server has it: archives with the top folder ASPset-510."""
    info = find_dataset('aspset_test')
    files = []
    for file in info.files:
        name = file.path.rpartition('/')[2]
        # The last part of what an archive provides is also in its name.
        content = file.provides.removeprefix('data/')
        with tarfile.open(server.folder / name, 'w:gz') as archive:
            archive.add(pristine_root / 'aspset/data' / content, f'ASPset-510/{content}')
        md5 = hashlib.md5((server.folder / name).read_bytes()).hexdigest()
        url = f'http://127.0.0.1:{server.server_address[1]}/{name}'
        files.append(dataclasses.replace(file, url=url, md5=md5))
    return dataclasses.replace(info, files=tuple(files))


@pytest.fixture
def empty_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'fresh'))
    (tmp_path / 'fresh').mkdir()
    return tmp_path / 'fresh'


def tree(folder):
    """Contents of the release itself: without the archives and their marks."""
    files = [p for p in folder.rglob('*') if p.is_file() and '.unpacked' not in str(p)]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if 'archives' not in p.parts}


def test_the_whole_release(served, pristine_root, empty_root, server):
    fetch_dataset(served)
    assert tree(empty_root / 'aspset/data') == tree(pristine_root / 'aspset/data')
    n_requests = len(server.asked)
    fetch_dataset(served)
    assert len(server.asked) == n_requests


def test_test_archives_only_for_the_product_that_needs_them(served, empty_root):
    fetch_dataset(dataclasses.replace(served, groups=('trainval',)))
    assert (empty_root / 'aspset/data/trainval/videos').is_dir()
    assert not (empty_root / 'aspset/data/test').exists()


def test_file_without_a_group_is_for_every_product(served, empty_root):
    first, *_ = served.files
    everyones = dataclasses.replace(first, group='')
    fetch_dataset(dataclasses.replace(served, files=(everyones,), groups=('test',)))
    assert (empty_root / 'aspset/data/splits.csv').exists()


def test_single_file_with_other_content_is_told(served, empty_root):
    """A file that is not unpacked is in place only if its checksum is right."""
    single = dataclasses.replace(served.files[0], unpack=None, provides=None)
    info = dataclasses.replace(served, files=(single,))
    fetch_dataset(info)
    path = empty_root / 'aspset' / single.path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RawDataError, match=path.name):
        fetch_dataset(info)


@pytest.mark.parametrize('is_there', [True, False])
def test_file_that_only_a_person_can_get(served, empty_root, is_there):
    manual = dataclasses.replace(served.files[0], url=None, unpack=None, provides=None)
    info = dataclasses.replace(served, files=(manual,))
    path = empty_root / 'aspset' / manual.path
    if is_there:
        path.parent.mkdir(parents=True)
        path.write_bytes(b'whatever it is')
        fetch_dataset(info)
        return
    with pytest.raises(RawDataError, match='only you can get it') as e:
        fetch_dataset(info)
    assert str(path) in str(e.value) and info.homepage in str(e.value)


def test_what_a_person_put_in_place_is_not_fetched(served, empty_root, server):
    (empty_root / 'aspset/data/trainval/videos').mkdir(parents=True)
    fetch_dataset(served)
    assert not any('trainval-videos' in path for path in server.asked)
    assert any('trainval-boxes' in path for path in server.asked)


def test_wrong_checksum_is_one_clear_error(served, empty_root):
    first, *others = served.files
    spoilt = dataclasses.replace(first, md5='0' * 32)
    with pytest.raises(PosePileError, match='0{32}'):
        fetch_dataset(dataclasses.replace(served, files=(spoilt, *others)))
    assert not (empty_root / 'aspset/data/splits.csv').exists()


def test_interrupted_unpacking_is_taken_up_again(served, empty_root, pristine_root):
    """An archive that is there without its mark was being unpacked when something stopped it."""
    fetch_dataset(served)
    [mark] = (empty_root / 'aspset/data/archives').glob('*trainval-boxes*.unpacked')
    mark.unlink()
    victim = next((empty_root / 'aspset/data/trainval/boxes').rglob('*.csv'))
    content = victim.read_bytes()
    victim.unlink()
    fetch_dataset(served)
    assert victim.read_bytes() == content
