"""The reader of the test set: one clip for each activity of a sequence, images from 1."""

import json
import os
import pickle

import numpy as np
import pytest

from posepile import paths
from posepile.ds.tdhp.cameras import test_calibration as calibration_of
from posepile.ds.tdhp.main import make_recipe, read_clip
from posepile.ds.tdhp.simulate_files import write_test_annotations
from posepile.errors import RawDataError
from posepile.pipeline.crops import crops_of
from posepile.pipeline.report import Report
from posepile.simulate.origin import MARKER
from posepile.simulate.writers import write_jpeg
from posepile.util import TEST

ACTIVITIES = (6, 0, 6, 7, 6)


@pytest.fixture
def release(tmp_path, monkeypatch):
    """TS5 alone, with two images that have no annotation; returns (5, 17, 3) in camera space."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    folder = tmp_path / '3dhp/TS5'
    os.makedirs(folder / 'imageSequence')
    (tmp_path / '3dhp' / MARKER).write_text(json.dumps({}))
    joints = np.random.default_rng(0).uniform([-700, -500, 3500], [700, 500, 4500], (5, 17, 3))
    write_test_annotations(
        folder / 'annot_data.mat',
        np.array(ACTIVITIES) > 0,
        [a or 1 for a in ACTIVITIES],
        joints[..., :2],
        joints,
        0.9 * joints,
    )
    for i in range(1, 8):
        image = np.full((1080, 1920, 3), 20 * i, np.uint8)
        write_jpeg(folder / f'imageSequence/img_{i:06d}.jpg', image)
    return joints


def test_each_activity_of_each_sequence_there_is(release):
    assert make_recipe().list_clips() == [
        (f'TS5/activity {k}', ('test', 5, k)) for k in range(1, 8)
    ]
    chosen = {k: read_clip(('test', 5, k)) for k in (1, 6, 7)}
    frames = {k: clip.select(clip.people[0].joints).tolist() for k, clip in chosen.items()}
    assert frames == {1: [], 6: [1, 3, 5], 7: [4]}
    assert (chosen[6].activity, chosen[7].activity) == ('Sports', 'Misc.')
    assert chosen[6].scene == 'outdoor' and chosen[6].split == TEST
    assert make_recipe('tdhp_full').list_clips() == []


def test_joints_boxes_and_paths_of_an_image(release):
    [person] = read_clip(('test', 5, 6)).people
    own = [*range(14), 15, 16, 14]  # the pelvis comes last in the product
    camera = calibration_of(5)
    np.testing.assert_allclose(person.joints[3], camera.to_world(release[2, own]), atol=1e-6)
    np.testing.assert_allclose(
        person.univ_joints[3], camera.to_world(0.9 * release[2, own]), atol=1e-6
    )
    pixels = camera.project(release[2])
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    expected = [*(low - 0.025 * (high - low)), *(1.05 * (high - low))]
    np.testing.assert_allclose(person.boxes[3], expected, atol=1e-6)
    assert person.masks is None and np.isnan(person.boxes[[0, 2, 4]]).all()


def test_examples_of_the_benchmark_have_the_paths_of_its_images(release):
    report = Report()
    crops = list(crops_of('x', read_clip(('test', 5, 6)), make_recipe(), report))
    assert [crop.example.image_path for crop in crops] == [
        f'3dhp/TS5/imageSequence/img_{i:06d}.jpg' for i in (1, 3, 5)
    ]
    assert crops[0].example.activity_name == 'Sports' and report.skipped == []
    # They are those of the release, with their lens.
    for crop, i in zip(crops, (1, 3, 5), strict=True):
        path = f'{paths.data_root()}/3dhp/TS5/imageSequence/img_{i:06d}.jpg'
        with open(path, 'rb') as f:
            assert crop.jpeg == f.read()
        assert crop.example.camera.has_distortion()


def test_detections_of_test_images(release, tmp_path):
    [before] = read_clip(('test', 5, 7)).people
    left, top, width, height = before.boxes[4]
    found = {'TS5/imageSequence/img_000004.jpg': [[left, top, width + 9, height, 0.5]]}
    (tmp_path / '3dhp/yolov3_person_detections.pkl').write_bytes(pickle.dumps(found))
    [person] = read_clip(('test', 5, 7)).people
    np.testing.assert_allclose(person.boxes[4], [left, top, width + 9, height], atol=1e-3)


def test_missing_images_are_listed(release, tmp_path):
    os.remove(tmp_path / '3dhp/TS5/imageSequence/img_000003.jpg')
    report = Report()
    crops = list(crops_of('x', read_clip(('test', 5, 6)), make_recipe(), report))
    assert len(crops) == 2 and 'img_000003.jpg' in report.skipped[0]
    os.remove(tmp_path / '3dhp/TS5/annot_data.mat')
    with pytest.raises(RawDataError, match='annot_data.mat'):
        read_clip(('test', 5, 6))
