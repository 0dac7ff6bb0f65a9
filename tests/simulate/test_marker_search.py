"""Markers drawn into a source image are found in its crops, and only where they are."""

import numpy as np
import pytest

from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.warp import warp_image
from posepile.simulate import marker_search
from posepile.simulate.marker_search import marker_displacements
from posepile.simulate.markers import draw_markers
from posepile.simulate.reference_crop import reference_crop

IMSHAPE = (240, 400)
BOX = [230, 60, 120, 120]  # enlarged by 1.2 in the crop


def search(points, drawn, box=BOX, imshape=IMSHAPE):
    """Look for markers at ``points`` in a crop of noise with markers at ``drawn``."""
    image = np.random.default_rng(0).integers(60, 140, (*imshape, 3), dtype=np.uint8)
    crop = warp_image(draw_markers(image, drawn), plan_crop(None, box, imshape))
    return marker_displacements(crop, reference_crop(None, box, imshape), points, imshape)


def test_markers_are_found_where_they_are():
    points = [(260.3, 90.8), (300, 121.5), (320.25, 150)]
    np.testing.assert_allclose(search(points, points), np.zeros((3, 2)), atol=0.2)


def test_displacements_are_in_pixels_of_the_crop():
    [displacement] = search([(300, 120)], [(302, 119)])
    np.testing.assert_allclose(displacement, [2.4, -1.2], atol=0.2)


def test_noise_is_no_marker():
    assert np.isnan(search([(300, 120)], [])).all()


def test_faint_spots_of_the_same_shape_are_no_markers():
    """A marker on checked cloth, whose corner correlates by 0.88, the marker itself by 0.71."""
    window = np.uint8(
        [
            [60, 35, 30, 28, 43, 59, 55, 28, 34, 51, 64, 58, 41],
            [79, 57, 53, 57, 69, 83, 80, 60, 56, 70, 84, 73, 64],
            [89, 71, 67, 69, 73, 76, 68, 70, 62, 72, 86, 72, 65],
            [86, 67, 56, 49, 43, 21, 22, 32, 55, 66, 85, 69, 52],
            [68, 46, 28, 10, 0, 79, 75, 0, 9, 45, 68, 46, 39],
            [63, 45, 13, 0, 155, 233, 225, 159, 0, 22, 64, 48, 34],
            [65, 50, 0, 41, 231, 254, 253, 232, 44, 0, 66, 54, 40],
            [76, 76, 14, 54, 223, 251, 251, 230, 37, 1, 80, 68, 61],
            [85, 88, 36, 0, 152, 234, 239, 143, 0, 45, 81, 85, 65],
            [72, 66, 34, 9, 0, 64, 54, 0, 0, 67, 74, 62, 46],
            [67, 33, 37, 36, 22, 18, 7, 24, 32, 55, 63, 53, 34],
            [64, 43, 35, 32, 48, 62, 58, 33, 29, 49, 62, 52, 36],
            [71, 47, 39, 50, 54, 69, 63, 31, 36, 51, 63, 65, 41],
        ]
    )
    template = np.uint8(
        [
            [0, 88, 159, 88, 0],
            [88, 255, 255, 255, 88],
            [159, 255, 255, 255, 159],
            [88, 255, 255, 255, 88],
            [0, 88, 159, 88, 0],
        ]
    )
    peak = marker_search._peak(marker_search._similarity(window, template))
    np.testing.assert_allclose(peak, [3.5, 4.5], atol=0.2)
    cloth = window[:, 8:]
    assert np.isnan(marker_search._peak(marker_search._similarity(cloth, template))).all()


@pytest.mark.parametrize('distance, n_sought', [(8, 1), (11, 1), (15, 3)])
def test_markers_that_touch_are_not_looked_for(distance, n_sought):
    points = [(270, 90), (310, 140), (310 + distance, 140)]
    assert len(search(points, points)) == n_sought


def test_missing_and_cut_markers_are_not_looked_for():
    points = [(np.nan, np.nan), (396, 120), (300, -50), (300, 120)]
    found = search(points, points)
    np.testing.assert_allclose(found, [[0, 0]], atol=0.2)


def test_markers_too_small_in_the_crop_are_not_looked_for():
    points = [(700, 700)]
    assert len(search(points, points, [150, 150, 1200, 1200], (1500, 1500))) == 0
    assert len(search(points, points, [400, 400, 600, 600], (1500, 1500))) == 1


def test_no_markers():
    assert search(np.zeros((0, 2)), []).shape == (0, 2)
