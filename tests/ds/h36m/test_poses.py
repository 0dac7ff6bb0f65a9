"""Pose files: shapes, float types, and everything that is no pose file."""

import cdflib.cdfwrite
import numpy as np
import pytest

from posepile.ds.h36m.poses import read_pose_cdf
from posepile.ds.h36m.simulate_files import write_pose_cdf
from posepile.errors import RawDataError


@pytest.mark.parametrize('dims', [2, 3])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('n', [1, 7])
def test_poses_come_back_in_their_float_type(tmp_path, dims, dtype, n):
    poses = np.random.default_rng(0).normal(0, 1000, (n, 32, dims)).astype(dtype)
    path = tmp_path / 'Directions 1.54138969.cdf'  # with a blank and two dots
    write_pose_cdf(path, poses, dtype)
    read = read_pose_cdf(path, dims)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, poses)


def write_variable(path, values, name='Pose', data_type=44, compressed=False):
    file = cdflib.cdfwrite.CDF(path, cdf_spec={'Compressed': compressed})
    spec = dict(
        Variable=name,
        Data_Type=data_type,
        Num_Elements=1,
        Rec_Vary=True,
        Dim_Sizes=list(values.shape[1:]),
        Compress=6,
    )
    file.write_var(spec, var_data=values)
    file.close()


@pytest.mark.parametrize('compressed', [False, True])
def test_compressed_files_are_read(tmp_path, compressed):
    path = tmp_path / 'a.cdf'
    values = np.arange(2 * 96, dtype=np.float32).reshape(1, 2, 96)
    write_variable(path, values, compressed=compressed)
    np.testing.assert_array_equal(read_pose_cdf(path, 3), values.reshape(2, 32, 3))


@pytest.mark.parametrize(
    'values, options',
    [
        (np.zeros((1, 5, 64), np.float32), {}),  # of the image
        (np.zeros((2, 5, 96), np.float32), {}),  # two people
        (np.zeros((1, 5, 96), np.int32), dict(data_type=4)),
        (np.zeros((1, 5, 96), np.float32), dict(name='Angles')),
        (np.zeros((1, 300, 96, 300), np.float32)[:, :, :, :2], {}),
    ],
)
def test_other_variables_are_refused(tmp_path, values, options):
    path = tmp_path / 'a.cdf'
    write_variable(path, values, **options)
    with pytest.raises(RawDataError, match='Pose.*unpack its archive again'):
        read_pose_cdf(path, 3)


def test_missing_files_folders_and_other_files(tmp_path):
    with pytest.raises(RawDataError, match='no such pose file'):
        read_pose_cdf(tmp_path / 'a.cdf', 3)
    with pytest.raises(RawDataError, match='no such pose file'):
        read_pose_cdf(tmp_path, 3)
    with pytest.raises(RawDataError, match='no such pose file'):
        read_pose_cdf('https://example.org/a.cdf', 3)
    (tmp_path / 'b.cdf').write_bytes(b'')
    with pytest.raises(RawDataError, match='is no CDF file'):
        read_pose_cdf(tmp_path / 'b.cdf', 3)


def test_damage_gives_an_error_or_poses(tmp_path):
    """Whichever byte is wrong: no other exception, no endless loop."""
    path = tmp_path / 'a.cdf'
    write_pose_cdf(path, np.ones((2, 32, 3)))
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = {True: 0, False: 0}
    for _ in range(150):
        bad = bytearray(good)
        if rng.random() < 0.3:
            del bad[rng.integers(len(bad)) :]
        else:
            for i in rng.integers(0, 900, 3):  # where the structure is
                bad[i] = rng.integers(256)
        path.write_bytes(bad)
        try:
            poses = read_pose_cdf(path, 3)
            assert poses.shape[1:] == (32, 3)
            outcomes[True] += 1
        except RawDataError as e:
            assert str(path) in str(e)
            outcomes[False] += 1
    assert min(outcomes.values()) > 5
