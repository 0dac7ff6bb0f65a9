"""Small discs drawn at known points, so that a test can find the points in the pixels again."""

import numpy as np

#: Radius of the disc, and width of the dark ring around it, px.
RADIUS = 3.0
RING = 2.5
_SUBSAMPLES = 8


def draw_markers(image, points2d, radius=RADIUS, colour=(255, 255, 255)):
    """Draws a bright disc with a black ring centred exactly at each point, on top of everything.

    Args:
        image: (h, w, 3) uint8, changed in place.
        points2d: (N, 2) pixel coordinates; markers outside of the image and NaN are left out.
        radius: radius of the disc in px; the ring is 2.5 px wide.
        colour: RGB of the discs.

    Returns:
        The image.
    """
    reach = int(np.ceil(radius + RING)) + 1
    sub = (np.arange(_SUBSAMPLES) + 0.5) / _SUBSAMPLES - 0.5
    h, w = image.shape[:2]
    for x, y in np.asarray(points2d, np.float64).reshape(-1, 2):
        if not (np.isfinite([x, y]).all() and -reach < x < w + reach and -reach < y < h + reach):
            continue
        left, top = round(x) - reach, round(y) - reach
        xs = (np.arange(left, left + 2 * reach + 1)[:, None] + sub).ravel() - x
        ys = (np.arange(top, top + 2 * reach + 1)[:, None] + sub).ravel() - y
        distance = np.hypot(xs, ys[:, None])
        disc, whole = (_share_covered(distance <= r) for r in (radius, radius + RING))
        rows, columns = _overlap(top, disc.shape[0], h), _overlap(left, disc.shape[1], w)
        inside = image[rows[0], columns[0]]
        disc, whole = disc[rows[1], columns[1], None], whole[rows[1], columns[1], None]
        drawn = inside * (1 - whole) + np.asarray(colour, np.float64) * disc
        image[rows[0], columns[0]] = np.rint(drawn).astype(np.uint8)
    return image


def _share_covered(inside):
    """Share of the samples of each pixel that are inside."""
    n = inside.shape[0] // _SUBSAMPLES
    return inside.reshape(n, _SUBSAMPLES, n, _SUBSAMPLES).mean(axis=(1, 3))


def _overlap(start, length, limit):
    """Slices of the image and of the stamp along one axis where both exist."""
    low, high = max(start, 0), max(min(start + length, limit), 0)
    return slice(low, high), slice(low - start, max(high - start, low - start))
