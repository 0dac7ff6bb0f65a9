"""Steps that make composites: shared among tasks, interrupted, with pictures missing."""

import json
import os

import numpy as np
import pytest
import rlemasklib
import scipy.io

from posepile.ds.muco import composites, frames, studio, tree
from posepile.ds.muco.pool import JOINTS
from posepile.ds.muco.simulate_files import write_arrangement
from posepile.ds.muco.studio import KINDS, Moment
from posepile.errors import RawDataError
from posepile.raw.images import read_image
from posepile.simulate.writers import write_video
from tests.ds.muco.small_release import (
    PERSON,
    plain,
    rectangle,
    write_pictures,
    write_sequence,
)

DEPTHS = {1: 3000.0, 2: 4000.0, 3: 5000.0}  # by subject
FRAMES = 3
#: Moments of the composites; each shows people of all depths.
QUADRUPLES = [
    [Moment(2, 1, 0, 0), Moment(1, 1, 0, 1), Moment(3, 1, 0, 2), Moment(3, 1, 0, 0)],
    [Moment(1, 1, 0, 0), Moment(1, 1, 0, 2), Moment(2, 1, 0, 2), Moment(3, 1, 0, 1)],
    [Moment(3, 1, 0, 2), Moment(2, 1, 0, 1), Moment(1, 1, 0, 0), Moment(2, 1, 0, 0)],
    [Moment(2, 1, 0, 0), Moment(1, 1, 0, 1), Moment(3, 1, 0, 2), Moment(3, 1, 0, 0)],
    [Moment(1, 1, 0, 1), Moment(2, 1, 0, 1), Moment(3, 1, 0, 1), Moment(3, 1, 0, 2)],
]


def picture_of(moment):
    """Image, person and chair: each subject has a place, each frame a colour."""
    left = 30 + 30 * moment.subject
    person = rectangle(left, 40, left + 60, 150 + 10 * moment.frame)
    chair = rectangle(left, 150, left + 90, 190)
    return plain(60 * moment.subject + 10 * moment.frame), person, chair


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A DATA_ROOT with pictures and an arrangement of five composites, in chunks of two."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(tree, 'CHUNK', 2)
    for subject, depth in DEPTHS.items():
        steps = np.array([[[10.0 * i, 0, depth]] for i in range(FRAMES)])
        write_sequence(tmp_path, subject, 1, PERSON + steps)
    for moment in {m for row in QUADRUPLES for m in row}:
        write_pictures(tmp_path, moment, *picture_of(moment))
    arrange(tmp_path, QUADRUPLES)
    return tmp_path


def arrange(root, quadruples):
    (root / 'muco').mkdir(exist_ok=True)
    nothing = np.zeros((21, 3))
    write_arrangement(
        root / 'muco/sampled_dataset_info.mat',
        [[(m, nothing[:, :2], nothing, nothing) for m in row] for row in quadruples],
    )


def contents(root):
    folder = root / 'muco/unaugmented_set_001'
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def truth_of(root, number):
    chunk = root / f'muco/unaugmented_set_001/chunk_{(number + 1) // 2:05d}_visible.json'
    return json.loads(chunk.read_text())[f'{number:06d}']


def test_files(root):
    report = composites.make_composites(10)
    assert report.skipped == []
    assert (report.clips, report.frames_kept) == (3, 5)
    chunks = [f'chunk_{i:05d}_{kind}' for i in (1, 2, 3) for kind in ('annot.mat', 'visible.json')]
    assert sorted(contents(root)) == [f'{i:06d}.jpg' for i in range(1, 6)] + chunks
    annotations = scipy.io.loadmat(root / 'muco/unaugmented_set_001/chunk_00002_annot.mat')
    assert [str(name[0][0]) for name in annotations['img_names']] == ['000003.jpg', '000004.jpg']
    assert annotations['joint_loc2'].shape == (2, 21, 4, 2)
    moment = QUADRUPLES[2][1]  # of composite 3, which is the first of its chunk
    joints = (PERSON + [10.0 * moment.frame, 0, DEPTHS[moment.subject]])[list(JOINTS)]
    np.testing.assert_allclose(annotations['joint_loc3'][:, :, 1, 0], joints.T)
    pixels = 200 * joints[:, :2] / joints[:, 2:] + 100
    np.testing.assert_allclose(annotations['joint_loc2'][:, :, 1, 0], pixels.T, atol=1e-3)


