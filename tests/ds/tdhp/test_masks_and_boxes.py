"""Which part of a mask, and which box, a person gets; colours."""

import numpy as np
import pytest

from posepile.ds.tdhp.boxes import boxes_of_frames, keys_of_frame
from posepile.ds.tdhp.colours import adjust
from posepile.ds.tdhp.masks import ForegroundMasks, component_of, foreground_mask
from posepile.raw.video import VideoFrames
from posepile.simulate.writers import write_video


def picture(*rectangles, level=255):
    result = np.zeros((60, 80, 3), np.uint8)
    for left, top, width, height in rectangles:
        result[top : top + height, left : left + width, 0] = level
    return result


def test_threshold_is_32_of_255_in_the_red_channel():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = [[0, 32], [33, 255]]
    image[..., 1:] = 255  # clothes
    np.testing.assert_array_equal(foreground_mask(image), [[0, 0], [255, 255]])


def test_the_part_that_fits_the_person():
    """Neither the largest part nor one that touches by a corner only."""
    mask = foreground_mask(picture((0, 0, 40, 40), (40, 40, 10, 12), (60, 45, 5, 5)))
    chosen = component_of(mask, np.array([39.0, 41, 12, 12]))
    np.testing.assert_array_equal(chosen, foreground_mask(picture((40, 40, 10, 12))))
    nothing = np.zeros((60, 80), np.uint8)
    np.testing.assert_array_equal(component_of(nothing, np.array([1.0, 1, 5, 5])), nothing)


@pytest.fixture
def mask_video(tmp_path):
    path = tmp_path / 'video_0.avi'
    images = [picture((10 * i, 10, 20, 30), (70, 50, 9, 9)) for i in range(5)]
    write_video(path, images, 25, 'ffv1')
    return path


def test_masks_of_frames_in_any_order(mask_video):
    notes = []
    boxes = np.array([[10.0 * i, 10, 20, 30] for i in range(5)])
    masks = ForegroundMasks(VideoFrames(mask_video), [0, 2, 4], boxes, notes)
    for i in (0, 4, 4, 2, 0):
        expected = foreground_mask(picture((10 * i, 10, 20, 30)))
        np.testing.assert_array_equal(masks[i], expected)
    whole = ForegroundMasks(VideoFrames(mask_video), [2])[2]
    np.testing.assert_array_equal(whole, foreground_mask(picture((20, 10, 20, 30), (70, 50, 9, 9))))
    assert notes == []


def test_masks_that_end_early_or_are_missing_are_noted_once(mask_video, tmp_path):
    notes = []
    masks = ForegroundMasks(VideoFrames(mask_video), [3, 7, 9], None, notes)
    assert masks[3] is not None and masks[7] is None and masks[9] is None
    assert notes == ['masks: there are none after frame 3']
    notes = []
    masks = ForegroundMasks(VideoFrames(tmp_path / 'none.avi'), [3, 7], None, notes)
    assert masks[3] is None and masks[7] is None
    assert len(notes) == 1 and 'no such video' in notes[0]


def one_box(detections, key='a'):
    """The box of a person with joints at the corners of [100, 100, 40, 80]."""
    pixels = np.array([[[100.0, 100], [140, 180], [120, 500]]])
    depths = np.array([[1.0, 1, -1]])
    return boxes_of_frames(pixels, depths, [0], detections, lambda i: (key, 'other'))[0]


OWN = [99, 98, 42, 84]


def test_box_of_joints_in_front_of_the_camera_enlarged_by_a_twentieth():
    np.testing.assert_allclose(one_box(None), OWN)


@pytest.mark.parametrize(
    ('rows', 'expected'),
    [
        ([], OWN),
        (np.zeros((0, 5)), OWN),
        ([[90, 90, 60, 100, 0.9]], [90, 90, 60, 100]),
        ([[100, 120, 60, 80, 0.9]], [99, 98, 61, 102]),
        # The surest, although it fits worse; then one that makes the hull too large.
        ([[99, 98, 42, 84, 0.7], [100, 120, 60, 80, 0.9]], [99, 98, 61, 102]),
        ([[99, 98, 43, 85, 0.7], [300, 120, 60, 80, 0.9]], OWN),
        # Exactly half of the hull is not enough.
        ([[99, 98, 84, 84, 0.9]], OWN),
        ([[99, 98, 83.9, 84, 0.9]], [99, 98, 83.9, 84]),
    ],
)
def test_hull_with_the_most_confident_detection(rows, expected):
    np.testing.assert_allclose(one_box({'a': np.array(rows)}), expected)
    np.testing.assert_allclose(one_box({'other': np.array(rows)}), expected)
    np.testing.assert_allclose(one_box({'nobody': np.array(rows)}), OWN)


def test_names_of_frames_in_files_of_detections():
    assert keys_of_frame(1, 2, 3, 45) == (
        'S1/Seq2/imageSequence/img_3_000045.jpg',
        'S1/Seq2/imageSequence/video_3.avi#000045',
        'S1/Seq2/imageSequence/video_3#000045',
    )


def test_colours_of_a_known_pixel():
    """Grey 128: gamma gives 255 (128/255)^0.67 = 160; then away from green and yellow."""
    import cv2

    image = np.full((8, 8, 3), 128, np.uint8)
    grey = np.full((1, 1, 3), 160, np.uint8)
    lightness, a, b = cv2.cvtColor(grey, cv2.COLOR_RGB2LAB)[0, 0].astype(float)
    expected_lab = [lightness, a + 18 * lightness / 255 * 1.1, b - 17 * lightness / 255 * 1.1]
    lab = cv2.cvtColor(adjust(image), cv2.COLOR_RGB2LAB)[0, 0].astype(float)
    np.testing.assert_allclose(lab, expected_lab, atol=2)
    red, green, blue = adjust(image)[0, 0].astype(int)
    assert red > green + 10 and blue > green + 10
