import logging
import os

import h5py
import numpy as np
import pytest

from posepile.errors import BadFileError, OptionError
from posepile.metrics.predictions import paths_of_seeds, read_predictions, rows_of, take_rows

POSES = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)


@pytest.mark.parametrize('kind', ['npz', 'hdf5'])
@pytest.mark.parametrize('dtype', ['S', 'U'])
def test_files_of_both_kinds(tmp_path, kind, dtype):
    path = str(tmp_path / 'predictions')  # the name does not matter
    names = np.array(['a/1.jpg', 'b/2.jpg'], dtype=dtype)
    if kind == 'npz':
        with open(path, 'wb') as f:
            np.savez(f, image_path=names, coords3d_pred_world=POSES)
    else:
        with h5py.File(path, 'w') as f:
            f['image_path'] = names.astype('S')
            f['coords3d_pred_world'] = POSES
    image_paths, poses = read_predictions(path)
    assert image_paths == ['a/1.jpg', 'b/2.jpg'] and poses.dtype == np.float64
    np.testing.assert_array_equal(poses, POSES)


class Trap:
    def __reduce__(self):
        return os.mkdir, ('trap_was_sprung',)


def test_pickles_in_a_file_are_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = np.array([Trap()], object)
    np.savez('p.npz', image_path=trap, coords3d_pred_world=POSES[:1])
    with pytest.raises(BadFileError, match='p.npz'):
        read_predictions('p.npz')
    assert not os.path.exists('trap_was_sprung')


def test_rows_in_any_order():
    np.testing.assert_array_equal(rows_of('p', ['a', 'b', 'c'], ['c', None, 'a', 'b']), [2, 3, 0])
    assert rows_of('p', [], []).shape == (0,)


def test_what_does_not_fit_is_named():
    with pytest.raises(BadFileError) as e:
        rows_of('p.npz', list('abc'), ['a', 'a', 'x'], name=str.upper, remedy='Predict all.')
    assert str(e.value) == (
        'p.npz: does not fit the 3 poses that are evaluated: 2 missing (B, C), '
        '1 of other images (X), 1 repeated (A). Predict all.'
    )
    with pytest.raises(BadFileError, match=r'20 missing \(0, 1, 2, 3, 4 and 15 more\)'):
        rows_of('p.npz', list(range(20)), [])


def test_missing_ones_may_be_penalised_instead(caplog):
    with caplog.at_level(logging.WARNING):
        rows = rows_of('p.npz', list('abc'), ['c'], allow_missing=True)
    assert '2 missing (a, b)' in caplog.text
    np.testing.assert_array_equal(rows, [-1, -1, 0])
    poses = take_rows(POSES[:1], rows)
    assert np.isnan(poses[:2]).all() and np.array_equal(poses[2], POSES[0])
    assert np.isnan(take_rows(POSES[:0], [-1, -1])).all()
    with pytest.raises(BadFileError, match='1 of other images'):
        rows_of('p.npz', list('abc'), ['x'], allow_missing=True)


def test_seeds():
    assert paths_of_seeds('x/seed1/p.npz', 3)[2] == 'x/seed3/p.npz'
    assert paths_of_seeds('any.npz', 1) == ['any.npz']
    with pytest.raises(OptionError, match='seed1'):
        paths_of_seeds('any.npz', 2)
