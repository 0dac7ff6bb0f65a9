"""Composites read, and what makes them unusable."""

import os
import pickle
import shutil

import numpy as np
import pytest
import rlemasklib

from posepile.ds.muco import main, tree
from posepile.ds.muco.products import PRODUCTS, n_composites
from posepile.ds.muco.simulate_files import write_arrangement
from posepile.ds.muco.studio import KINDS, Moment
from posepile.ds.tdhp.simulate_cameras import write_calibration
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.pipeline.crops import make_crop
from posepile.pipeline.stages import make_crops
from posepile.raw.images import decode_image
from posepile.simulate.writers import write_jpeg
from posepile.util import TEST, TRAIN, VALID
from tests.ds.muco.small_release import (
    N_CAMERAS,
    PERSON,
    a_camera,
    plain,
    rectangle,
    write_pictures,
    write_sequence,
)

MOMENTS = [Moment(s, q, 4, 0) for s in (1, 2) for q in (1, 2)]
#: Where people are in the picture; the third, who is nearest, hides the first.
PLACES = [(50, 0), (90, 0), (50, 0), (140, 0)]
DEPTHS = [4000.0, 5000.0, 3500.0, 3000.0]


def camera_of(i):
    """No two recordings have the same calibration."""
    return a_camera(focal=200.0 + i, center=(100 * i, 20, 30))


def mask_of(i):
    x = PLACES[i][0]
    return rectangle(x - 12, 50, x + 12, 150)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A DATA_ROOT with two composites of the same four people."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    for i, moment in enumerate(MOMENTS):
        shift = (PLACES[i][0] - 100) / (200 + i) * DEPTHS[i]
        joints = PERSON * 1.2 + [shift, 0, DEPTHS[i]]
        write_sequence(tmp_path, *moment[:2], [joints], [camera_of(i)] * N_CAMERAS, [joints * 0.9])
        chair = rectangle(130, 150, 190, 195) if i == 3 else None
        write_pictures(tmp_path, moment, plain(100), mask_of(i), chair)
    folder = tmp_path / 'muco'
    os.makedirs(folder / tree.IMAGES)
    flat = np.zeros((21, 3))
    row = [(m, flat[:, :2], flat, flat) for m in MOMENTS]
    write_arrangement(folder / 'sampled_dataset_info.mat', [row, row])
    for number in (1, 2):
        write_jpeg(folder / tree.numbered_path(number), plain(100 * number))
    boxes = [[x - 12, 50, 24, 100, 0.9] for x, _ in PLACES]
    found = {tree.numbered_path(number): boxes for number in (1, 2)}
    with open(folder / 'yolov4_detections.pkl', 'wb') as f:
        pickle.dump(found, f)
    return tmp_path


def test_clip(root):
    clip = main.read_clip(1)
    assert clip.split == TRAIN
    (person,) = clip.people
    assert clip.select(person.joints).tolist() == [1, 2, 3]  # the first is hidden
    np.testing.assert_allclose(person.boxes[1:, 0], [78, 38, 128])
    assert np.isnan(person.boxes[0]).all()
    path = clip.crop_path.format(frame=2, person=person.index)
    assert path == 'muco_downscaled/unaugmented_set_001/00/0000/000001_2.jpg'
    images = list(clip.frames.frames([1, 3]))
    assert [i for i, _ in images] == [1, 3]
    assert all(abs(image.mean() - 100) < 1 for _, image in images)
    assert clip.frames.imshape == (200, 200)


def test_everybody_keeps_their_own_camera(root):
    """The optical centre is -R^T t; what it sees is what the recordings say."""
    clip = main.read_clip(1)
    (person,) = clip.people
    order = [0, 1, 2, 8, 12, 13, 17, 21, 22, 26, 27, 7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25]
    order += [18, 19, 20, 3, 6, 4]
    for i, moment in enumerate(MOMENTS):
        np.testing.assert_allclose(clip.camera[i].t, camera_of(i).t, atol=1e-3)
        shift = (PLACES[i][0] - 100) / (200 + i) * DEPTHS[i]
        joints = (PERSON * 1.2 + [shift, 0, DEPTHS[i]])[order]
        np.testing.assert_allclose(person.joints[i], joints + camera_of(i).t, atol=1e-3)
        np.testing.assert_allclose(person.univ_joints[i], 0.9 * joints + camera_of(i).t, atol=1e-3)
        pixels = clip.camera[i].world_to_image(person.joints[i])
        expected = (200 + i) * joints[:, :2] / joints[:, 2:] + 100
        np.testing.assert_allclose(pixels, expected, atol=0.01, err_msg=str(moment))


def test_every_mask_is_of_everybody(root):
    (person,) = main.read_clip(1).people
    everybody = np.any([mask_of(i) for i in range(4)], axis=0) | rectangle(130, 150, 190, 195)
    for mask in person.masks:
        found = rlemasklib.decode(mask) != 0
        assert np.sum(found != everybody) <= 0.03 * np.sum(everybody)  # JPEG moves edges


