"""The seal of an index: any change shows, and SQLite and Barecat do not mind it."""

import sqlite3

import barecat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.errors import ArchiveError
from posepile.storage.archive import ArchiveWriter
from posepile.storage.seal import Seal, check_seal, seal_index


@pytest.fixture(scope='module')
def sealed(tmp_path_factory):
    path = tmp_path_factory.mktemp('sealed') / 'x.barecat'
    with ArchiveWriter(path) as writer:
        for i in range(50):
            writer.add(f'a/{i:02d}', bytes([i]))
    seal_index(path)
    return path


def test_sealing_again_changes_nothing(sealed):
    before = sealed.read_bytes()
    seal_index(sealed)
    assert sealed.read_bytes() == before
    assert check_seal(sealed) is Seal.INTACT


def test_sealed_archives_are_archives(sealed):
    with barecat.Barecat(str(sealed)) as reader:
        assert reader.verify_integrity()
        assert reader['a/07'] == b'\7'


def test_every_changed_byte_breaks_it(sealed, tmp_path):
    content = bytearray(sealed.read_bytes())
    path = tmp_path / 'changed'
    path.write_bytes(content)
    rng = np.random.default_rng(0)
    systematic = [*range(16, 200), *range(100, len(content), 61), len(content) - 1]
    with open(path, 'r+b', buffering=0) as f:
        for place in systematic:
            f.seek(place)
            f.write(bytes([content[place] ^ int(rng.integers(1, 256))]))
            assert check_seal(path) is Seal.BROKEN, place
            f.seek(place)
            f.write(content[place : place + 1])
    assert check_seal(path) is Seal.INTACT


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_to_neighbouring_bytes_breaks_it(sealed, data, tmp_path_factory):
    content = sealed.read_bytes()
    place = data.draw(st.integers(16, len(content) - 4))
    damage = data.draw(st.binary(min_size=4, max_size=4).filter(any))
    path = tmp_path_factory.mktemp('burst') / 'x'
    old = content[place : place + 4]
    new = bytes(a ^ b for a, b in zip(old, damage, strict=True))
    path.write_bytes(content[:place] + new + content[place + 4 :])
    assert check_seal(path) is not Seal.INTACT


@pytest.mark.parametrize('n_bytes', [-1, 1, -4096])
def test_another_length_breaks_it(sealed, tmp_path, n_bytes):
    content = sealed.read_bytes()
    path = tmp_path / 'x'
    path.write_bytes(content + b'\0' if n_bytes > 0 else content[:n_bytes])
    assert check_seal(path) is Seal.BROKEN


def test_an_edited_index_is_no_longer_sealed(sealed, tmp_path):
    path = tmp_path / 'x.barecat'
    path.write_bytes(sealed.read_bytes())
    with sqlite3.connect(path) as db:
        db.execute("UPDATE files SET size = 2 WHERE path = 'a/07'")
    db.close()
    assert check_seal(path) is Seal.BROKEN


def test_without_a_seal(tmp_path):
    path = tmp_path / 'x'
    with sqlite3.connect(path) as db:
        db.execute('CREATE TABLE t (a)')
    db.close()
    assert check_seal(path) is Seal.NONE


@pytest.mark.parametrize('content', [b'', b'SQLite format 3\0', b'x' * 200])
@pytest.mark.parametrize('function', [check_seal, seal_index])
def test_no_sqlite_file(tmp_path, content, function):
    path = tmp_path / 'x'
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match='is an SQLite file, and this is none'):
        function(path)
    assert path.read_bytes() == content
