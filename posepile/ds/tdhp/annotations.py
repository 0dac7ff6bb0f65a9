"""Annotations of MPI-INF-3DHP: poses in the space of each camera."""

import functools
import os
from dataclasses import dataclass

import numpy as np

from posepile.ds.tdhp.skeleton import SOURCE_JOINTS, TEST_JOINTS
from posepile.errors import RawDataError
from posepile.raw.matfile import load_mat

_REMEDY = 'Delete it and download it again.'
N_ACTIVITIES = 7


@dataclass(frozen=True, eq=False)
class TrainingPoses:
    """Annotations of one camera of a training sequence; row i is of video frame i.

    Attributes:
        joints: (F, 28, 3) in camera space, mm.
        univ_joints: the same of the height-normalised skeleton.
    """

    joints: np.ndarray
    univ_joints: np.ndarray


@dataclass(frozen=True, eq=False)
class TestPoses:
    """Annotations of a test sequence; row i is of image i + 1.

    Attributes:
        is_valid: (F,) bool, which frames count.
        activities: (F,) int, 1 to 7.
        joints: (F, 17, 3) in camera space, mm, joints as in ``skeleton.TEST_JOINTS``.
        univ_joints: the same of the height-normalised skeleton.
    """

    __test__ = False  # pytest

    is_valid: np.ndarray
    activities: np.ndarray
    joints: np.ndarray
    univ_joints: np.ndarray


def read_training_poses(path, i_camera) -> TrainingPoses:
    """One camera's annotations in ``annot.mat`` (MATLAB version 5).

    Raises:
        RawDataError: if the file is missing or damaged, or holds something else.
    """
    path = os.fspath(path)
    time = os.stat(path).st_mtime_ns if os.path.exists(path) else None
    content = _load_mat_once(path, time)
    arrays = []
    for name in ('annot3', 'univ_annot3'):
        cells = content.get(name)
        if not isinstance(cells, list) or not i_camera < len(cells):
            raise RawDataError(path, f'{name} has no cell for camera {i_camera}', _REMEDY)
        rows = np.atleast_2d(cells[i_camera])
        if rows.dtype.kind not in 'fiu' or rows.shape[1:] != (3 * len(SOURCE_JOINTS),):
            problem = f'{name} is {rows.dtype} of shape {rows.shape}; (F, 84) was expected'
            raise RawDataError(path, problem, _REMEDY)
        arrays.append(np.float64(rows).reshape(-1, len(SOURCE_JOINTS), 3))
    if len(arrays[0]) != len(arrays[1]):
        raise RawDataError(path, 'annot3 and univ_annot3 differ in length', _REMEDY)
    return TrainingPoses(*arrays)


@functools.lru_cache(maxsize=1)
def _load_mat_once(path, time):
    """All cameras are in one file."""
    return load_mat(path)


def read_test_poses(path) -> TestPoses:
    """Read ``annot_data.mat`` (MATLAB version 7.3).

    Raises:
        RawDataError: if the file is missing or damaged, or holds something else.
    """
    import h5py

    path = os.fspath(path)
    if not os.path.isfile(path):
        raise RawDataError(path, 'there is no such annotation file', 'Download the test set.')
    n_joints = len(TEST_JOINTS)
    try:
        with h5py.File(path, 'r') as f:
            is_valid = _numbers(f, 'valid_frame').ravel()
            activities = _numbers(f, 'activity_annotation').ravel()
            n = len(is_valid)
            if len(activities) != n:
                raise ValueError(f'{len(activities)} activities for {n} frames')
            joints, univ_joints = (
                _numbers(f, name).astype(np.float64).reshape(n, n_joints, 3)
                for name in ('annot3', 'univ_annot3')
            )
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as e:
        problem = f'is no MATLAB 7.3 file of test annotations, or damaged ({e})'
        raise RawDataError(path, problem, _REMEDY) from e
    if not np.isin(activities[is_valid != 0], np.arange(1, N_ACTIVITIES + 1)).all():
        raise RawDataError(path, 'has activities that are not from 1 to 7', _REMEDY)
    if not np.isfinite([joints[is_valid != 0], univ_joints[is_valid != 0]]).all():
        raise RawDataError(path, 'has valid frames with coordinates that are not', _REMEDY)
    # Whatever stands there in frames that do not count is harmless.
    activities = np.where(is_valid != 0, activities, 0).astype(int)
    return TestPoses(is_valid != 0, activities, joints, univ_joints)


def _numbers(file, name):
    array = file[name][()]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in 'fiub':
        raise ValueError(f'{name} holds no numbers')
    return array
