"""Finding drawn markers again in a crop, to see whether its pixels lie where they should."""

import cv2
import numpy as np

from posepile.simulate.markers import RADIUS, RING

_SEARCH = 4  # crop pixels around the expected place
_SMALLEST_RADIUS = 1.5  # crop pixels; smaller discs cannot be told from other bright spots
_SMALLEST_CORRELATION = 0.6
_SMALLEST_CONTRAST = 40  # standard deviation of grey levels; the folds of clothes have less
_SUBSAMPLES = 8


def marker_displacements(image, crop, markers, imshape):
    """How far from its mapped place each marker is found in a crop.

    Markers that touch another one, are cut by a border of the source or the crop, or are too
    small in the crop are not looked for.

    Args:
        image: (h, w, 3) uint8 crop.
        crop: its :class:`~posepile.simulate.reference_crop.ReferenceCrop`.
        markers: (M, 2) source pixels.
        imshape: (height, width) of the source.

    Returns:
        (N, 2) displacements in crop pixels of those looked for; NaN if not found.
    """
    markers = np.asarray(markers, np.float64)
    markers = markers[_is_whole(markers, imshape)]
    if len(markers) == 0:
        return np.zeros((0, 2))
    steps = np.array([[0, 0], [1, 0], [0, 1]])
    mapped = crop.from_source((markers[:, np.newaxis] + steps).reshape(-1, 2)).reshape(-1, 3, 2)
    gray = image.min(axis=2)  # white is bright in every channel
    found = []
    for place, right, below in mapped:
        derivative = np.stack([right - place, below - place], axis=1)
        scale = np.sqrt(abs(np.linalg.det(derivative)))
        if scale * RADIUS < _SMALLEST_RADIUS:
            continue
        template = _template(derivative, scale)
        reach = template.shape[0] // 2 + _SEARCH
        x, y = (round(c) for c in place)
        height, width = gray.shape
        if reach <= x < width - reach and reach <= y < height - reach:
            window = gray[y - reach : y + reach + 1, x - reach : x + reach + 1]
            peak = _peak(_similarity(window, template))
            found.append([x, y] + peak - _SEARCH - place)
    return np.reshape(found, (-1, 2))


def _is_whole(markers, imshape):
    """(M,) whether a marker lies inside of the image and touches no other."""
    extent = RADIUS + RING
    size = np.array(imshape[::-1])
    is_inside = np.all((markers >= extent) & (markers <= size - 1 - extent), axis=1)
    distances = np.linalg.norm(markers[:, np.newaxis] - markers, axis=2)
    np.fill_diagonal(distances, np.inf)
    # NaN: a marker that was not drawn can touch none.
    return is_inside & ~np.any(distances < 2 * extent + 1, axis=1)


def _template(derivative, scale):
    """What a marker looks like in the crop: uint8, odd, square, reaching into its ring."""
    half = int((RADIUS + RING) * scale / np.sqrt(2))
    sub = (np.arange((2 * half + 1) * _SUBSAMPLES) + 0.5) / _SUBSAMPLES - 0.5 - half
    offsets = np.stack(np.meshgrid(sub, sub), axis=-1) @ np.linalg.inv(derivative).T
    disc = np.float32(255) * (np.linalg.norm(offsets, axis=-1) <= RADIUS)
    size = (2 * half + 1, 2 * half + 1)
    return cv2.resize(disc.astype(np.uint8), size, interpolation=cv2.INTER_AREA)


def _similarity(window, template):
    """Correlation with the template at every place of it in the window; -1 where all is grey."""
    correlation = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
    mean, mean_square = (
        cv2.boxFilter(values, -1, template.shape[::-1])
        for values in (window.astype(np.float64), np.square(window, dtype=np.float64))
    )
    half = template.shape[0] // 2
    variance = (mean_square - mean**2)[half:-half, half:-half]
    return np.where(variance < _SMALLEST_CONTRAST**2, np.float32(-1), correlation)


def _peak(correlation):
    """(2,) position (x, y) of the maximum, by a parabola through its neighbours; NaN if none."""
    _, best, _, (x, y) = cv2.minMaxLoc(correlation)
    height, width = correlation.shape
    if best < _SMALLEST_CORRELATION or not (0 < x < width - 1 and 0 < y < height - 1):
        return np.full(2, np.nan)
    return np.array(
        [
            x + _vertex(correlation[y, x - 1 : x + 2].astype(np.float64)),
            y + _vertex(correlation[y - 1 : y + 2, x].astype(np.float64)),
        ]
    )


def _vertex(values):
    before, at, after = values
    return (before - after) / (2 * (before - 2 * at + after))
