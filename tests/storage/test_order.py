"""Examples as rows of the index: of our archives at once, of others after one listing."""

import os
import pickle

import barecat
import numpy as np
import pytest

from posepile.storage import archive, order
from posepile.storage.order import ordered_rows


def paths_of(path, rows):
    return [archive.path_in_row(path, row) for row in rows]


@pytest.fixture
def make_archive(tmp_path, monkeypatch):
    """A Barecat archive filled in a given order by Barecat itself, as others would do it."""
    monkeypatch.setenv('CACHE_DIR', str(tmp_path / 'cache'))

    def make(keys):
        path = str(tmp_path / 'some.barecat')
        with barecat.Barecat(path, readonly=False) as writer:
            for key in keys:
                writer[key] = key.encode()
        return path

    return make


SORTED = [f'{split}/{i:03d}' for split in ('test', 'train', 'val') for i in range(5)]


def test_files_added_in_order_are_a_range_and_nothing_is_listed(make_archive, monkeypatch):
    path = make_archive([*SORTED, 'metadata.msgpack'])
    monkeypatch.setattr(archive, 'list_rows', None)
    for split in ('test', 'train', 'val'):
        rows = ordered_rows(path, split, 5)
        assert isinstance(rows, range)
        assert paths_of(path, rows) == [f'{split}/{i:03d}' for i in range(5)]
    assert ordered_rows(path, 'none') == range(0)


@pytest.mark.parametrize('n_files', [None, 4, 6])
def test_archives_of_others_are_listed_once(make_archive, monkeypatch, n_files):
    rng = np.random.default_rng(0)
    path = make_archive(list(rng.permutation(SORTED)))
    rows = ordered_rows(path, 'train', n_files)
    assert paths_of(path, rows) == [f'train/{i:03d}' for i in range(5)]
    monkeypatch.setattr(archive, 'list_rows', None)
    again = ordered_rows(path, 'train', n_files)
    assert list(again) == list(rows)
    assert isinstance(np.asarray(again._mapped()), np.ndarray) and len(again) == 5
    # Workers map the file, and are not sent its content.
    assert len(pickle.dumps(again)) < 300
    assert list(pickle.loads(pickle.dumps(again))) == list(rows)


def test_a_count_that_fits_by_chance_is_not_believed_blindly(make_archive):
    """Rows in between that belong to another folder are noticed when they are read."""
    path = make_archive(['train/a', 'val/a', 'train/b'])
    assert isinstance(ordered_rows(path, 'train', 2), order.RowFile)
    assert paths_of(path, ordered_rows(path, 'train', 2)) == ['train/a', 'train/b']


def test_changed_archive_is_listed_anew(make_archive):
    path = make_archive(['train/b'])
    assert paths_of(path, ordered_rows(path, 'train')) == ['train/b']
    with barecat.Barecat(path, readonly=False) as writer:
        writer['train/a'] = b'x'
    assert paths_of(path, ordered_rows(path, 'train')) == ['train/a', 'train/b']


def test_without_a_place_for_the_listing_it_is_kept_in_memory(make_archive, monkeypatch):
    path = make_archive(['train/b', 'train/a'])
    monkeypatch.delenv('CACHE_DIR')
    monkeypatch.delenv('DATA_ROOT', raising=False)
    rows = ordered_rows(path, 'train')
    assert paths_of(path, rows) == ['train/a', 'train/b']


def test_killed_while_listing(make_archive, monkeypatch):
    """What is there under its final name is complete."""
    path = make_archive(['train/b', 'train/a'])

    def fail(*args):
        yield 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archive, 'list_rows', fail)
        with pytest.raises(KeyboardInterrupt):
            ordered_rows(path, 'train')
    assert os.listdir(os.path.join(os.environ['CACHE_DIR'], 'archive-order')) == []
    assert paths_of(path, ordered_rows(path, 'train')) == ['train/a', 'train/b']
