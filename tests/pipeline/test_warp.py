"""Pixels of a crop against the camera library's own warp of the linear-light image."""

import cv2
import deltacamera
import numpy as np
import pytest
import rlemasklib

from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.warp import warp_image, warp_mask
from tests.pipeline.lenses import LENSES, studio_camera


@pytest.fixture(scope='module')
def photograph():
    noise = np.random.default_rng(0).integers(0, 255, (125, 125, 3), dtype=np.uint8)
    return cv2.resize(noise, (1000, 1000), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize('lens', ['pinhole', 'radial'])
@pytest.mark.parametrize('box', [(300, 200, 200, 400), (20, 700, 300, 250), (480, 480, 30, 40)])
def test_same_pixels_as_a_supersampled_warp_in_linear_light(photograph, lens, box):
    camera = studio_camera(LENSES[lens])
    crop = plan_crop(camera, box, photograph.shape[:2])
    linear = (photograph / np.float32(255)) ** 2.2
    expected = deltacamera.reproject_image(
        linear, camera, crop.camera.copy(image_shape=crop.imshape), antialias_factor=2,
        interp=cv2.INTER_CUBIC,
    )  # fmt: skip
    expected = (255 * np.clip(expected, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    ours = warp_image(photograph, crop)
    assert ours.shape == (*crop.imshape, 3)
    # A level of difference comes from rounding; at the edge of the source it also matters which
    # samples count as beyond it.
    white = warp_image(np.full_like(photograph, 255), crop)[..., 0]
    inside = cv2.erode((white > 250).astype(np.uint8), np.ones((7, 7)), borderValue=0) > 0
    assert inside.mean() > 0.6
    assert np.abs(ours[inside].astype(int) - expected[inside]).max() <= 1


def test_fine_bright_detail_keeps_its_light():
    """A checkerboard of black and white seen from afar has half the light: 186, not 128."""
    board = np.kron(np.indices((500, 500)).sum(0) % 2, np.ones((2, 2))).astype(np.uint8) * 255
    crop = plan_crop(None, [100, 100, 768, 768], board.shape)
    assert crop.scale == 0.5
    warped = warp_image(np.dstack([board] * 3), crop)
    assert np.median(warped) == pytest.approx(255 * 0.5 ** (1 / 2.2), abs=1.5)


@pytest.mark.parametrize('lens', LENSES)
def test_mask_follows_the_image(lens):
    disc = np.zeros((1000, 1000), np.uint8)
    cv2.circle(disc, (420, 390), 40, 1, -1)
    crop = plan_crop(studio_camera(LENSES[lens]), [370, 340, 100, 100], (1000, 1000))
    mask = rlemasklib.decode(warp_mask(rlemasklib.encode(disc), crop))
    assert mask.shape == crop.imshape
    image = warp_image(np.dstack([disc * 255] * 3), crop)
    # The image is thresholded in linear light, where half of the light is 186.
    union = np.logical_or(mask, image[..., 0] > 186).sum()
    assert np.logical_and(mask, image[..., 0] > 186).sum() / union > 0.99
    center = np.argwhere(mask).mean(0)[::-1]
    np.testing.assert_allclose(center, crop.points([[420, 390]])[0], atol=0.3)
    np.testing.assert_array_equal(mask, rlemasklib.decode(warp_mask(disc * 255, crop)))


@pytest.mark.parametrize('corner', [(-500, -400), (1500, 1400), (-500, 1400)])
def test_crop_that_shows_nothing_of_the_image_is_black(photograph, corner):
    crop = plan_crop(None, [*corner, 50, 60], photograph.shape[:2], extreme_perspective=True)
    warped = warp_image(photograph, crop)
    assert warped.shape == (*crop.imshape, 3) and not warped.any()
