"""The weights with which source pixels make up a pixel of a crop.

A source image stands for the surface that cubic convolution lays through its pixels (Keys, 1981,
with OpenCV's slope a = -0.75). A pixel of a crop is the mean of that surface over the pixel's
footprint in the source, taken as an axis-aligned rectangle. Both being separable, its weights are a
product of two one-dimensional sets, which depend on the position between source pixels and on the
width of the footprint. They are tabulated for both.
"""

import functools

import numpy as np

_SLOPE = -0.75
_CUBIC_REACH = 2
#: Positions between two source pixels, from 0 to 1 inclusive.
N_PHASES = 128
#: Widths of footprints in source pixels are rounded to ``LEAST_WIDTH * WIDTH_STEP ** i``; i goes
#: from 0 to N_WIDTHS - 1.
LEAST_WIDTH = 0.5
WIDTH_STEP = 2 ** (1 / 16)
N_WIDTHS = 49
#: The widest footprint in source pixels for which each number of weights is enough.
_WIDEST_FOR = {5: 1.1, 6: 2.0, 8: 4.0}
WIDEST = max(_WIDEST_FOR.values())


def taps_for(width) -> int:
    """Number of weights that footprints of up to this width need."""
    return next((n for n, widest in _WIDEST_FOR.items() if width <= widest), max(_WIDEST_FOR))


@functools.cache
def weights(n_taps):
    """Weights of ``n_taps`` neighbouring source pixels.

    Returns:
        (N_WIDTHS, N_PHASES + 1, n_taps) float32: for each width of the footprint and each phase. A
        footprint centred at source coordinate i + phase / N_PHASES takes pixel
        i + 1 - n_taps / 2 + k with weight k. They sum to 1.
    """
    widths = LEAST_WIDTH * WIDTH_STEP ** np.arange(N_WIDTHS)
    phases = np.arange(N_PHASES + 1) / N_PHASES
    pixels = np.arange(n_taps) + 1 - n_taps / 2
    distance = pixels - phases[:, np.newaxis]
    half = widths[:, np.newaxis, np.newaxis] / 2
    result = _cubic_integral(distance + half) - _cubic_integral(distance - half)
    result /= result.sum(axis=-1, keepdims=True)
    return np.ascontiguousarray(result, np.float32)


def _cubic_integral(x):
    """Integral from 0 to ``x`` of the cubic convolution kernel."""
    t = np.minimum(np.abs(x), _CUBIC_REACH)
    a = _SLOPE
    inner = (a + 2) * t**4 / 4 - (a + 3) * t**3 / 3 + t
    outer = a * (t**4 / 4 - 5 * t**3 / 3 + 4 * t**2 - 4 * t)
    at_1 = (a + 2) / 4 - (a + 3) / 3 + 1 - a * (1 / 4 - 5 / 3 + 4 - 4)
    return np.sign(x) * np.where(t <= 1, inner, outer + at_1)
