"""Compares an example with what its crop has to show, worked out from the source image."""

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from posepile.simulate.reference_crop import reference_crop


def check_example(example, joints, box, imshape, mask):
    """Joints within 0.05 px, box and size, and the mask up to its edge.

    Args:
        joints: (J, 2) source pixels, NaN where missing.
        box: (4,) in source pixels.
        mask: (H, W) source mask.
    """
    crop = reference_crop(None, box, imshape)
    expected = crop.from_source(np.asarray(joints, np.float64))
    np.testing.assert_array_equal(np.isnan(example.coords), np.isnan(expected))
    np.testing.assert_allclose(example.coords, expected, atol=0.05)
    np.testing.assert_allclose(example.bbox, crop.box, atol=0.05)
    assert example.camera is None
    assert example.get_image().shape == (crop.size[1], crop.size[0], 3)

    found = coco_mask.decode(example.mask).astype(bool)
    assert found.shape == crop.size[::-1]
    columns, rows = np.meshgrid(np.arange(crop.size[0]), np.arange(crop.size[1]))
    offset = crop.from_source(np.zeros((1, 2)))[0]
    x, y = (columns - offset[0]) / crop.scale, (rows - offset[1]) / crop.scale
    shown = sample(mask, x, y)
    # Pixels may differ where the outline passes through the neighbourhood that they average over.
    kernel = np.ones((5, 5), np.uint8)
    inner = sample(cv2.erode(mask.astype(np.uint8), kernel), x, y)
    outer = sample(cv2.dilate(mask.astype(np.uint8), kernel), x, y)
    assert not np.any(inner & ~found) and not np.any(found & ~outer)
    if shown.sum() > 2000:
        assert (found & shown).sum() / (found | shown).sum() > 0.95


def sample(mask, x, y):
    """The mask at the nearest pixels; what is outside of the image is not in it."""
    x, y = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return inside & mask[np.where(inside, y, 0), np.where(inside, x, 0)].astype(bool)
