"""A changed byte anywhere in the files of a packed dataset is found."""

import sqlite3

import numpy as np
import pytest

from posepile.storage.seal import seal_index
from posepile.storage.verify import verify
from tests.storage.packed_samples import write_dataset

FILES = [
    f'{name}.barecat{end}' for name in ('annotations', 'images') for end in ('', '-shard-00000')
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('packed')
    write_dataset(folder)
    return folder


def check(folder):
    return verify(str(folder / 'annotations.barecat'), str(folder / 'images.barecat'), deep=True)


def places_of(path):
    """Systematic and random places in a file; of an index, in each of its pages."""
    size = path.stat().st_size
    places = {
        0,
        1,
        size // 2,
        size - 1,
        *np.random.default_rng(size).integers(0, size, 15).tolist(),
    }
    if not path.name.endswith('.barecat'):
        return sorted(places)
    places |= {16, 18, 19, 20, 24, 28, 32, 36, 40, 44, 56, 60, 63, 64, 68, 71, 72, 91, 92, 96, 99}
    with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as db:
        ((page_size,),) = db.execute('PRAGMA page_size')
    db.close()
    for page in range(0, size, page_size):
        # Header, pointers, the unused middle (most pages have one), the last cell.
        places |= {page + offset for offset in (0, 7, 20, page_size // 3, page_size - 1)}
    return sorted(place for place in places if place < size)


def test_without_a_change_nothing_is_found(folder):
    report = check(folder)
    assert report.ok and not report.warnings


@pytest.mark.parametrize('name', FILES)
def test_every_flipped_byte_is_found(folder, name):
    path = folder / name
    content = path.read_bytes()
    unnoticed = []
    try:
        for place in places_of(path):
            for change in (0x01, 0x80):
                with open(path, 'r+b') as f:
                    f.seek(place)
                    f.write(bytes([content[place] ^ change]))
                if check(folder).ok:
                    unnoticed.append((place, change))
                with open(path, 'r+b') as f:
                    f.seek(place)
                    f.write(content[place : place + 1])
    finally:
        path.write_bytes(content)
    assert unnoticed == []


@pytest.mark.parametrize('name', FILES)
def test_every_byte_of_a_shard_or_index_may_go_missing_or_be_added(folder, name):
    path = folder / name
    content = path.read_bytes()
    try:
        for changed in (b'', content[: len(content) // 2], content[:-1], content + b'\0'):
            path.write_bytes(changed)
            assert not check(folder).ok, len(changed)
            assert not verify(
                str(folder / 'annotations.barecat'), str(folder / 'images.barecat')
            ).ok
    finally:
        path.write_bytes(content)


def test_free_pages_of_an_index(folder):
    """Pages that SQLite does not use belong to the file as well."""
    path = folder / 'annotations.barecat'
    content = path.read_bytes()
    try:
        with sqlite3.connect(path) as db:
            db.execute('CREATE TABLE filler (x)')
            db.execute('INSERT INTO filler VALUES (zeroblob(100000))')
            db.commit()
            db.execute('DROP TABLE filler')
        db.close()
        seal_index(path)
        assert check(folder).ok
        with open(path, 'r+b') as f:
            f.seek(len(content) + 50_000)
            assert f.read(1) == b'\0'
            f.seek(-1, 1)
            f.write(b'\1')
        assert 'the index has changed' in check(folder).problems['archive'].instances[0]
    finally:
        path.write_bytes(content)
