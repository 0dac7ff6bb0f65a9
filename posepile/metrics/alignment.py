"""Bring predicted poses into the frame of the true ones before they are compared.

All functions take (..., J, 3) poses in mm with any leading batch axes, arrays or tensors, NaN
where a joint is missing, and return the prediction in float64. No function reflects a pose.
"""

import numpy as np

from posepile.util.arrays import as_float64
from posepile.util.procrustes import fit_similarity


def root_relative(poses, i_root):
    """Subtract the root joint from every joint.

    Args:
        i_root: number of the root joint, or several whose middle is the root, such as both hips.
    """
    _, poses = as_float64(poses)
    if isinstance(i_root, int | np.integer):
        return poses - poses[..., i_root, np.newaxis, :]
    return poses - poses[..., list(i_root), :].mean(-2)[..., np.newaxis, :]


def rigid_aligned(pred, true, mask=None, *, weights=None):
    """Predictions after the best rotation and translation onto the truth.

    Args:
        pred: (..., J, 3) predicted poses.
        true: (..., J, 3) true poses.
        mask: (..., J) bool, the joints to fit to; None for all that are valid in both.
        weights: (..., J), how much each joint counts in the fit; None for all alike.
    """
    return fit_similarity(pred, true, mask, weights=weights, scaling=False).apply(pred)


def similarity_aligned(pred, true, mask=None, *, weights=None, unflipped_scale=False):
    """Predictions after the best scaling, rotation and translation onto the truth.

    Args:
        pred, true, mask, weights: as for :func:`rigid_aligned`.
        unflipped_scale: for parity with evaluation programs that take the scale from before a
            reflection is turned into a rotation (see ``fit_similarity``). Differs only for poses
            to which a reflection fits better.
    """
    return fit_similarity(pred, true, mask, weights=weights, unflipped_scale=unflipped_scale).apply(
        pred
    )


def scale_aligned(pred, true, mask=None, *, weights=None):
    """Predictions after the best scaling about the origin (least squares).

    Applied to root-relative poses, this is the alignment of the metric N-MPJPE.
    """
    xp, pred, true, mask, weights = as_float64(pred, true, mask, weights)
    used = (xp.isfinite(pred) & xp.isfinite(true)).all(-1)
    if mask is not None:
        used = used & (mask != 0)
    p = xp.where(used[..., np.newaxis], pred, 0.0)
    t = xp.where(used[..., np.newaxis], true, 0.0)
    weighted = p if weights is None else weights[..., np.newaxis] * p
    dot = (weighted * t).sum((-2, -1))[..., np.newaxis, np.newaxis]
    square = (weighted * p).sum((-2, -1))[..., np.newaxis, np.newaxis]
    return pred * xp.where(square > 0, dot / xp.where(square > 0, square, 1.0), 1.0)
