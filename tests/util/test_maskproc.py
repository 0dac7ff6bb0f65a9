import cv2
import numpy as np
import pytest
import rlemasklib

from posepile.util import maskproc


@pytest.fixture
def square():
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 8:20] = 1
    return mask


def test_erode_and_dilate(square):
    grown, shrunk = maskproc.dilate(square, 3), maskproc.erode(square, 3)
    assert shrunk.sum() == 8 * 10 and grown.sum() == 12 * 14 - 4  # no corners: an ellipse
    assert maskproc.erode(square, 3, iterations=2).sum() == 6 * 8
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    np.testing.assert_array_equal(
        maskproc.erode(square.astype(bool), 5), cv2.erode(square, element)
    )


def test_largest_connected_component(square):
    mask = square * 255
    mask[0:3, 0:3] = 255
    mask[15, 20] = 255  # touches only diagonally
    component, box = maskproc.largest_connected_component(mask)
    np.testing.assert_array_equal(component, square)
    assert box.tolist() == [8, 5, 12, 10]
    component, box = maskproc.largest_connected_component(np.zeros((4, 5), bool))
    assert component.shape == (4, 5) and not component.any() and not box.any()


def test_mask_iou(square):
    assert maskproc.mask_iou(square, square * 255) == 1
    assert maskproc.mask_iou(square, np.roll(square, 6, axis=1)) == pytest.approx(60 / 180)
    assert maskproc.mask_iou(square * 0, square * 0) == 0


def test_masks_to_label_map(square):
    labels = maskproc.masks_to_label_map([square, np.roll(square, 6, axis=1) > 0])
    assert labels[7, [0, 8, 13, 14, 25, 26]].tolist() == [0, 1, 1, 2, 2, 0]
    assert maskproc.masks_to_label_map([square] * 300).max() == 300


def test_resize_mask(square):
    resized = rlemasklib.decode(maskproc.resize_mask(rlemasklib.encode(square), (40, 60)))
    np.testing.assert_array_equal(resized, np.kron(square, np.ones((2, 2))))
    odd = rlemasklib.decode(maskproc.resize_mask(rlemasklib.encode(square), (13, 17)))
    expected = cv2.resize(square * np.uint8(255), (17, 13), interpolation=cv2.INTER_LINEAR) // 128
    np.testing.assert_array_equal(odd, expected)


def test_draw_mask(square):
    image = np.full((20, 30, 3), 100, np.uint8)
    assert maskproc.draw_mask(image, square, (200, 0, 50)) is image
    assert image[0, 0].tolist() == [100, 100, 100]
    assert image[10, 14].tolist() == [130, 70, 85]
    assert image[5, 14].tolist() == image[6, 14].tolist() == [200, 0, 50]
    assert image[7, 14].tolist() == [130, 70, 85]
