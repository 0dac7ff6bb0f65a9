"""Markers drawn into a source image are found in its crops, and only where they are."""

import numpy as np
import pytest

from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.warp import warp_image
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
    """Cloth can look like a marker but for its contrast, and better than one in a bad video."""
    place = np.array([(300, 120)])
    image = np.full((*IMSHAPE, 3), 90, np.uint8)
    faint = (draw_markers(image.copy(), place + [5, 0]).astype(int) - 90) // 6 + 90
    image = draw_markers(faint.astype(np.uint8), place)
    image[119:122, 299:302] = [[[170] * 3], [[255] * 3], [[180] * 3]]  # damaged
    crop = warp_image(image, plan_crop(None, BOX, IMSHAPE))
    [found] = marker_displacements(crop, reference_crop(None, BOX, IMSHAPE), place, IMSHAPE)
    assert np.linalg.norm(found) < 1
    crop = warp_image(faint.astype(np.uint8), plan_crop(None, BOX, IMSHAPE))
    [found] = marker_displacements(crop, reference_crop(None, BOX, IMSHAPE), place, IMSHAPE)
    assert np.isnan(found).all()


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
