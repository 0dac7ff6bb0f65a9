import pickle

import numpy as np
import rlemasklib

from posepile.util.sparse_coords import SparseCoords, compress_dataset, compress_example

N = np.nan
COORDS = np.array([[1, 2, 3], [N, N, N], [4, 5, 6], [7, N, 9]], np.float32)
DENSE = np.array([[1, 2, 3], [N, N, N], [4, 5, 6], [N, N, N]], np.float32)


class Example:
    def __init__(self, **kwargs):
        self.__dict__.update(kwargs)


def test_round_trip():
    sparse = SparseCoords(COORDS)
    assert sparse.shape == (4, 3)
    assert sparse.i_valid_joints.dtype == np.uint16
    assert sparse.i_valid_joints.tolist() == [0, 2]
    np.testing.assert_array_equal(sparse.to_array(), DENSE)
    assert sparse.to_array().dtype == np.float32
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sparse)).to_array(), DENSE)


def test_state_of_old_pickles_is_understood():
    old = SparseCoords.__new__(SparseCoords)
    old.__setstate__(dict(shape=(2, 3), i_valid_joints=np.array([1]), valid_coords=np.ones((1, 3))))
    np.testing.assert_array_equal(old.to_array(), [[N] * 3, [1] * 3])


def test_invalidate():
    sparse = SparseCoords(COORDS)
    sparse.invalidate_coords([1, 2])
    assert sparse.i_valid_joints.tolist() == [0]
    assert np.isnan(sparse.to_array()[2]).all()


def test_no_valid_joint():
    sparse = SparseCoords(np.full((3, 3), N))
    assert sparse.valid_coords.shape == (0, 3)
    assert np.isnan(sparse.to_array()).all() and sparse.to_array().shape == (3, 3)


def test_compression_of_an_example():
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 7:30] = 1
    ex = Example(
        world_coords=COORDS.copy(),
        univ_coords=COORDS,
        bbox=np.array([100.0, 200.25, 50, 80]),
        mask=rlemasklib.encode(mask),
    )
    compress_example(ex)
    assert ex.world_coords.valid_coords.dtype == np.float16
    np.testing.assert_array_equal(ex.world_coords.to_array(), DENSE)
    assert ex.bbox.dtype == np.float16 and ex.univ_coords is None
    assert set(ex.mask) == {'size', 'zcounts'}
    np.testing.assert_array_equal(rlemasklib.decode(ex.mask), mask)
    again = dict(ex.__dict__)
    compress_example(ex)
    assert ex.mask == again['mask']
    np.testing.assert_array_equal(ex.world_coords.to_array(), DENSE)


def test_precision_is_kept_where_float16_is_too_coarse():
    ex = Example(world_coords=COORDS + 4097, bbox=np.array([5001.0, 8001, 50, 80]), mask=None)
    compress_example(ex)
    assert ex.world_coords.valid_coords.dtype == np.float32
    assert ex.bbox.dtype == np.float16  # 3 px are allowed
    ex = Example(coords=np.zeros((2, 2)), bbox=np.array([16385.0 + 3, 0, 9, 9]), mask=None)
    compress_example(ex)
    assert ex.bbox.dtype == np.float64


def test_compress_dataset_reaches_all_splits():
    class Dataset:
        examples = {
            i: [Example(world_coords=COORDS, bbox=np.zeros(4), mask=None)] for i in (0, 1, 2)
        }

    compress_dataset(Dataset)
    assert all(isinstance(ex[0].world_coords, SparseCoords) for ex in Dataset.examples.values())
