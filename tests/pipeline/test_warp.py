"""Pixels of a crop against averages of many samples, and where things come to lie."""

import dataclasses

import cv2
import numpy as np
import pytest
import rlemasklib

from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.pixel_map import STEP, PixelMap
from posepile.pipeline.warp import warp_image, warp_mask
from tests.pipeline.lenses import LENSES, studio_camera


@pytest.fixture(scope='module')
def photograph():
    noise = np.random.default_rng(0).integers(0, 255, (125, 125, 3), dtype=np.uint8)
    return cv2.resize(noise, (1000, 1000), interpolation=cv2.INTER_CUBIC)


def averaged_samples(image, crop, n):
    """The crop from n x n cubic samples of linear light for each pixel, by OpenCV."""
    linear = (image / np.float32(255)) ** 2.2
    total = 0
    for j in range(n):
        for i in range(n):
            intrinsics = crop.intrinsics.copy()
            intrinsics[:2, 2] -= (np.array([i, j]) + 0.5) / n - 0.5
            x, y = exact_map(crop, intrinsics, crop.imshape)
            total = total + cv2.remap(linear, x, y, cv2.INTER_CUBIC)
    return np.uint8(255 * np.clip(total / n**2, 0, 1) ** (1 / 2.2))


def exact_map(crop, intrinsics, imshape):
    """Source x and y of every pixel, in float64 except for lenses."""
    if crop.lens.distortion is not None:
        return crop.lens.maps(crop.rotation, intrinsics, imshape[::-1])
    x, y = np.meshgrid(np.arange(imshape[1]), np.arange(imshape[0]))
    to_source = crop.lens.intrinsics @ crop.rotation.T @ np.linalg.inv(intrinsics)
    points = np.stack([x, y, np.ones_like(x)], axis=-1) @ to_source.T
    return np.moveaxis(points[..., :2] / points[..., 2:], -1, 0).astype(np.float32)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize('lens', LENSES)
@pytest.mark.parametrize('box', [(300, 200, 200, 400), (20, 700, 300, 250), (480, 480, 30, 40)])
def test_pixels_are_means_of_the_source_over_their_area(photograph, lens, box):
    crop = plan_crop(studio_camera(LENSES[lens]), box, photograph.shape[:2])
    ours = warp_image(photograph, crop)
    assert ours.shape == (*crop.imshape, 3)
    inside = inside_of(photograph, crop)
    reference = averaged_samples(photograph, crop, 6)[inside]
    assert psnr(ours[inside], reference) > 50
    assert np.abs(ours[inside].astype(int) - reference).max() <= 4


@pytest.mark.parametrize('side', [100, 250, 450, 1250])
def test_better_than_two_samples_by_two_however_small_the_crop(side):
    """A Siemens star, in which every frequency occurs: too few samples show as rings."""
    size = 1500
    y, x = np.mgrid[:size, :size] - size / 2
    star = np.uint8(127.5 + 127.5 * np.sin(90 * np.arctan2(y, x)))
    star = np.dstack([star] * 3)
    corner = (size - side) / 2
    crop = plan_crop(None, [corner, corner + 3.3, side, side], star.shape)
    reference = averaged_samples(star, crop, 8)
    inside = inside_of(star, crop)
    ours = psnr(warp_image(star, crop)[inside], reference[inside])
    plain = psnr(averaged_samples(star, crop, 2)[inside], reference[inside])
    assert ours > plain + 3


def inside_of(image, crop):
    """Where the crop shows the source, some pixels away from its border."""
    white = warp_image(np.full_like(image, 255), crop)[..., 0]
    inside = cv2.erode((white > 250).astype(np.uint8), np.ones((9, 9)), borderValue=0) > 0
    assert inside.mean() > 0.5
    return inside


@pytest.mark.parametrize('lens', LENSES)
def test_nodes_of_the_map_leave_no_error(lens):
    crop = plan_crop(studio_camera(LENSES[lens]), (300, 200, 200, 400), (1000, 1000))
    nodes = PixelMap.of(crop).nodes
    height, width = crop.imshape
    (j, t), (i, s) = (np.divmod(np.arange(side), STEP) for side in (height, width))
    s, t = s / STEP, (t / STEP)[:, np.newaxis]
    above = nodes[:, j][..., i] * (1 - s) + nodes[:, j][..., i + 1] * s
    below = nodes[:, j + 1][..., i] * (1 - s) + nodes[:, j + 1][..., i + 1] * s
    exact = exact_map(crop, crop.intrinsics, crop.imshape)
    assert np.abs(above * (1 - t) + below * t - exact).max() < 0.01


