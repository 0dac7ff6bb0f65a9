"""MATLAB files of both versions."""

import h5py
import numpy as np
import pytest
import scipy.io

from posepile.ds.tdhp.annotations import read_test_poses, read_training_poses
from posepile.ds.tdhp.simulate_files import write_test_annotations, write_training_annotations
from posepile.ds.tdhp.skeleton import (
    FULL_JOINT_INFO,
    JOINT_INFO,
    SOURCE_JOINTS,
    TEST_JOINTS,
    columns,
)
from posepile.errors import RawDataError


def poses(n, n_joints=28, seed=0):
    return np.random.default_rng(seed).uniform(-900, 900, (n, n_joints, 3))


@pytest.mark.parametrize('n', [1, 4])
def test_each_camera_has_its_cell(tmp_path, n):
    path = tmp_path / 'annot.mat'
    cells = [poses(n, seed=i) for i in range(14)]
    univ = [0.9 * cell for cell in cells]
    write_training_annotations(path, [c[..., :2] for c in cells], cells, univ)
    for i in (0, 5, 13):
        read = read_training_poses(path, i)
        np.testing.assert_array_equal(read.joints, cells[i])
        np.testing.assert_array_equal(read.univ_joints, univ[i])
    with pytest.raises(RawDataError, match='no cell for camera 14'):
        read_training_poses(path, 14)


def test_other_training_files_are_refused(tmp_path):
    path = tmp_path / 'annot.mat'
    with pytest.raises(RawDataError, match='no such file'):
        read_training_poses(path, 0)
    path.write_bytes(b'MATLAB' * 100)
    with pytest.raises(RawDataError, match='damaged'):
        read_training_poses(path, 0)
    cells = np.empty((2, 1), object)
    cells[:, 0] = [np.zeros((3, 51)), np.zeros((3, 51))]
    scipy.io.savemat(path, {'annot3': cells, 'univ_annot3': cells})
    with pytest.raises(RawDataError, match=r'\(3, 51\); \(F, 84\)'):
        read_training_poses(path, 0)


def test_changed_file_is_read_again(tmp_path):
    import os

    path = tmp_path / 'annot.mat'
    for i in (1, 2):
        cells = [poses(3, seed=i)] * 14
        write_training_annotations(path, [c[..., :2] for c in cells], cells, cells)
        os.utime(path, (i, i))
        np.testing.assert_array_equal(read_training_poses(path, 3).joints, cells[3])


def write_test(path, valid=(1, 0, 1), activities=(1, 1, 7), joints=None):
    joints = poses(3, 17) if joints is None else joints
    write_test_annotations(
        path, np.array(valid) > 0, activities, joints[..., :2], joints, 0.5 * joints
    )
    return joints


def test_test_annotations(tmp_path):
    path = tmp_path / 'annot_data.mat'
    joints = write_test(path)
    read = read_test_poses(path)
    assert read.is_valid.tolist() == [True, False, True]
    assert read.activities.tolist() == [1, 0, 7]
    np.testing.assert_array_equal(read.joints, joints)
    np.testing.assert_array_equal(read.univ_joints, 0.5 * joints)


def test_what_counts_in_test_annotations_is_checked(tmp_path):
    path = tmp_path / 'annot_data.mat'
    with pytest.raises(RawDataError, match='no such annotation file'):
        read_test_poses(path)
    write_test(path, activities=(1, 99, 7))  # in a frame that is not valid
    assert read_test_poses(path).activities[1] == 0
    write_test(path, activities=(1, 1, 8))
    with pytest.raises(RawDataError, match='activities'):
        read_test_poses(path)
    joints = poses(3, 17)
    joints[1] = np.nan
    write_test(path, joints=joints)
    assert read_test_poses(path).is_valid.sum() == 2
    joints[2, 4] = np.nan
    write_test(path, joints=joints)
    with pytest.raises(RawDataError, match='valid frames'):
        read_test_poses(path)
    with h5py.File(path, 'r+') as f:
        del f['annot3']
    with pytest.raises(RawDataError, match='annot3'):
        read_test_poses(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RawDataError, match='damaged'):
        read_test_poses(path)


def test_joint_orders_are_those_of_the_sheet():
    assert columns(JOINT_INFO, SOURCE_JOINTS) == [
        7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 3, 6, 4,
    ]  # fmt: skip
    assert columns(JOINT_INFO, TEST_JOINTS) == [*range(14), 15, 16, 14]
    assert columns(FULL_JOINT_INFO, SOURCE_JOINTS) == [
        0, 1, 2, 8, 12, 13, 17, 21, 22, 26, 27, 7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19,
        20, 3, 6, 4,
    ]  # fmt: skip
    assert FULL_JOINT_INFO.names[0] == 'thor' and JOINT_INFO.names[-1] == 'pelv'
