"""Where the masks lie: known outlines in the network's output, and Ultralytics' own functions."""

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


def test_nothing_is_outside_of_the_box():
    coefficients, prototypes, corners = random_output(4, np.random.default_rng(0))
    prototypes = prototypes.abs()
    coefficients = coefficients.abs()  # so that all would be foreground
    letterbox = Letterbox.of((40 * CELL, 56 * CELL), 56 * CELL, 32)
    maps = logit_maps(coefficients, prototypes, corners, letterbox.input_shape).numpy()
    for logits, (x1, y1, x2, y2) in zip(maps, corners.numpy(), strict=True):
        rows, columns = np.nonzero(mask_from_logits(logits, letterbox))
        # Half a cell beyond, at most.
        assert columns.min() + 0.5 > x1 - CELL / 2 - 1 and columns.max() + 0.5 < x2 + CELL / 2 + 1
        assert rows.min() + 0.5 > y1 - CELL / 2 - 1 and rows.max() + 0.5 < y2 + CELL / 2 + 1
        # Nor does the box eat into the mask.
        assert columns.min() < x1 + CELL / 2 + 1 and columns.max() > x2 - CELL / 2 - 2
        assert rows.min() < y1 + CELL / 2 + 1 and rows.max() > y2 - CELL / 2 - 2


def test_half_precision_is_not_summed_in_half_precision():
    coefficients, prototypes, corners = random_output(3, np.random.default_rng(1))
    exact = logit_maps(coefficients, prototypes, corners, (160, 224))
    halved = logit_maps(coefficients.half(), prototypes.half(), corners, (160, 224))
    assert halved.dtype == torch.float32
    torch.testing.assert_close(halved, exact, atol=0.02, rtol=0)


def test_nobody():
    coefficients, prototypes, corners = random_output(0, np.random.default_rng(0))
    assert logit_maps(coefficients, prototypes, corners, (160, 224)).shape == (0, 40, 56)
