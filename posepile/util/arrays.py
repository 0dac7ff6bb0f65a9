"""The same code for NumPy arrays and PyTorch tensors.

Functions named alike in both libraries are called through :func:`namespace`. PyTorch is imported
by whoever makes a tensor, never here.
"""

import math
import sys

import numpy as np

# Numbers of an array that are worked on at a time, and the least number of items.
_BLOCK_NUMBERS = 1 << 18
_LEAST_BLOCK = 64
_KEPT_BYTES = 24 << 20


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


def where_else_0(condition, values=None):
    """The values, or 1 for None, where the condition holds, and 0 elsewhere; float64."""
    xp, as_numbers = as_float64(condition)
    return as_numbers if values is None else xp.where(condition, values, 0.0)


def map_blocks(function, arrays):
    """Call a function for one block of the batch after the other, and join what it returns.

    What belongs to a block stays in the processor's cache, and memory is bounded. On other devices
    the batch is one block.

    Args:
        function: gets one array (B, ...) for each given one, None for None, and returns a list of
            arrays (B, ...).
        arrays: pairs of an array or None and the number of its axes that do not belong to the
            batch. The axes before, the batch's, are broadcast.

    Returns:
        List of arrays (batch..., ...).
    """
    xp = namespace(*(array for array, _ in arrays))
    given = [(array, array.ndim - n_own) for array, n_own in arrays if array is not None]
    batch = np.broadcast_shapes(*(array.shape[:n] for array, n in given))
    size = math.prod(batch)

    def flat(array, n_own):
        if array is not None:
            own = array.shape[array.ndim - n_own :]
            return xp.broadcast_to(array, (*batch, *own)).reshape((size, *own))

    numbers_of_item = max(math.prod(array.shape[n:]) for array, n in given)
    block = max(_BLOCK_NUMBERS // max(numbers_of_item, 1), _LEAST_BLOCK)
    if not (xp is np or given[0][0].device.type == 'cpu'):
        block = max(size, 1)
    if size > block:
        # Having freed this much once, the C library keeps memory from one block for the next,
        # instead of having every page of it mapped and zeroed again.
        np.empty(_KEPT_BYTES, np.uint8)
    flat_arrays = [flat(*pair) for pair in arrays]
    results = [
        function(*(None if a is None else a[start : start + block] for a in flat_arrays))
        for start in range(0, max(size, 1), block)
    ]
    joined = map(xp.concatenate, zip(*results, strict=True))
    return [a.reshape((*batch, *a.shape[1:])) for a in joined]


def batch_last(array):
    """A contiguous (..., B) copy of a (B, ...) array.

    Operations on single components then run along the batch instead of along a short axis.
    """
    moved = namespace(array).moveaxis(array, 0, -1)
    return np.ascontiguousarray(moved) if isinstance(moved, np.ndarray) else moved.contiguous()
