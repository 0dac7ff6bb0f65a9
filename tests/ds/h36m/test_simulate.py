"""The miniature of the release: layout, formats, defects, and the same bytes each time."""

import dataclasses
import hashlib
import os
import tarfile
import zipfile

import cdflib
import h5py
import numpy as np
import pytest

from posepile.ds.h36m import simulate, simulate_takes
from posepile.ds.h36m.simulate_cameras import INTRINSICS, project_as_released, studio_camera
from posepile.ds.h36m.simulate_takes import (
    PARENTS,
    TINY,
    performer_of,
    recorded_joints,
    true_joints,
    universal_lengths,
    with_universal_bones,
)
from posepile.raw.video import VideoFrames
from tests.digests import digests

from .conftest import TAKES, blank_frames


def pose(path):
    values = cdflib.CDF(path).varget('Pose')
    assert values.dtype == np.float32 and values.ndim == 3 and len(values) == 1
    return values[0].reshape(values.shape[1], 32, -1)


def test_tree_and_archives_hold_the_same(blank_release):
    root = blank_release / 'h36m'
    archives = sorted(os.listdir(root / 'archives'))
    assert len(archives) == 7 * 6 + 2
    assert 'Poses_D3_Positions_mono_universal_S11.tgz' in archives
    assert {'code-v1.2.zip', 'checksums.txt'} <= set(archives)
    for line in (root / 'archives/checksums.txt').read_text().splitlines():
        md5, path = line.split('  ')
        assert hashlib.md5((root / path).read_bytes()).hexdigest() == md5
    in_archives = set()
    for name in archives:
        if name.endswith('.tgz'):
            with tarfile.open(root / 'archives' / name) as archive:
                for member in archive.getmembers():
                    assert member.name.partition('/')[0] == name[:-4].rpartition('_')[2]
                    if member.isfile():
                        content = archive.extractfile(member).read()
                        assert content == (root / member.name).read_bytes()
                        in_archives.add(member.name)
    with zipfile.ZipFile(root / 'archives/code-v1.2.zip') as z:
        in_archives.update(z.namelist())
    in_tree = {
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
    }
    in_tree = {p for p in in_tree if not p.startswith('archives/') and p != 'SIMULATED.json'}
    assert in_archives == in_tree
    assert 'S1/Videos/_ALL.54138969.mp4' in in_tree
    assert 'S1/Videos/_ALL 1.54138969.mp4' in in_tree
    assert 'S9/MyPoseFeatures/D3_Positions/SittingDown 1.cdf' in in_tree
    assert not any('_ALL' in path and not path.endswith('.mp4') for path in in_tree)


def test_formula_of_the_release():
    """The published check value, and what is different from OpenCV."""
    camera = studio_camera(1, 0)
    point = camera.world_to_camera([0, 0, 1000])
    np.testing.assert_allclose(point, [-320.30323677, -435.26571076, 5288.66156023], atol=1e-5)
    np.testing.assert_allclose(project_as_released(point, 0), [443.31677, 421.48379], atol=1e-5)
    np.testing.assert_allclose(camera.camera_to_image(point), [443.30454, 421.46719], atol=1e-5)
    fx, fy, _, _, _, _, _, p1, p2 = INTRINSICS[0]
    x, y = point[:2] / point[2]
    np.testing.assert_allclose(
        camera.camera_to_image(point) - project_as_released(point, 0),
        [fx * (p1 * x * y + p2 * x**2), fy * (p1 * y**2 + p2 * x * y)],
        atol=1e-9,
    )


@pytest.mark.parametrize('take', TAKES, ids=lambda t: f'S{t.subject}-{t.name}')
def test_pose_files_agree_with_one_another(blank_release, take):
    features = blank_release / f'h36m/S{take.subject}/MyPoseFeatures'
    world = pose(features / f'D3_Positions/{take.name}.cdf')
    offset = [200, 0, 0] if take.name in ('Greeting', 'SittingDown 1') else [0, 0, 0]
    np.testing.assert_allclose(world, true_joints(take) + offset, atol=1e-3)
    assert len(world) == take.n
    for i, camera_id in enumerate(('54138969', '55011271', '58860488', '60457274')):
        mono = pose(features / f'D3_Positions_mono/{take.name}.{camera_id}.cdf')
        camera = studio_camera(take.subject, i)
        np.testing.assert_allclose(mono, camera.world_to_camera(world), atol=2e-3)
        pixels = pose(features / f'D2_Positions/{take.name}.{camera_id}.cdf')
        np.testing.assert_allclose(pixels, project_as_released(mono, i), atol=1e-3)
        universal = pose(features / f'D3_Positions_mono_universal/{take.name}.{camera_id}.cdf')
        lengths = np.linalg.norm(universal - universal[:, list(PARENTS)], axis=-1)[:, 1:]
        np.testing.assert_allclose(lengths, np.tile(universal_lengths()[1:], (take.n, 1)), atol=0.1)
        np.testing.assert_allclose(universal[:, 0], mono[:, 0], atol=1e-3)


