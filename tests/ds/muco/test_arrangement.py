"""Which moments are chosen, and how the choice is stored and read."""

import os
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.ds.muco import arrange, origins, pool, studio
from posepile.ds.muco.composite_info import CompositeInfo, write_composite_info
from posepile.ds.muco.simulate_files import write_arrangement
from posepile.ds.muco.studio import Moment
from posepile.errors import RawDataError
from posepile.simulate.origin import is_simulated
from posepile.simulate.writers import write_video
from tests.ds.muco.small_release import (
    N_CAMERAS,
    PERSON,
    a_camera,
    plain,
    write_first_pictures,
    write_sequence,
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


def moving_person(n_frames, speed, depth=4000.0):
    """(F, 28, 3): moves to the side by ``speed`` mm in each frame."""
    steps = np.arange(n_frames)[:, np.newaxis, np.newaxis] * np.array([speed, 0, 0])
    return PERSON + steps + np.array([0, 0, depth])


def test_a_frame_is_taken_when_a_joint_has_moved_far_enough():
    joints = np.zeros((30, 21, 3))
    joints[:, 7, 1] = 20.0 * np.arange(30)  # one joint, 175 mm in nine frames
    joints[:, 3, 0] = 10.0 * np.arange(30)
    assert pool.frames_in_motion(joints, 0).tolist() == [0, 9, 18, 27]
    assert pool.frames_in_motion(joints, 5).tolist() == [5, 14, 23]
    assert pool.frames_in_motion(joints, 30).tolist() == []


def test_jitter_by_hand():
    uniform = np.array([0.0, 0.5, 0.51, 0.49, 0.999, 0.2])
    frames = np.array([200, 210, 300, 400, 500, 580])
    # (u - 0.5) * 50 = -25, 0, 0.5, -0.5, 24.95, -15; halves go away from zero.
    expected = [180, 210, 301, 399, 525, 565]
    assert pool.jittered(frames, uniform, 180, 600).tolist() == expected
    assert pool.jittered(frames, uniform, 180, 520).tolist() == [180, 210, 301, 399, 519]
    assert pool.jittered(frames, uniform, 600, 600).tolist() == []


def test_pool(root):
    """Two sequences; in the second, the person leaves the picture of camera 2 only."""
    joints = moving_person(60, 20)
    write_sequence(root, 1, 1, joints, univ_joints=joints / 2)
    elsewhere = [a_camera()] * N_CAMERAS
    elsewhere[2] = a_camera(size=40)
    write_sequence(root, 3, 2, moving_person(60, 100), elsewhere)
    write_first_pictures(root)
    entries, _ = pool.build_pool(first_frame=0)
    by_view = {}
    for entry in entries:
        by_view.setdefault(entry.moment.view, []).append(entry)
    assert sorted(by_view) == [(s, q, c) for s, q in ((1, 1), (3, 2)) for c in range(11)]

    # Height-normalised joints move 10 mm in each frame: 18 frames for 175 mm.
    rng = np.random.RandomState(1928)
    for camera in range(11):
        steps = (rng.random_sample(4) - 0.5) * 50
        frames = np.array([0, 18, 36, 54]) + np.trunc(steps + np.copysign(0.5, steps)).astype(int)
        expected = np.unique(frames.clip(0, 59)).tolist()
        assert [e.moment.frame for e in by_view[1, 1, camera]] == expected

    assert len(by_view[3, 2, 2]) < len(by_view[3, 2, 1])
    for entry in by_view[3, 2, 2]:
        assert np.any(np.all((entry.pixels >= 0) & (entry.pixels < 40), axis=1))
    entry = by_view[1, 1, 4][-1]
    own = joints[entry.moment.frame][[7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3,
                                      6, 17, 12, 27, 22]]  # fmt: skip
    np.testing.assert_allclose(entry.joints, own)
    np.testing.assert_allclose(entry.univ_joints, own / 2)
    np.testing.assert_allclose(entry.pixels, 200 * own[:, :2] / own[:, 2:] + 100, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(4, 9), seed=st.integers(0, 2**32 - 1))
def test_people_of_a_composite_are_four_different_moments(n, seed):
    rows = arrange.draw_distinct(n, 200, np.random.RandomState(seed))
    assert rows.shape == (200, 4)
    assert rows.min() >= 0
    assert rows.max() < n
    assert np.all(np.diff(np.sort(rows, axis=1), axis=1) > 0)


def test_all_quadruples_are_equally_likely():
    rows = arrange.draw_distinct(5, 60_000, np.random.RandomState(0))
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    assert len(counts) == 120
    # 500 are expected of each, with a standard deviation of 22.
    assert counts.min() > 380
    assert counts.max() < 620


def test_arrangement_of_both_sequences(root):
    write_sequence(root, 1, 1, moving_person(60, 20))
    write_sequence(root, 3, 2, moving_person(60, 20))
    write_first_pictures(root)
    entries, quadruples = arrange.arrange(first_frame=0, per_camera=20)
    assert quadruples.shape == (220, 4)
    moments = np.array([entry.moment for entry in entries])[quadruples]
    cameras = moments[..., 2]
    assert np.all(cameras == cameras[:, :1])  # the same for all four
    assert np.unique(cameras[:, 0], return_counts=True)[1].tolist() == [20] * 11
    assert np.any(np.diff(cameras[:, 0]) < 0)  # shuffled
    again = arrange.arrange(first_frame=0, per_camera=20)[1]
    np.testing.assert_array_equal(again, quadruples)
    other = arrange.arrange(first_frame=0, per_camera=20, seed=7)[1]
    assert other.shape != quadruples.shape or np.any(other != quadruples)


def test_only_what_is_recorded_is_shown(root):
    write_sequence(root, 1, 1, moving_person(60, 20))
    write_sequence(root, 3, 2, moving_person(60, 20))
    write_first_pictures(root)
    (root / '3dhp/S1/Seq1/ChairMasks/img_5_000000.jpg').unlink()
    write_video(root / '3dhp/S3/Seq2/FGmasks/video_6.avi', [plain(0)] * 20, 25, 'mjpeg')
    by_view = {}
    for entry in pool.build_pool(first_frame=0)[0]:
        by_view.setdefault(entry.moment.view, []).append(entry.moment.frame)
    assert (1, 1, 5) not in by_view
    assert (3, 2, 5) in by_view
    assert max(by_view[3, 2, 6]) == 19
    assert max(by_view[1, 1, 6]) > 30


def test_short_recordings_are_told(root):
    write_sequence(root, 1, 1, moving_person(60, 20))
    with pytest.raises(RawDataError, match='no camera sees 4 moments.*--first-frame'):
        arrange.arrange()


def entries_of(moments):
    rng = np.random.default_rng(0)
    return [
        pool.PoolEntry(m, rng.random((21, 2)), rng.random((21, 3)), rng.random((21, 3)))
        for m in moments
    ]


MOMENTS = [Moment(1, 1, 3, 180), Moment(8, 2, 3, 6000), Moment(2, 1, 3, 12345), Moment(5, 2, 3, 0)]


def test_file_of_the_arrangement(tmp_path):
    """Read as MATLAB's would be: reference by reference."""
    path = tmp_path / 'muco' / 'sampled_dataset_info.mat'
    entries = entries_of([*MOMENTS, Moment(4, 1, 3, 7)])
    quadruples = [[0, 1, 2, 3], [4, 2, 0, 1]]
    write_composite_info(path, entries, quadruples)
    assert path.read_bytes()[:10] == b'MATLAB 7.3'
    with h5py.File(path) as f:
        cells = f['composite_info']
        assert cells.shape == (4, 2)
        for n, quadruple in enumerate(quadruples):
            for k, i in enumerate(quadruple):
                columns = f[cells[k, n]]
                assert columns.shape == (7, 1)
                contents = [f[columns[c, 0]][()] for c in range(7)]
                assert contents[0].shape == (4, 1)
                assert contents[0].ravel().tolist() == list(entries[i].moment)
                low, high = entries[i].pixels.min(axis=0), entries[i].pixels.max(axis=0)
                box = np.concatenate([low - 320, high + 320])
                np.testing.assert_allclose(contents[1].ravel(), box)
                np.testing.assert_array_equal(contents[2], entries[i].pixels)
                np.testing.assert_array_equal(contents[3], entries[i].univ_joints)
                np.testing.assert_array_equal(contents[6], entries[i].joints)
                assert contents[4].size == contents[5].size == 21
    info = CompositeInfo(path)
    assert len(info) == 2
    assert info.moments(2) == [entries[i].moment for i in quadruples[1]]
    first = path.read_bytes()
    write_composite_info(path, entries, quadruples)
    assert path.read_bytes() == first


def other_program_writes(path, moments):
    flat = np.zeros((21, 3))
    path.parent.mkdir(exist_ok=True)
    write_arrangement(path, [[(m, flat[:, :2], flat, flat) for m in row] for row in moments])


def test_origins_follow_the_file(root):
    path = root / 'muco' / 'sampled_dataset_info.mat'
    other_program_writes(path, [MOMENTS])
    assert origins.moments_of(1) == MOMENTS
    assert (root / 'muco/composite_frame_origins.npy').exists()
    other_program_writes(path, [MOMENTS, MOMENTS[::-1]])
    os.utime(path)  # clocks of file systems may be slow
    assert origins.moments_of(2) == MOMENTS[::-1]
    path.unlink()  # what is there suffices
    assert origins.load_origins().tolist() == [
        list(map(list, MOMENTS)),
        list(map(list, MOMENTS[::-1])),
    ]
    for number in (0, 3):
        with pytest.raises(RawDataError, match=f'no composite {number}'):
            origins.moments_of(number)


def damage_cells(f):
    del f['composite_info']
    f['composite_info'] = np.zeros((4, 1))


def damage_shape(f):
    references = f['composite_info'][:2]
    del f['composite_info']
    f['composite_info'] = references


def damage_row(f):
    f[f['composite_info'][2, 0]][0, 0] = h5py.Reference()


def damage_numbers(f):
    f[f[f['composite_info'][2, 0]][0, 0]][1] = 1.5


def damage_length(f):
    columns = f[f['composite_info'][2, 0]]
    columns[0, 0] = columns[2, 0]


def damage_name(f):
    f.move('composite_info', 'dataset_info')


@pytest.mark.parametrize(
    'damage',
    [damage_cells, damage_shape, damage_row, damage_numbers, damage_length, damage_name],
    ids=lambda d: d.__name__,
)
def test_damaged_arrangements_are_told(root, damage):
    path = root / 'muco' / 'sampled_dataset_info.mat'
    other_program_writes(path, [MOMENTS])
    with h5py.File(path, 'r+') as f:
        damage(f)
    with pytest.raises(RawDataError, match='sampled_dataset_info'):
        origins.moments_of(1)


def test_no_arrangement(root):
    with pytest.raises(RawDataError, match='Run the arrange step'):
        origins.load_origins()
    (root / 'muco').mkdir()
    (root / 'muco/sampled_dataset_info.mat').write_bytes(b'nothing')
    with pytest.raises(RawDataError, match='no MATLAB 7.3 file'):
        origins.load_origins()
    (root / 'muco/sampled_dataset_info.mat').unlink()
    np.save(root / 'muco/composite_frame_origins.npy', np.zeros((3, 4)))
    with pytest.raises(RawDataError, match='integers'):
        origins.load_origins()


def test_step(root, capsys):
    for i in (1, 2):
        write_sequence(root, i, 1, moving_person(60, 20))
    write_first_pictures(root)
    command = ['--first-frame', '0', '--per-camera', '3']
    assert arrange.main(command) == 0
    path = root / 'muco' / 'sampled_dataset_info.mat'
    content = path.read_bytes()
    assert is_simulated(root / 'muco')  # as the recordings are
    assert '33 composites' in capsys.readouterr().out
    kept = root / 'muco/composite_frame_origins.npy'
    kept_origins = np.load(kept)
    kept.unlink()
    np.testing.assert_array_equal(origins.load_origins(), kept_origins)  # of the file itself
    assert arrange.main(['--first-frame', '0', '--per-camera', '5']) == 0
    assert path.read_bytes() == content  # what is there stays
    path.unlink()
    (root / 'muco/composite_frame_origins.npy').unlink()
    (root / 'muco/unaugmented_set_001').mkdir()
    assert arrange.main(command) == 0
    assert path.read_bytes() == content
    path.unlink()
    (root / 'muco/composite_frame_origins.npy').unlink()
    (root / 'muco/unaugmented_set_001/000001.jpg').touch()
    assert arrange.main(command) == 1  # composites of an arrangement that is lost
    assert 'move away' in capsys.readouterr().err


def test_poses_follow_the_annotations(root):
    write_sequence(root, 1, 1, moving_person(5, 10), univ_joints=moving_person(5, 1))
    joints, univ_joints = studio.pose_of(Moment(1, 1, 10, 4))
    np.testing.assert_allclose(joints, moving_person(5, 10)[4])
    np.testing.assert_allclose(univ_joints, moving_person(5, 1)[4])
    write_sequence(root, 1, 1, moving_person(7, 10))
    np.testing.assert_allclose(studio.pose_of(Moment(1, 1, 10, 6))[0], moving_person(7, 10)[6])
    assert len(list((root / 'muco/poses').glob('*.npy'))) == 1
    for moment in (Moment(1, 1, 0, 7), Moment(1, 1, 11, 0), Moment(1, 1, 0, -1)):
        with pytest.raises(RawDataError, match='no pose'):
            studio.pose_of(moment)
    shutil.rmtree(root / '3dhp/S1/Seq1')
    with pytest.raises(RawDataError, match='no such annotation file'):
        studio.pose_of(Moment(1, 1, 0, 0))
