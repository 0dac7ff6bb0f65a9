"""How images are placed in the inputs of networks."""

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from posepile.detection.letterbox import Letterbox

SIDES = st.integers(1, 5000)
SIZES = st.integers(32, 1280)
STRIDES = st.sampled_from([8, 16, 32, 64])


def ultralytics_letterbox(image, image_size, stride=32):
    from ultralytics.data.augment import LetterBox

    return LetterBox((image_size, image_size), auto=True, stride=stride)(image=image)


@hypothesis.given(SIDES, SIDES, SIZES, STRIDES)
def test_geometry(height, width, image_size, stride):
    letterbox = Letterbox.of((height, width), image_size, stride)
    rows, columns = letterbox.input_shape
    assert rows % stride == columns % stride == 0
    assert max(rows, columns) == -(-image_size // stride) * stride
    left, top = letterbox.offset
    w, h = letterbox.size
    # In the middle, with less than a stride of margin in all.
    assert 0 <= columns - w < stride and 0 <= rows - h < stride
    assert left == (columns - w) // 2 and top == (rows - h) // 2
    # Not distorted by more than rounding, other than what has to become a pixel wide.
    scale = max(rows, columns) / max(height, width)
    assert abs(w - width * scale) <= 0.5 or w == 1
    assert abs(h - height * scale) <= 0.5 or h == 1


@pytest.mark.parametrize('width, height', [(64, 64), (33, 64), (64, 21), (17, 9), (128, 77)])
def test_pixels_are_where_ultralytics_puts_them(width, height):
    # Up to half the size, where both use the same interpolation.
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = ultralytics_letterbox(image, 64)
    np.testing.assert_array_equal(Letterbox.of((height, width), 64, 32).place(image), expected)


@hypothesis.settings(max_examples=30)
@hypothesis.given(st.integers(1, 300), st.integers(1, 300), st.integers(32, 256))
def test_shape_is_that_of_ultralytics(height, width, image_size):
    image_size = -(-image_size // 32) * 32  # Ultralytics does not round up here
    hypothesis.assume(min(height, width) / max(height, width) * image_size > 1)
    letterbox = Letterbox.of((height, width), image_size, 32)
    expected = ultralytics_letterbox(np.zeros((height, width, 3), np.uint8), image_size)
    assert letterbox.input_shape == expected.shape[:2]
    is_image = (expected == 0).all(axis=2)
    left, top, w, h = cv2.boundingRect(is_image.astype(np.uint8))
    assert (letterbox.offset, letterbox.size) == ((left, top), (w, h))


@hypothesis.given(SIDES, SIDES, SIZES, STRIDES, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_boxes_there_and_back(height, width, image_size, stride, at):
    letterbox = Letterbox.of((height, width), image_size, stride)
    x1, x2 = sorted(np.array(at[:2]) * width)
    y1, y2 = sorted(np.array(at[2:]) * height)
    box = np.array([[x1, y1, x2 - x1, y2 - y1]])
    corners = letterbox.boxes_to_corners(box)
    left, top = letterbox.offset
    assert (corners >= [left, top, left, top] - np.float64(1e-6)).all()
    np.testing.assert_allclose(letterbox.corners_to_boxes(corners), box, atol=1e-6 * max(at + [1]))


def test_what_is_outside_of_the_image_is_cut_off():
    letterbox = Letterbox.of((50, 100), 64, 32)  # 64 x 32 pixels, the image all of them
    boxes = letterbox.corners_to_boxes([[-10, 8, 32, 80], [70, 0, 80, 32]])
    np.testing.assert_allclose(boxes, [[0, 12.5, 50, 37.5], [100, 0, 0, 50]])
    assert letterbox.corners_to_boxes(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize('imshape', [(100, 100), (60, 90), (333, 111), (480, 640), (20, 30)])
def test_a_drawn_rectangle_lands_where_its_box_does(imshape):
    height, width = imshape
    box = np.array([width // 5, height // 4, width // 2, height // 3])
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 255
    letterbox = Letterbox.of(imshape, 96, 32)
    x1, y1, x2, y2 = letterbox.boxes_to_corners(box[np.newaxis])[0]
    placed = letterbox.place(image)[..., 0].astype(float)
    left, top = letterbox.offset
    w, h = letterbox.size
    inner = placed[top : top + h, left : left + w]
    # Sums of brightness do not depend on how edges are blurred.
    assert inner.sum() / 255 == pytest.approx((x2 - x1) * (y2 - y1), rel=0.02)
    rows, columns = np.indices(inner.shape) + 0.5
    center = [(inner * x).sum() / inner.sum() for x in (columns + left, rows + top)]
    np.testing.assert_allclose(center, [(x1 + x2) / 2, (y1 + y2) / 2], atol=0.1)


def test_margins_are_grey():
    placed = Letterbox.of((30, 64), 64, 32).place(np.zeros((30, 64, 3), np.uint8))
    assert placed.shape == (32, 64, 3)
    assert (placed[[0, -1]] == 114).all() and not placed[1:-1].any()


def test_an_image_read_at_a_smaller_scale_is_placed_at_the_same_spot():
    from tests.detection.networks import picture

    image = cv2.GaussianBlur(picture(320, 200), (0, 0), 4)
    half = cv2.resize(image, (160, 100), interpolation=cv2.INTER_AREA)
    letterbox = Letterbox.of((200, 320), 96, 32)
    difference = letterbox.place(image).astype(int) - letterbox.place(half)
    assert abs(difference).max() < 12 and abs(difference).mean() < 1.5
