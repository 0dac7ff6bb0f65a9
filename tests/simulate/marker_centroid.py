"""Markers found by their brightness, which shares nothing with the search in the package."""

import numpy as np

from posepile.simulate.markers import RADIUS, RING


def find_marker(image, near, radius=RADIUS, search=4.0):
    """Sub-pixel centre of the white marker that lies within ``search`` px of a point.

    The centroid of the brightness inside of the dark ring; used again from where it was found
    until it stays.

    Args:
        image: (h, w, 3) or (h, w) uint8 with a marker of the given ``radius``.
        near: (2,) pixel coordinates where it is expected.

    Returns:
        (2,) pixel coordinates, or NaN if nothing bright is there.
    """
    grey = image.astype(np.float64)
    if grey.ndim == 3:
        grey = grey.min(axis=-1)  # white is bright in all channels
    h, w = grey.shape
    columns, rows = np.meshgrid(np.arange(w), np.arange(h))
    centre = np.asarray(near, np.float64)
    for half_width in [search + radius] + [radius + RING / 2] * 6:
        left, top = np.maximum(np.floor(centre - half_width).astype(int), 0)
        right, bottom = np.ceil(centre + half_width).astype(int) + 1
        window = (slice(top, max(bottom, 0)), slice(left, max(right, 0)))
        x, y = columns[window], rows[window]
        distance = np.hypot(x - centre[0], y - centre[1])
        weight = grey[window] * np.clip(half_width + 0.5 - distance, 0, 1)
        if half_width > radius + RING / 2:
            weight = weight * (grey[window] > 200)
        if weight.sum() < 255:
            return np.full(2, np.nan)
        centre = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
    return centre
