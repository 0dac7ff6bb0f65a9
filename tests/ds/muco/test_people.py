"""Masks and boxes of the people in composites, worked out by hand."""

import os
import pickle

import numpy as np
import pytest
import rlemasklib

from posepile.ds.muco import boxes, people
from posepile.errors import RawDataError
from posepile.pipeline.person_boxes import person_boxes
from posepile.storage.results import ResultWriter, part_path
from tests.ds.muco.small_release import rectangle

SIZE = 200


def pixels_within(left, top, right, bottom):
    """28 joints whose tight box is given, and whose corners belong to the 17 of MuPoTS, too."""
    rng = np.random.default_rng(0)
    points = rng.uniform([left, top], [right, bottom], (28, 2))
    points[4], points[7] = (left, top), (right, bottom)
    return points


def picture(red):
    return np.stack([red, np.zeros_like(red), np.zeros_like(red)], axis=-1).astype(np.uint8)


def decoded(mask):
    return rlemasklib.decode(mask) != 0


AHEAD = np.full(28, 3000.0)


def test_person_is_the_part_that_fits_the_joints():
    own, larger = rectangle(50, 50, 100, 150), rectangle(120, 0, 200, 200)
    touching = rectangle(100, 150, 110, 160)  # by a corner: another part
    red = 255 * (own | larger | touching)
    mask = people.person_mask(picture(red), pixels_within(55, 55, 95, 145), AHEAD)
    np.testing.assert_array_equal(decoded(mask), own)


def test_threshold_of_the_foreground():
    red = 100 * rectangle(50, 50, 100, 150) + rectangle(60, 60, 90, 140)
    mask = people.person_mask(picture(red), pixels_within(55, 55, 95, 145), AHEAD)
    np.testing.assert_array_equal(decoded(mask), rectangle(60, 60, 90, 140))


def test_person_is_cut_near_the_joints():
    """Joints 80 to 120: times 1.05 is 79 to 121, times 1.3 is 72.7 to 127.3."""
    mask = people.person_mask(
        picture(np.full((SIZE, SIZE), 255)), pixels_within(80, 80, 120, 120), AHEAD
    )
    np.testing.assert_array_equal(decoded(mask), rectangle(73, 73, 128, 128))


def test_the_box_is_clipped_before_it_is_enlarged():
    """Joints 160 to 240: clipped, 158 to 200; times 1.3 is 151.7 and more than the picture."""
    mask = people.person_mask(
        picture(np.full((SIZE, SIZE), 255)), pixels_within(160, 160, 240, 240), AHEAD
    )
    np.testing.assert_array_equal(decoded(mask), rectangle(152, 152, 200, 200))


@pytest.mark.parametrize('case', ['outside', 'behind', 'nothing there'])
def test_empty_masks(case):
    pixels = (
        pixels_within(250, 50, 300, 150) if case == 'outside' else pixels_within(50, 50, 90, 90)
    )
    depths = -AHEAD if case == 'behind' else AHEAD
    value = 0 if case == 'nothing there' else 255
    mask = people.person_mask(picture(np.full((SIZE, SIZE), value)), pixels, depths)
    assert not decoded(mask).any()
    assert decoded(mask).shape == (SIZE, SIZE)


def test_chair_is_the_largest_dark_part():
    chair = rectangle(20, 20, 60, 60)
    red = np.where(chair, 31, 255)
    red[rectangle(100, 100, 130, 130)] = 0
    red[rectangle(60, 20, 70, 60)] = 32
    np.testing.assert_array_equal(decoded(people.chair_mask(picture(red))), chair)
    assert not decoded(people.chair_mask(picture(np.full((SIZE, SIZE), 255)))).any()


def encoded(mask):
    return rlemasklib.encode(mask.astype(np.uint8))


NOTHING = encoded(rectangle(0, 0, 0, 0))


def own_boxes(pixels, depths, masks, chairs=None):
    poses = np.zeros((len(depths), 28, 3))
    poses[..., 2] = np.array(depths)[:, np.newaxis]
    chairs = chairs or [NOTHING] * len(depths)
    return people.own_boxes(poses, np.array(pixels), (SIZE, SIZE), masks, chairs)


