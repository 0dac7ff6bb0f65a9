"""The same code for NumPy arrays and PyTorch tensors.

Functions named alike in both libraries are called through :func:`namespace`. PyTorch is imported
by whoever makes a tensor, never here.
"""

import sys

import numpy as np


def namespace(*arrays):
    """The module ``torch`` if any of the arrays is a tensor, otherwise ``numpy``."""
    torch = sys.modules.get('torch')
    if torch is not None and any(isinstance(a, torch.Tensor) for a in arrays):
        return torch
    return np


def as_float64(*arrays):
    """Make arrays comparable with one another.

    Args:
        arrays: array-likes or tensors; None stays None. If one is a tensor, all become tensors on
            the device of the first one.

    Returns:
        The namespace, followed by the arrays in float64.
    """
    xp = namespace(*arrays)
    if xp is np:
        return xp, *(None if a is None else np.asarray(a, np.float64) for a in arrays)
    device = next(a.device for a in arrays if isinstance(a, xp.Tensor))
    return xp, *(
        None if a is None else xp.as_tensor(a, dtype=xp.float64, device=device) for a in arrays
    )


def blocks(n, size):
    """Slices of at most ``size`` that cover range(n); one empty slice if n is 0."""
    return [slice(start, min(start + size, n)) for start in range(0, max(n, 1), size)]


def batch_last(array):
    """A contiguous (..., B) copy of a (B, ...) array.

    Operations on single components then run along the batch instead of along a short axis.
    """
    moved = namespace(array).moveaxis(array, 0, -1)
    return np.ascontiguousarray(moved) if isinstance(moved, np.ndarray) else moved.contiguous()