def test_people_are_where_they_belong(root):
    """Composite 1: people at 4000, 3000, 5000 and 5000 mm, of equals the first one farther."""
    composites.make_composites(2)
    truth = truth_of(root, 1)
    assert truth['far_to_near'] == [2, 3, 0, 1]
    masks = [rlemasklib.decode(m) != 0 for m in truth['masks']]
    own = [picture_of(m)[1:] for m in QUADRUPLES[0]]
    expected = [
        own[0][0] & ~(own[1][0] | own[1][1]),
        own[1][0],
        own[2][0] & ~np.any([own[i] for i in (0, 1, 3)], axis=(0, 1)),
        own[3][0] & ~np.any([own[i] for i in (0, 1)], axis=(0, 1)),
    ]
    for mask, true in zip(masks, expected, strict=True):
        # All edges are a few pixels long; JPEG and the blur move corners.
        assert np.sum(mask != true) <= 0.02 * np.sum(own[0][0])
    image = read_image(root / 'muco/unaugmented_set_001/000001.jpg')
    gammas = composites.gammas_of(1)[0]
    for place, i in (((60, 75), 1), ((60, 165), 3), ((5, 5), 2), ((170, 100), 1)):
        value = picture_of(QUADRUPLES[0][i])[0][0, 0, 0]
        expected = 255 * (value / 255) ** gammas[truth['far_to_near'].index(i)]
        assert abs(image[place][0] - expected) <= 2


def test_gammas_are_those_of_one_run_over_all_chunks(root):
    uniform = np.random.RandomState(311).random_sample(1000)
    for i_chunk in (1, 2, 50):
        own = uniform[8 * (i_chunk - 1) : 8 * i_chunk]
        np.testing.assert_array_equal(composites.gammas_of(i_chunk).ravel(), 0.7 + own / 10)
    # NumPy's numbers are MATLAB's: its first ones after a start, when the seed is 5489.
    first = np.random.RandomState(5489).random_sample(3)
    np.testing.assert_allclose(first, [0.8147, 0.9058, 0.1270], atol=5e-5)


def test_the_same_bytes_however_the_work_is_shared(root):
    composites.make_composites(10)
    alone = contents(root)
    for path in (root / 'muco/unaugmented_set_001').iterdir():
        path.unlink()
    for i_task in (2, 0, 1):
        composites.make_composites(10, i_task, 3)
    assert contents(root) == alone


def test_it_goes_on_where_it_was_killed(root, monkeypatch):
    composites.make_composites(10)
    whole = contents(root)
    folder = root / 'muco/unaugmented_set_001'
    for name in ('000004.jpg', 'chunk_00002_visible.json', 'chunk_00002_annot.mat'):
        (folder / name).unlink()
    times = {name: (folder / name).stat().st_mtime_ns for name in contents(root)}
    made = []
    monkeypatch.setattr(composites, 'composite', lambda *a: made.append(1) or original(*a))
    composites.make_composites(10)
    assert contents(root) == whole
    assert len(made) == 1
    assert all((folder / name).stat().st_mtime_ns == time for name, time in times.items())


original = composites.composite


def test_only_as_many_as_are_wanted(root):
    composites.make_composites(2)
    assert sorted(contents(root)) == [
        '000001.jpg', '000002.jpg', 'chunk_00001_annot.mat', 'chunk_00001_visible.json',
    ]  # fmt: skip


def test_images_of_others_are_left_alone(root):
    """They may lie in folders by digits."""
    path = root / 'muco/unaugmented_set_001/00/0000/000001.jpg'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'theirs')
    composites.make_composites(2)
    assert path.read_bytes() == b'theirs'
    assert not (root / 'muco/unaugmented_set_001/000001.jpg').exists()


