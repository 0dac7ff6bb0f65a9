"""Smoothing of predicted joints along time."""

import numpy as np

#: Weights by how old a frame is, the newest first; and symmetric ones.
CAUSAL = np.array([6, 2, 1, 1, 0.5]) / 10.5
ACAUSAL = np.array([1, 2, 4, 8, 16, 32, 16, 8, 4, 2, 1]) / 94


def smoothed(joints, kind, as_published=False) -> np.ndarray:
    """Weighted means over neighbouring frames; beyond its ends, the clip is mirrored.

    Args:
        joints: (T, J, 3).
        kind: ``'causal'``: of a frame and the four before it; ``'acausal'``: five on each side.
        as_published: shift the causal weights by one frame, so that the largest falls on the next
            frame, as a public program does.
    """
    from scipy.ndimage import convolve1d

    if kind == 'acausal':
        return convolve1d(joints, ACAUSAL, axis=0, mode='mirror')
    shift = -1 if as_published else -(len(CAUSAL) // 2)
    return convolve1d(joints, CAUSAL, axis=0, mode='mirror', origin=shift)
