"""Readers of annot.mat and occlusion.mat, and the intrinsics that are estimated."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.ds.mupots.annotations import read_occlusions, read_poses
from posepile.ds.mupots.intrinsics import (
    estimate_intrinsics,
    read_intrinsics,
    write_intrinsics,
)
from posepile.ds.mupots.simulate_files import write_annotations, write_occlusions
from posepile.errors import RawDataError


@pytest.mark.parametrize('shape', [(3, 2), (1, 1), (4, 1), (1, 3), (2, 2), (17, 1), (1, 17)])
def test_dimensions_of_one_frame_or_person_are_kept(tmp_path, shape):
    rng = np.random.default_rng(0)
    pixels, joints, univ = (rng.normal(size=(*shape, 17, n)) for n in (2, 3, 3))
    is_valid = rng.random(shape) < 0.7
    write_annotations(tmp_path / 'annot.mat', is_valid, pixels, joints, univ)
    poses = read_poses(tmp_path / 'annot.mat')
    np.testing.assert_array_equal(poses.is_valid, is_valid)
    for actual, expected in zip(
        (poses.pixels, poses.joints, poses.univ_joints), (pixels, joints, univ), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)
    labels = rng.random((*shape, 17)) < 0.5
    write_occlusions(tmp_path / 'occlusion.mat', labels)
    np.testing.assert_array_equal(read_occlusions(tmp_path / 'occlusion.mat', shape), labels)


def person(is_valid=1, **changes):
    cell = dict(
        annot2=np.ones((2, 17)),
        annot3=np.ones((3, 17)),
        univ_annot3=np.ones((3, 17)),
        isValidFrame=is_valid,
    )
    return {k: v for k, v in (cell | changes).items() if v is not None}


def save(path, cells, name='annotations'):
    array = np.empty((len(cells), len(cells[0])), object)
    for place in np.ndindex(array.shape):
        array[place] = cells[place[0]][place[1]]
    scipy.io.savemat(path, {name: array})
    return path


def test_people_without_annotation(tmp_path):
    """Empty cells, empty or absent fields, further fields, validity of several types."""
    cells = [
        [person(True, camera='x'), np.zeros((0, 0))],
        [person(0, annot3=np.zeros((0, 0))), person(np.zeros((0, 0)))],
        [person(np.float64(1)), person(None, annot2=None)],
    ]
    poses = read_poses(save(tmp_path / 'annot.mat', cells))
    assert poses.is_valid.tolist() == [[True, False], [False, False], [True, False]]
    assert np.isnan(poses.joints[0, 1]).all() and np.isnan(poses.joints[1, 0]).all()
    assert np.isfinite(poses.joints[2]).all() and np.isnan(poses.pixels[2, 1]).all()


@pytest.mark.parametrize(
    'changes',
    [
        dict(annot3=None),
        dict(annot2=np.ones((17, 2))),
        dict(univ_annot3=np.full((3, 17), np.nan)),
        dict(annot3='here'),
    ],
)
def test_valid_people_with_other_contents_are_refused(tmp_path, changes):
    [name] = changes
    path = save(tmp_path / 'annot.mat', [[person(), person()], [person(), person(**changes)]])
    with pytest.raises(RawDataError, match=f'annot.mat.*{name} of person 1 in frame 1'):
        read_poses(path)


def test_files_that_are_none(tmp_path):
    path = tmp_path / 'annot.mat'
    with pytest.raises(RawDataError, match='there is no such file'):
        read_poses(path)
    path.write_bytes(b'MATLAB 5.0' + bytes(300))
    with pytest.raises(RawDataError, match='annot.mat'):
        read_poses(path)
    scipy.io.savemat(path, {'other': 1})
    with pytest.raises(RawDataError, match='has no cells annotations'):
        read_poses(path)
    scipy.io.savemat(path, {'annotations': 'text'})
    with pytest.raises(RawDataError, match='annot'):
        read_poses(path)
    scipy.io.savemat(path, {'annotations': np.ones((3, 2))})
    with pytest.raises(RawDataError, match='has no cells annotations'):
        read_poses(path)


def test_labels_that_are_none(tmp_path):
    labels = [[np.ones((1, 16))], [np.ones((1, 17))]]
    path = save(tmp_path / 'occlusion.mat', labels, 'occlusion_labels')
    with pytest.raises(RawDataError, match=r'no 17 numbers at frame, person \(0, 0\)'):
        read_occlusions(path, (2, 1))
    with pytest.raises(RawDataError, match=r'about \(2, 1\) frames and people'):
        read_occlusions(path, (1, 2))
    labels = [[np.zeros((0, 0))], [np.ones((17, 1))]]  # of nobody; a column
    path = save(tmp_path / 'occlusion.mat', labels, 'occlusion_labels')
    assert read_occlusions(path, (2, 1)).sum(axis=2).tolist() == [[0], [17]]


# ---- Intrinsics


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(200, 3000), st.floats(200, 3000))
def test_matrix_is_found_from_what_it_projects(seed, fx, fy):
    rng = np.random.default_rng(seed)
    joints = rng.uniform([-900, -900, 2000], [900, 900, 6000], (34, 3))
    cx, cy = rng.uniform(200, 1200, 2)
    pixels = joints[:, :2] / joints[:, 2:] * [fx, fy] + [cx, cy]
    K = estimate_intrinsics(joints, pixels)
    np.testing.assert_allclose(K, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], atol=1e-7 * fx)


def test_worked_example_with_disagreement():
    """Three points at x/z = -1, 0, 1 seen at u = 90, 106, 110: the line 102 + 10 x/z."""
    joints = np.array([[-1, 1, 1], [0, 0, 1], [2, -2, 2.0]])
    pixels = np.array([[90, 5], [106, 7], [110, 9.0]])
    expected = [[10, 0, 102], [0, -2, 7], [0, 0, 1]]
    np.testing.assert_allclose(estimate_intrinsics(joints, pixels), expected, atol=1e-9)


def test_points_that_tell_nothing():
    one = np.tile([[10, 20, 1000.0]], (17, 1))
    for joints in (one, one[:0], one * [1, 1, 0], one * np.nan):
        with pytest.raises(ValueError):
            estimate_intrinsics(joints, joints[:, :2])


def test_estimates_of_all_sequences(release):
    for sequence, K in release.matrices.items():
        np.testing.assert_allclose(read_intrinsics(release.root, sequence), K, atol=1e-6)


def test_who_is_not_valid_does_not_count(tmp_path, release):
    """With the garbage of the invalid ones, the estimate would be another."""
    os.makedirs(tmp_path / 'TS1')
    keys = [k for k in release.joints if k[0] == 1]
    joints = np.array([release.joints[k] for k in keys])[:, None]
    pixels = np.array([release.pixels[k] for k in keys])[:, None]
    pixels[1] += 300
    is_valid = np.array([[True], [False], [True]])
    write_annotations(tmp_path / 'TS1/annot.mat', is_valid, pixels, joints, joints)
    np.testing.assert_allclose(read_intrinsics(tmp_path, 1), release.matrices[1], atol=1e-6)
    write_annotations(tmp_path / 'TS1/annot.mat', ~is_valid & False, pixels, joints, joints)
    with pytest.raises(RawDataError, match='TS1/annot.mat.*does not tell the intrinsics'):
        read_intrinsics(tmp_path, 1)


def test_file_of_intrinsics(release, tmp_path, monkeypatch):
    root = tmp_path / 'mupots'
    shutil.copytree(release.root, root)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    program = [sys.executable, '-m', 'posepile.ds.mupots.intrinsics']
    result = subprocess.run(program, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    content = json.loads((root / 'camera_intrinsics.json').read_text())
    assert sorted(content) == sorted(f'TS{i}' for i in range(1, 21))
    np.testing.assert_allclose(content['TS4'], release.matrices[4], atol=1e-6)
    # One that is there is what counts, and is not made again.
    content['TS4'][0][0] = 1234.5
    (root / 'camera_intrinsics.json').write_text(json.dumps(content))
    write_intrinsics(root)
    assert read_intrinsics(root, 4)[0, 0] == 1234.5


@pytest.mark.parametrize(
    'matrix', [[[1, 2], [3, 4]], 'x', [[1, 0, 0], [0, 0, 0], [0, 0, 1]], None, [[1], [2, 3]]]
)
def test_damaged_file_of_intrinsics(tmp_path, matrix):
    (tmp_path / 'camera_intrinsics.json').write_text(json.dumps({'TS1': matrix}))
    for sequence in (1, 2):
        with pytest.raises(RawDataError, match='camera_intrinsics.json.*TS'):
            read_intrinsics(tmp_path, sequence)