@pytest.mark.parametrize('kind', KINDS)
def test_whose_picture_is_missing_is_left_out(root, kind):
    os.remove(QUADRUPLES[0][3].path(kind))
    report = composites.make_composites(2)
    assert len(report.skipped) == 1
    assert 'composite 000001, person 3' in report.skipped[0]
    truth = truth_of(root, 1)
    assert truth['far_to_near'] == [2, 0, 1]
    assert truth['masks'][3] is truth['joints'][3] is None
    gammas = composites.gammas_of(1)[0]
    image = read_image(root / 'muco/unaugmented_set_001/000001.jpg')
    value = picture_of(QUADRUPLES[0][0])[0][0, 0, 0]
    # The gamma of the nearest but one, as if nobody were missing.
    assert abs(image[60, 145][0] - 255 * (value / 255) ** gammas[2]) <= 2


def test_without_any_picture_there_is_an_error(root):
    for moment in QUADRUPLES[2]:
        os.remove(moment.path(KINDS[0]))
    with pytest.raises(RawDataError, match='000003.*no pictures.*frames step'):
        composites.make_composites(10)
    assert not (root / 'muco/unaugmented_set_001/chunk_00002_annot.mat').exists()


def test_sizes_that_differ_are_told(root):
    moment = QUADRUPLES[0][0]
    write_pictures(root, moment, plain(9, 100), rectangle(0, 0, 50, 50, 100))
    with pytest.raises(RawDataError, match='sizes differ'):
        composites.make_composites(2)
    write_pictures(root, moment, plain(9), rectangle(0, 0, 50, 50, 100))
    report = composites.make_composites(2)
    assert 'person 0' in report.skipped[0]
    assert 'differ in size' in report.skipped[0]


def test_extraction(root):
    """Of videos, what composites show; a frame that is there is left alone."""
    videos = {}
    for moment in {m for row in QUADRUPLES for m in row}:
        for kind in KINDS:
            os.remove(moment.path(kind))
            videos[moment.video_path(kind)] = [plain(0), plain(100), plain(200)]
    for path, images in videos.items():
        write_video(path, images, 25, 'mjpeg')
    kept = Moment(1, 1, 0, 1)
    write_pictures(root, kept, plain(50), rectangle(0, 0, 1, 1))
    report = frames.extract_frames(1, 0, 2)
    report.add(frames.extract_frames(1, 1, 2))
    assert (report.clips, report.frames_seen, report.frames_kept) == (3, 12, 9)
    assert report.skipped == []
    found = {p.relative_to(root / '3dhp').as_posix() for p in (root / '3dhp').rglob('*.jpg')}
    assert found == {
        f'S{m.subject}/Seq1/{kind}/img_0_{m.frame:06d}.jpg' for m in QUADRUPLES[0] for kind in KINDS
    }
    assert read_image(kept.path(KINDS[0])).mean() == pytest.approx(50, abs=1)
    assert read_image(QUADRUPLES[0][2].path(KINDS[0])).mean() == pytest.approx(200, abs=3)
    assert frames.extract_frames(1).frames_kept == 0


def test_a_video_in_place_of_pictures(root):
    moments = [Moment(3, 1, 0, i) for i in range(FRAMES)]
    for moment in moments:
        os.remove(moment.path(KINDS[0]))
    assert not any(studio.has_picture(m, KINDS[0]) for m in moments)
    with pytest.raises(RawDataError, match='no such picture|no such video'):
        studio.read_picture(moments[0], KINDS[0])
    write_video(moments[0].video_path(KINDS[0]), [plain(20), plain(220)], 25, 'mjpeg')
    assert [studio.has_picture(m, KINDS[0]) for m in moments] == [True, True, False]
    assert studio.read_picture(moments[1], KINDS[0]).mean() == pytest.approx(220, abs=3)
    with pytest.raises(RawDataError, match='frames step'):
        studio.read_picture(moments[2], KINDS[0])


def test_extraction_tells_what_is_missing(root):
    short, absent = Moment(3, 1, 0, 2), Moment(2, 1, 0, 0)
    for moment in (short, absent):
        os.remove(moment.path(KINDS[1]))
    write_video(short.video_path(KINDS[1]), [plain(0)] * 2, 25, 'mjpeg')
    report = frames.extract_frames(1)
    assert len(report.skipped) == 2
    assert any('S3/Seq1/FGmasks/video_0.avi: 1 of 1 wanted' in line for line in report.skipped)
    assert any('S2/Seq1/FGmasks/video_0.avi: there is no' in line for line in report.skipped)
