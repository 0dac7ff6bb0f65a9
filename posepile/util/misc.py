"""Random points, and casts that lose next to nothing."""

import numpy as np


def random_uniform_disc(rng: np.random.Generator) -> np.ndarray:
    """A point (2,) drawn uniformly from the unit disc; the angle is drawn before the radius."""
    angle = rng.uniform(-np.pi, np.pi)
    radius = np.sqrt(rng.uniform(0, 1))
    return radius * np.array([np.cos(angle), np.sin(angle)])


def cast_if_precise_enough(value, dtype, threshold=1) -> np.ndarray:
    """Cast to ``dtype`` if that changes no entry by ``threshold`` or more (NaNs are ignored).

    Returns:
        The cast array, or ``value`` itself (as an array) where the cast would lose too much.
    """
    value = np.asarray(value)
    with np.errstate(over='ignore', invalid='ignore'):
        cast = value.astype(dtype)
        error = np.abs(value - cast.astype(np.result_type(value.dtype, dtype)))
    # NaNs compare false; an overflow to infinity is an infinite error.
    return value if np.any(error >= threshold) else cast