def test_17_joints(root):
    recipe = main.make_recipe('muco_17_150k')
    (person,) = recipe.read_clip(1).people
    (full,) = main.read_clip(1).people
    among = [main.FULL_JOINT_INFO.names.index(name) for name in recipe.joint_info.names]
    np.testing.assert_array_equal(person.joints, full.joints[:, among])
    edges = {frozenset(recipe.joint_info.names[j] for j in e) for e in
             recipe.joint_info.stick_figure_edges}  # fmt: skip
    chains = 'htop-head-neck-spin-pelv-rhip-rkne-rank', 'neck-rsho-relb-rwri'
    for chain in chains:
        names = chain.split('-')
        assert all(frozenset(pair) in edges for pair in zip(names, names[1:], strict=False))


@pytest.mark.parametrize('kind', KINDS)
def test_composites_without_a_picture_are_left_out(root, kind):
    os.remove(MOMENTS[2].path(kind))
    with pytest.raises(RawDataError, match='S2/Seq1'):
        main.read_clip(1)
    os.remove(root / 'muco' / tree.numbered_path(2))
    report = make_crops(main.make_recipe('muco'))
    assert (report.clips_failed, report.crops) == (2, 0)
    assert len(report.skipped) == 2


def test_a_composite_that_is_missing_is_reported(root):
    os.remove(root / 'muco' / tree.numbered_path(2))
    report = make_crops(main.make_recipe('muco'))
    assert report.crops == 3
    assert any('composite 000002' in line and 'no such image' in line for line in report.skipped)


def test_recordings_that_do_not_fit_are_told(root):
    folder = root / '3dhp/S2/Seq1'
    cameras = [camera_of(2)] * N_CAMERAS
    write_calibration(folder / 'camera.calibration', cameras[:4])
    os.utime(folder / 'camera.calibration', ns=(1, 1))
    with pytest.raises(RawDataError, match='no camera 4'):
        main.read_clip(1)
    shutil.rmtree(folder)
    with pytest.raises(RawDataError, match='S2/Seq1'):
        main.read_clip(1)


def test_products(root, monkeypatch):
    """Numbers of composites are below the limit, so that the last one of 200,000 is not in it."""
    monkeypatch.setattr(main, 'load_origins', lambda: np.zeros((660_000, 4, 4), np.int32))
    lengths = {name: len(main.make_recipe(name).list_clips()) for name in PRODUCTS}
    assert lengths == {
        'muco': 660_000,
        'muco_3dhp_200k': 199_999,
        'muco_17_150k': 149_999 + 1,
        'muco_full': 660_000 + 1,
    }
    assert main.make_recipe('muco').list_clips()[41] == ('composite 000042', 42)
    for name, n in (('muco_3dhp_200k', 200_000), ('muco_17_150k', 150_000), ('muco', 1_000_000)):
        monkeypatch.setenv('POSEPILE_DATASET', name)
        assert n_composites() == n
    with pytest.raises(UnknownDatasetError, match='muco_3dhp_200k'):
        main.make_recipe('mucho')


def test_without_mupots_there_is_training_data_and_a_note(root):
    assert main.make_recipe('muco').splits == (TRAIN,)
    recipe = main.make_recipe('muco_full')
    assert recipe.splits == (TRAIN, VALID, TEST)
    report = make_crops(recipe)
    assert report.crops == 6
    (line,) = report.skipped
    assert 'neither validation nor test data' in line
    assert 'posepile run mupots_yolo' in line


def test_nothing_there(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    with pytest.raises(RawDataError, match='Run the arrange step'):
        main.list_clips()


def test_how_crops_are_laid_out(root):
    """A box of 100 px is not enlarged: sides are 1.2/0.85^2 times those of the turned box."""
    recipe = main.make_recipe('muco')
    assert recipe.fingerprint()['framing'] == dict(
        turns=False, box_side=256 / 0.85, max_enlargement=1
    )
    clip = recipe.read_clip(1)
    crop = make_crop(clip, recipe, 1, plain(100), clip.people[0])
    camera = clip.camera[1]
    np.testing.assert_array_equal(crop.example.camera.R, camera.R)
    np.testing.assert_array_equal(crop.example.bbox[2:], [24, 100])
    side = (0.5 * 24 + np.sqrt(0.75) * 100) * 1.2 / 0.85**2
    image = decode_image(crop.jpeg)
    assert image.shape[0] == round(side)
    left = max(0, 90 - side / 2)  # the picture ends here
    assert image.shape[1] == round(90 + side / 2 - left)
    K = np.array(camera.intrinsic_matrix)
    K[:2, 2] -= left, 100 - side / 2
    np.testing.assert_allclose(crop.example.camera.intrinsic_matrix, K, atol=1e-3)
