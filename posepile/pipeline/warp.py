"""Pixels of a crop: the image resampled in linear light, and the mask along with it.

Light intensities are averaged instead of gamma-encoded values, so that fine bright detail keeps
its brightness. Every pixel of the crop is the mean of the source over the area that the pixel
covers there, so nothing aliases, however much smaller the crop is; see
:mod:`posepile.pipeline.interpolation`.
"""

import functools
import threading

import numpy as np
import rlemasklib

from posepile.pipeline import fir, interpolation
from posepile.pipeline.pixel_map import PixelMap

GAMMA = 2.2
_TO_LINEAR = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
#: Values of squared codes; as everywhere in this field, cut off instead of rounded.
_FROM_CODE = (255 * (np.arange(fir.N_CODES) / (fir.N_CODES - 1)) ** (2 / GAMMA)).astype(np.uint8)


def warp(image, mask, geometry):
    """Resample a source image and a mask for a crop.

    Args:
        image: (H, W, 3) uint8 RGB source.
        mask: RLE, or (H, W) uint8 array of 0..255, or None.
        geometry: a :class:`~posepile.pipeline.crop_geometry.CropGeometry`.

    Returns:
        uint8 RGB of ``geometry.imshape``, black where the crop reaches beyond the source; and the
        RLE of the mask in the crop, where it covers more than half of a pixel, or None.
    """
    if isinstance(mask, dict):
        mask = rlemasklib.decode(mask) * np.uint8(255)
    places = PixelMap.of(geometry)
    width = places.largest_step(image.shape[:2])
    # Much larger sources are taken at a fraction of their size, of at least twice the resolution
    # that the crop shows, which costs no detail.
    factor = max(1, int(width / interpolation.WIDEST * 2))
    if factor > 1:
        places, width = places.shrunk(factor), width / factor
    crop = np.empty((*geometry.imshape, 3), np.uint8)
    crop_mask = np.empty(geometry.imshape if mask is not None else (1, 0), np.uint8)
    fir.resample(
        np.require(image, np.uint8, 'CW'),  # other layouts would be compiled for anew
        np.zeros((0, 0), np.uint8) if mask is None else np.require(mask, np.uint8, 'CW'),
        np.float32(0 if mask is None else 1 / 255),
        factor, places.nodes, _TO_LINEAR, _FROM_CODE, *_weights(interpolation.taps_for(width)),
        interpolation.LEAST_WIDTH, interpolation.WIDTH_STEP, _scratch(), crop, crop_mask,
    )  # fmt: skip
    return crop, None if mask is None else rlemasklib.encode(crop_mask)


def warp_image(image, geometry):
    """The image alone; see :func:`warp`."""
    return warp(image, None, geometry)[0]


def warp_mask(mask, geometry):
    """The mask alone; see :func:`warp`."""
    shape = mask['size'] if isinstance(mask, dict) else mask.shape
    return warp(np.zeros((*shape, 3), np.uint8), mask, geometry)[1]


@functools.cache
def _weights(n_taps):
    """The weights for rows, and for columns: there each is repeated for the four channels."""
    weights = interpolation.weights(n_taps)
    return weights, np.repeat(weights, 4, axis=-1)


_local = threading.local()


def _scratch():
    """Memory for the inner loop, one for each thread; getting it anew takes as long as using it."""
    if not hasattr(_local, 'scratch'):
        _local.scratch = np.empty(1 << 20, np.float32)
    return _local.scratch
