"""Where the masks lie: known outlines in the network's output, and Ultralytics' own functions."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.detection.letterbox import Letterbox
from posepile.segmentation.prototypes import logit_maps, mask_from_logits

CELL = 4  # network pixels per cell of the prototypes


def image_positions(letterbox):
    """(h, w, 2) places in the image, in pixels, of the middles of the prototypes' cells."""
    rows, columns = (side // CELL for side in letterbox.input_shape)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    in_input = (np.stack([x, y], -1) + 0.5) * CELL
    return (in_input - letterbox.offset) / letterbox.scale - 0.5


def pixels_of(imshape):
    return np.stack(np.meshgrid(np.arange(imshape[1]), np.arange(imshape[0])), -1)


def inner(imshape, letterbox):
    """(h, w) bool: pixels that have cells on all sides; without padding, the outermost have not."""
    margin = 0.5 * CELL / letterbox.scale
    pixels = pixels_of(imshape)
    return np.all((pixels >= margin) & (pixels <= np.array(imshape[::-1]) - 1 - margin), axis=-1)


imshapes = st.tuples(st.integers(20, 900), st.integers(20, 900))
sizes = st.sampled_from([160, 256, 320, 384, 480, 640])


@settings(max_examples=60)
@given(imshapes, sizes, st.floats(0, 2 * np.pi), st.floats(-0.3, 0.3))
def test_half_plane_lands_within_half_a_pixel(imshape, image_size, angle, shift):
    letterbox = Letterbox.of(imshape, image_size, 32)
    normal = np.array([np.cos(angle), np.sin(angle)])
    middle = (np.array(imshape[::-1]) - 1) * (0.5 + shift)

    def distance(positions):
        return (positions - middle) @ normal

    logits = distance(image_positions(letterbox)).astype(np.float32)
    mask = mask_from_logits(logits, letterbox)
    assert mask.shape == imshape and mask.dtype == np.uint8
    expected = distance(pixels_of(imshape))
    is_clear = (np.abs(expected) > 0.5) & inner(imshape, letterbox)
    np.testing.assert_array_equal(mask[is_clear], expected[is_clear] > 0)


@settings(max_examples=40)
@given(imshapes.filter(lambda s: min(s) > 100), sizes, st.floats(0.15, 0.4))
def test_disc_lands_within_half_a_pixel(imshape, image_size, part):
    letterbox = Letterbox.of(imshape, image_size, 32)
    center, radius = (np.array(imshape[::-1]) - 1) * [0.45, 0.52], part * min(imshape)

    def inside(positions):  # of constant slope at the outline
        squared = np.sum((positions - center) ** 2, axis=-1)
        return (radius**2 - squared) / (2 * radius)

    mask = mask_from_logits(inside(image_positions(letterbox)).astype(np.float32), letterbox)
    expected = inside(pixels_of(imshape))
    # A parabola between cells, replaced by straight lines, is wrong by up to this.
    bend = np.sum((CELL / letterbox.scale) ** 2) / (8 * radius)
    tolerance = 0.5 + bend
    is_clear = (np.abs(expected) > tolerance) & inner(imshape, letterbox)
    np.testing.assert_array_equal(mask[is_clear], expected[is_clear] > 0)
    area = np.pi * radius**2
    assert abs(mask.sum() - area) < 2 * np.pi * radius * (0.1 + bend) + 2


def test_masks_are_of_the_image_not_of_the_padding():
    letterbox = Letterbox.of((100, 300), 320, 32)
    logits = np.full(tuple(side // CELL for side in letterbox.input_shape), 5, np.float32)
    assert mask_from_logits(logits, letterbox).all()
    top = letterbox.offset[1] // CELL
    logits[top:] = -5
    assert mask_from_logits(logits, letterbox)[3:].sum() == 0


def random_output(n, rng, shape=(40, 56), n_prototypes=8):
    coefficients = torch.from_numpy(rng.normal(size=(n, n_prototypes)).astype(np.float32))
    prototypes = torch.from_numpy(rng.normal(size=(n_prototypes, *shape)).astype(np.float32))
    start = rng.uniform(0, 80, (n, 2))
    corners = np.concatenate([start, start + rng.uniform(20, 80, (n, 2))], axis=1)
    return coefficients, prototypes, torch.from_numpy(corners.astype(np.float32))


@pytest.mark.parametrize('seed', range(5))
def test_logits_are_those_of_ultralytics_but_for_the_border_of_the_box(seed):
    from ultralytics.utils.ops import process_mask

    coefficients, prototypes, corners = random_output(6, np.random.default_rng(seed))
    input_shape = (40 * CELL, 56 * CELL)
    maps = logit_maps(coefficients, prototypes, corners, input_shape).numpy()
    expected = process_mask(prototypes, coefficients, corners, input_shape).numpy()
    x, y = ((np.arange(n) + 0.5) * CELL for n in (56, 40))
    for k, (x1, y1, x2, y2) in enumerate(corners.numpy()):
        # Theirs counts a cell from its edge: up to one cell at the border differs.
        near_x = np.minimum(abs(x - x1), abs(x - x2)) < CELL
        near_y = np.minimum(abs(y - y1), abs(y - y2)) < CELL
        is_clear = ~(near_x[None, :] | near_y[:, None])
        assert np.any(expected[k][is_clear]) and not np.all(expected[k][is_clear])
        np.testing.assert_array_equal((maps[k] > 0)[is_clear], expected[k][is_clear] > 0)


def test_the_box_ends_the_mask_and_does_not_eat_into_it():
    coefficients, prototypes, corners = random_output(8, np.random.default_rng(0))
    # So that all would be foreground.
    prototypes, coefficients = prototypes.abs(), coefficients.abs()
    letterbox = Letterbox.of((100, 210), 56 * CELL, 32)
    input_shape = letterbox.input_shape
    prototypes = prototypes[:, : input_shape[0] // CELL, : input_shape[1] // CELL]
    maps = logit_maps(coefficients, prototypes, corners, input_shape).numpy()
    for logits, box in zip(maps, letterbox.corners_to_boxes(corners.numpy()), strict=True):
        mask = mask_from_logits(logits, letterbox, box)
        start, end = np.floor(box[:2]).astype(int), np.ceil(box[:2] + box[2:]).astype(int)
        expected = np.zeros(letterbox.imshape, np.uint8)
        expected[start[1] : end[1], start[0] : end[0]] = 1
        np.testing.assert_array_equal(mask, expected)
        # Without the box, it ends not much farther out.
        rows, columns = np.nonzero(mask_from_logits(logits, letterbox))
        margin = 2 * CELL / letterbox.scale.min()
        assert columns.min() > start[0] - margin and columns.max() < end[0] + margin
        assert rows.min() > start[1] - margin and rows.max() < end[1] + margin


@settings(max_examples=40)
@given(imshapes, sizes, st.integers(0, 2**32 - 1))
def test_the_part_in_a_box_is_that_of_the_whole(imshape, image_size, seed):
    rng = np.random.default_rng(seed)
    letterbox = Letterbox.of(imshape, image_size, 32)
    shape = tuple(side // CELL for side in letterbox.input_shape)
    logits = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), 2)
    start = rng.uniform(-0.2, 0.9, 2) * imshape[::-1]
    box = np.concatenate([start, rng.uniform(0.1, 0.6, 2) * imshape[::-1]])
    whole, part = mask_from_logits(logits, letterbox), mask_from_logits(logits, letterbox, box)
    x, y = np.moveaxis(pixels_of(imshape), -1, 0)
    inside = (x + 1 > box[0]) & (x < box[0] + box[2]) & (y + 1 > box[1]) & (y < box[1] + box[3])
    assert not np.any(part[~inside])
    # OpenCV interpolates at steps of a 32nd of a cell, which may fall differently.
    assert np.mean(part[inside] != whole[inside]) <= 0.02 if inside.any() else not part.any()


def test_half_precision_is_not_summed_in_half_precision():
    coefficients, prototypes, corners = random_output(3, np.random.default_rng(1))
    exact = logit_maps(coefficients, prototypes, corners, (160, 224))
    halved = logit_maps(coefficients.half(), prototypes.half(), corners, (160, 224))
    assert halved.dtype == torch.float32
    torch.testing.assert_close(halved, exact, atol=0.02, rtol=0)


def test_nobody():
    coefficients, prototypes, corners = random_output(0, np.random.default_rng(0))
    assert logit_maps(coefficients, prototypes, corners, (160, 224)).shape == (0, 40, 56)