@pytest.mark.parametrize('lens', LENSES)
def test_a_blob_is_where_the_geometry_says(lens):
    y, x = np.mgrid[:1000, :1000]
    center = np.array([431.7, 402.2])
    blob = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * 6**2))
    image = np.dstack([np.rint(255 * blob ** (1 / 2.2)).astype(np.uint8)] * 3)
    crop = plan_crop(studio_camera(LENSES[lens]), [370, 340, 120, 120], image.shape[:2])
    light = (warp_image(image, crop)[..., 0] / 255) ** 2.2
    v, u = np.mgrid[: crop.imshape[0], : crop.imshape[1]]
    found = np.array([(light * u).sum(), (light * v).sum()]) / light.sum()
    # A blob has an extent, over which the view bends: the centre of its image is not its centre.
    spots = center + 6 * np.random.default_rng(0).normal(size=(20000, 2))
    np.testing.assert_allclose(found, crop.points(spots).mean(axis=0), atol=0.1)


def test_source_in_any_memory_layout(photograph):
    crop = plan_crop(None, [300, 200, 200, 400], photograph.shape[:2])
    flipped = np.ascontiguousarray(photograph[:, ::-1])[:, ::-1]
    assert not flipped.flags.c_contiguous
    np.testing.assert_array_equal(warp_image(flipped, crop), warp_image(photograph, crop))


def test_fine_bright_detail_keeps_its_light():
    """A checkerboard of black and white seen from afar has half the light: 186, not 128."""
    board = np.kron(np.indices((500, 500)).sum(0) % 2, np.ones((2, 2))).astype(np.uint8) * 255
    crop = plan_crop(None, [100, 100, 768, 768], board.shape)
    assert crop.scale == 0.5
    warped = warp_image(np.dstack([board] * 3), crop)
    assert ((warped / 255) ** 2.2).mean() == pytest.approx(0.5, abs=0.01)


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


@pytest.mark.parametrize('side', [60, 300, 700])
@pytest.mark.parametrize('lens', ['pinhole', 'radial', 'fisheye'])
def test_masks_are_those_of_many_samples(lens, side):
    mask = np.zeros((1000, 1000), np.uint8)
    cv2.ellipse(mask, (480, 510), (side // 2, side // 3), 20, 0, 360, 255, -1)
    crop = plan_crop(
        studio_camera(LENSES[lens]), [480 - side / 2, 510 - side / 2, side, side], (1000, 1000)
    )
    share = 0
    for j in range(8):
        for i in range(8):
            intrinsics = crop.intrinsics.copy()
            intrinsics[:2, 2] -= (np.array([i, j]) + 0.5) / 8 - 0.5
            x, y = exact_map(crop, intrinsics, crop.imshape)
            share = share + cv2.remap(mask, x, y, cv2.INTER_NEAREST) / (64 * 255)
    ours = rlemasklib.decode(warp_mask(mask, crop)) > 0
    assert np.sum(ours & (share > 0.5)) / np.sum(ours | (share > 0.5)) > 0.99


@pytest.mark.parametrize('lens', LENSES)
def test_views_that_reach_behind_the_camera_are_black_there(photograph, lens):
    camera = studio_camera(LENSES[lens])
    crop = plan_crop(camera, [780, 300, 200, 400], photograph.shape[:2], extreme_perspective=True)
    # Turned by 80 degrees: a good part of the view lies behind the source camera.
    turn = cv2.Rodrigues(np.array([0, np.deg2rad(80), 0]))[0]
    intrinsics = np.array([[300.0, 0, 300], [0, 300, 300], [0, 0, 1]])
    crop = dataclasses.replace(crop, rotation=turn, intrinsics=intrinsics, imshape=(600, 600))
    warped = warp_image(np.full_like(photograph, 255), crop)
    y, x = np.mgrid[:600, :600]
    rays = np.stack([(x - 300) / 300, (y - 300) / 300, np.ones_like(x)], axis=-1) @ turn
    # Two blocks of the map away from where the lens sees nothing any more.
    is_behind = cv2.erode((rays[..., 2] <= 0).astype(np.uint8), np.ones((33, 33))) > 0
    assert is_behind.mean() > 0.1 and not warped[is_behind].any()
    assert np.isfinite(PixelMap.of(crop).nodes).all()


def test_scale_beyond_the_image_does_not_blur_what_is_in_it(photograph):
    """Towards the edge of a very wide view, a pixel spans hundreds of source pixels outside."""
    camera = studio_camera(None)
    crop = plan_crop(camera, [300, 200, 200, 400], photograph.shape[:2])
    intrinsics = crop.intrinsics.copy()
    intrinsics[0, 2] += 900
    wide = dataclasses.replace(crop, intrinsics=intrinsics, imshape=(crop.imshape[0], 6000))
    assert PixelMap.of(wide).largest_step(photograph.shape[:2]) < 3
    ours, same = warp_image(photograph, wide)[:, 900:], warp_image(photograph, crop)
    assert psnr(ours[:, : same.shape[1]], same) > 45
