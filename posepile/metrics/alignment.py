"""Bring predicted poses into the frame of the true ones before they are compared.

All functions take (..., J, 3) poses in mm with any leading batch axes, NaN where a joint is
missing, and return the prediction as float64. No function reflects a pose.
"""

import numpy as np

from posepile.util.procrustes import fit_similarity


def root_relative(poses, i_root) -> np.ndarray:
    """Subtract the root joint from every joint."""
    poses = np.asarray(poses, np.float64)
    return poses - poses[..., i_root, np.newaxis, :]


def rigid_aligned(pred, true, mask=None) -> np.ndarray:
    """Predictions after the best rotation and translation onto the truth.

    Args:
        pred: (..., J, 3) predicted poses.
        true: (..., J, 3) true poses.
        mask: (..., J) bool, the joints to fit to; None for all that are valid in both.
    """
    return fit_similarity(pred, true, mask, scaling=False).apply(pred)


def similarity_aligned(pred, true, mask=None, *, unflipped_scale=False) -> np.ndarray:
    """Predictions after the best scaling, rotation and translation onto the truth.

    Args:
        pred, true, mask: as for :func:`rigid_aligned`.
        unflipped_scale: for parity with evaluation programs that take the scale from before a
            reflection is turned into a rotation (see ``fit_similarity``). Differs only for poses
            to which a reflection fits better.
    """
    return fit_similarity(pred, true, mask, unflipped_scale=unflipped_scale).apply(pred)


def scale_aligned(pred, true, mask=None) -> np.ndarray:
    """Predictions after the best scaling about the origin (least squares).

    Applied to root-relative poses, this is the alignment of the metric N-MPJPE.
    """
    pred = np.asarray(pred, np.float64)
    true = np.asarray(true, np.float64)
    used = np.isfinite(pred).all(axis=-1) & np.isfinite(true).all(axis=-1)
    if mask is not None:
        used &= np.asarray(mask, bool)
    p = np.where(used[..., np.newaxis], pred, 0)
    t = np.where(used[..., np.newaxis], true, 0)
    dot = np.sum(p * t, axis=(-2, -1), keepdims=True)
    square = np.sum(p * p, axis=(-2, -1), keepdims=True)
    return pred * np.divide(dot, square, out=np.ones_like(dot), where=square > 0)