def test_boxes_of_what_is_seen():
    """The far person's right side is hidden by the near person, the feet by that one's chair."""
    pixels = [pixels_within(55, 40, 115, 160), pixels_within(95, 40, 145, 160)]
    masks = [encoded(rectangle(50, 30, 120, 170)), encoded(rectangle(90, 30, 150, 170))]
    chairs = [NOTHING, encoded(rectangle(0, 140, 100, 200))]
    found = own_boxes(pixels, [5000, 3000], masks, chairs)
    # Joints from 40 to 160, times 1.05: 37 to 163.
    np.testing.assert_allclose(found, [[50, 37, 40, 140 - 37], [90, 37, 60, 163 - 37]])


def test_own_chair_does_not_hide():
    masks, chairs = [encoded(rectangle(50, 50, 100, 150))], [encoded(rectangle(0, 100, 200, 200))]
    found = own_boxes([pixels_within(50, 40, 100, 160)], [3000], masks, chairs)
    np.testing.assert_allclose(found, [[50, 50, 50, 100]])


def test_joints_cut_only_the_height():
    """Also those outside of the picture count as far as its border, times 1.05."""
    pixels = [pixels_within(80, 60, 90, 300)]
    found = own_boxes(pixels, [3000], [encoded(rectangle(40, 20, 120, 200))])
    # 60 to 200, times 1.05: 56.5 to 203.5.
    np.testing.assert_allclose(found, [[40, 56.5, 80, 143.5]])


def test_hidden_people_have_no_box():
    mask = encoded(rectangle(50, 50, 100, 150))
    pixels = [pixels_within(55, 55, 95, 145)] * 2
    found = own_boxes(pixels, [3000, 5000], [mask, mask])
    assert found[0, 3] > 0
    assert found[1, 3] == 0
    matched = person_boxes(found, [[50, 50, 50, 100, 0.9], [52, 50, 50, 100, 0.8]], boxes.RULE)
    assert np.isfinite(matched.boxes[0]).all()
    assert np.isnan(matched.boxes[1]).all()


@pytest.mark.parametrize(
    ('detection', 'is_kept'),
    [
        ([50, 50, 50, 100, 0.11], True),
        ([50, 50, 50, 100, 0.1], False),  # too uncertain
        ([50, 50, 50, 199, 0.9], True),
        ([50, 50, 50, 200, 0.9], False),  # twice as large: of two people
        ([50, 139, 50, 100, 0.9], False),  # IoU 11/189
        ([50, 130, 50, 100, 0.9], True),  # IoU 20/180
    ],
)
def test_rule(detection, is_kept):
    found = person_boxes([[50, 50, 50, 100]], [detection], boxes.RULE).boxes[0]
    assert np.isfinite(found).all() == is_kept
    if is_kept:
        np.testing.assert_array_equal(found, detection[:4])


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    os.makedirs(tmp_path / 'muco')
    return tmp_path


@pytest.mark.parametrize('name', ['yolov3_detections.pkl', 'yolov4_detections.pkl'])
@pytest.mark.parametrize(
    'prefix',
    ['unaugmented_set_001/', 'unaugmented_set_001/00/0000/', '/data/muco/unaugmented_set_001/', ''],
)
def test_detections_of_other_tools(root, name, prefix):
    found = {f'{prefix}000001.jpg': [[1, 2, 3, 4, 0.5]], f'{prefix}000002.jpg': np.zeros((0, 5))}
    found['notes.txt'] = []
    with open(root / 'muco' / name, 'wb') as f:
        pickle.dump(found, f)
    np.testing.assert_allclose(boxes.detections_in(1), [[1, 2, 3, 4, 0.5]])
    assert boxes.detections_in(2).shape == (0, 5)
    with pytest.raises(RawDataError, match='000003'):
        boxes.detections_in(3)


@pytest.mark.parametrize('folder', ['', '00/0000/'])
def test_detections_of_the_step(root, folder):
    writer = ResultWriter(part_path(root / 'muco/detections'), dict(kind='detections'))
    writer.add({f'unaugmented_set_001/{folder}000007.jpg': np.float32([[1, 2, 3, 4, 0.5]])})
    writer.finish()
    np.testing.assert_allclose(boxes.detections_in(7), [[1, 2, 3, 4, 0.5]])
    with pytest.raises(RawDataError, match='composite 000008'):
        boxes.detections_in(8)


def test_no_detections(root):
    with pytest.raises(RawDataError, match='Run the detect step'):
        boxes.detections_in(1)
