"""Pixels of a crop: images resampled in linear light, masks beside them.

Every output pixel is the mean of 2 x 2 cubic (masks: linear) samples of the source, taken on
light intensities instead of gamma-encoded values, so that fine bright detail keeps its
brightness. Only the part of the source that the crop shows is touched.
"""

import cv2
import numpy as np
import rlemasklib

GAMMA = 2.2
SUPERSAMPLING = 2
_TO_LINEAR = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
_REACH = 4  # source pixels beyond the outermost sample that interpolation may touch


def warp_image(image, geometry):
    """Resample a source image for a crop.

    Args:
        image: (H, W, 3) uint8 RGB source.
        geometry: a :class:`~posepile.pipeline.crop_geometry.CropGeometry`.

    Returns:
        uint8 RGB of ``geometry.imshape``; black where the crop reaches beyond the source.
    """
    linear = _resample(image, geometry, cv2.INTER_CUBIC, lambda region: cv2.LUT(region, _TO_LINEAR))
    np.clip(linear, 0, 1, out=linear)
    encoded = cv2.pow(linear, 1 / GAMMA)
    encoded *= 255
    return encoded.astype(np.uint8)


def warp_mask(mask, geometry):
    """Resample a source mask, as RLE or (H, W) uint8 array 0..255, to the RLE of the crop."""
    if isinstance(mask, dict):
        mask = rlemasklib.decode(mask) * np.uint8(255)
    warped = _resample(mask, geometry, cv2.INTER_LINEAR, lambda region: region)
    return rlemasklib.encode((warped > 127).astype(np.uint8))


def _resample(source, geometry, interpolation, prepare):
    """Warp the visible region of ``source``, passed through ``prepare``, to the crop."""
    height, width = (SUPERSAMPLING * side for side in geometry.imshape)
    intrinsics = geometry.intrinsics.copy()
    intrinsics[:2] *= SUPERSAMPLING
    intrinsics[:2, 2] += (SUPERSAMPLING - 1) / 2  # keeps block centres on pixel centres
    if geometry.lens.distortion is None:
        to_source = geometry.lens.intrinsics @ geometry.rotation.T @ np.linalg.inv(intrinsics)
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
        region, offset = _visible_region(
            source, cv2.perspectiveTransform(corners[np.newaxis], to_source)[0]
        )
        shift = np.array([[1, 0, -offset[0]], [0, 1, -offset[1]], [0, 0, 1]], np.float64)
        warped = cv2.warpPerspective(
            prepare(region), shift @ to_source, (width, height),
            flags=interpolation | cv2.WARP_INVERSE_MAP,
        )  # fmt: skip
    else:
        maps = geometry.lens.maps(geometry.rotation, intrinsics, (width, height))
        bounds = np.array([[m.min(), m.max()] for m in maps]).T
        region, offset = _visible_region(source, bounds)
        map_x, map_y = (m - np.float32(o) for m, o in zip(maps, offset, strict=True))
        warped = cv2.remap(prepare(region), map_x, map_y, interpolation)
    return cv2.resize(warped, geometry.imshape[::-1], interpolation=cv2.INTER_AREA)


def _visible_region(source, points):
    """The part of ``source`` that holds ``points`` and some margin; its top-left corner."""
    size = np.array(source.shape[1::-1])
    start = np.clip(np.floor(np.min(points, axis=0)).astype(int) - _REACH, 0, size - 1)
    end = np.clip(np.ceil(np.max(points, axis=0)).astype(int) + _REACH + 1, start + 1, size)
    return np.ascontiguousarray(source[start[1] : end[1], start[0] : end[0]]), start