def test_universal_bones_point_where_the_true_ones_do():
    take = TAKES[0]
    joints = true_joints(take)
    universal = with_universal_bones(joints)
    for a, b in ((1, 2), (17, 18), (14, 15)):
        true, changed = joints[:, b] - joints[:, a], universal[:, b] - universal[:, a]
        cosine = np.sum(true * changed, 1) / np.linalg.norm(true, axis=1)
        np.testing.assert_allclose(cosine, np.linalg.norm(changed, axis=1))
    assert np.abs(universal_lengths()[2] - np.linalg.norm(joints[0, 2] - joints[0, 1])) > 0.1


def test_box_masks_are_around_the_joints_that_were_recorded(blank_release):
    for take in (TAKES[0], TAKES[6]):
        folder = blank_release / f'h36m/S{take.subject}/MySegmentsMat/ground_truth_bb'
        with h5py.File(folder / f'{take.name}.55011271.mat') as file:
            assert file['Masks'].shape == (take.box_rows or take.n, 1)
            mask = file[file['Masks'][5, 0]][()].T
        camera = studio_camera(take.subject, 1)
        assert mask.shape == camera.imshape == (1000, 1000)
        rows, columns = np.nonzero(mask)
        pixels = camera.project(recorded_joints(take)[5])
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        margin = np.array([columns.min(), rows.min()]) - low
        assert np.all(margin < 0) and np.all(margin > -60)
        margin = np.array([columns.max(), rows.max()]) - high
        assert np.all(margin > 0) and np.all(margin < 60)


def test_sizes_and_lengths_of_videos(blank_release):
    videos = blank_release / 'h36m'
    for path, height, length in (
        ('S1/Videos/TakingPhoto 1.54138969.mp4', 1002, 43),
        ('S1/Videos/TakingPhoto 1.55011271.mp4', 1000, 43),
        ('S7/Videos/Phoning 2.55011271.mp4', 1002, 8),
        ('S9/Videos/Greeting.60457274.mp4', 1002, 140),
        ('S1/Videos/_ALL.54138969.mp4', 1002, 10),
    ):
        video = VideoFrames(videos / path)
        assert (video.imshape, video.count_frames(), video.fps) == ((height, 1000), length, 50)


def test_what_the_usual_release_is_to_show():
    """The special cases; a change of the plans must not lose one."""
    takes = {(t.subject, t.name): t for t in TINY}
    assert {t.subject for t in TINY} == {1, 5, 6, 7, 8, 9, 11}
    assert {(1, 'Walking'), (1, 'TakingPhoto 1'), (11, 'Directions')} <= set(takes)
    assert [t.name for t in TINY if t.is_shifted] == ['Greeting', 'SittingDown 1', 'Waiting 1']
    assert not takes[9, 'Greeting 1'].is_shifted
    greeting = takes[9, 'Greeting']
    assert greeting.video_length(0) >= 2 * greeting.n
    assert sum(t.missing_video is not None for t in TINY) == 1
    assert sum(t.short_video is not None for t in TINY) == 1
    assert any(t.box_rows for t in TINY if t.is_test)
    assert any(t.box_rows for t in TINY if not t.is_test)
    at_border = [
        np.any((boxes[:, :2] == 0) | (boxes[:, :2] + boxes[:, 2:] == camera.imshape[::-1]))
        for t in TINY
        for camera in (studio_camera(t.subject, c) for c in range(4))
        for boxes in [simulate._boxes_of(camera, recorded_joints(t))]
    ]
    assert 2 <= sum(at_border) < len(at_border) / 2
    for t in TINY:
        for c in range(4):  # somebody is to be seen
            camera = studio_camera(t.subject, c)
            pelvis = camera.project(true_joints(t)[:, 0])
            assert np.mean(np.all((pelvis > 0) & (pelvis < 1000), axis=1)) > 0.8


def test_one_person_for_all_takes_of_a_subject():
    walking, photo = (t for t in TINY if t.name in ('Walking', 'TakingPhoto 1'))
    assert performer_of(walking).body.stature == performer_of(photo).body.stature
    other = dataclasses.replace(walking, subject=5)
    assert performer_of(other).body.stature != performer_of(walking).body.stature
    assert not np.array_equal(true_joints(walking, 0), true_joints(walking, 1))


def test_same_seed_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate_takes, 'TINY', TAKES[1:2])
    results = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        os.makedirs(tmp_path / name)
        with monkeypatch.context() as patch:
            if name != 'a':
                patch.setattr(simulate, '_frames', blank_frames)
            simulate.simulate(tmp_path / name, seed=seed)
        results.append(digests(tmp_path / name))
    a, b, c = results
    videos = {path for path in a if 'Videos' in path}
    assert set(a) == set(b) == set(c)
    different = {path for path in a if a[path] != b[path]}
    assert different <= videos | {'h36m/archives/checksums.txt'}
    assert any(a[path] != c[path] for path in a if path.endswith('.cdf'))
