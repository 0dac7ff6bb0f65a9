"""Errors of joint orientations, given as rotation matrices (..., J, 3, 3), in degrees.

Masks, weights and NaN are as in ``posepile.metrics.errors``. NumPy and PyTorch.
"""

import math

import numpy as np

from posepile.metrics.errors import mean_over_joints
from posepile.util.arrays import as_float64
from posepile.util.procrustes import fit_similarity


def geodesic_angles(pred, true):
    """Angles (...) in degrees of the rotations from one (..., 3, 3) matrix to the other.

    From the Frobenius norm of the difference, which is sqrt(8) sin(angle / 2). Unlike the arc
    cosine of the trace, that is exact for small angles, too.
    """
    xp, pred, true = as_float64(pred, true)
    chord = xp.sqrt(xp.square(pred - true).sum((-2, -1)) / 8)
    return xp.rad2deg(2 * xp.arcsin(xp.clip(chord, None, 1.0)))


def mpjae(pred, true, mask=None, *, weights=None):
    """Mean per-joint angular error, (...) in degrees."""
    xp, mask, angles = as_float64(mask, geodesic_angles(pred, true))
    if mask is not None:
        angles = xp.where(mask != 0, angles, math.nan)
    return mean_over_joints(angles, weights)


def pa_mpjae(pred, true, pred_joints, true_joints, mask=None, *, fit_mask=None, weights=None):
    """MPJAE after turning each predicted body as the Procrustes alignment of its joints does.

    Args:
        pred, true: (..., J, 3, 3) global orientations, to be multiplied to columns from the left.
        pred_joints, true_joints: (..., K, 3) positions that determine the alignment.
        mask: (..., J) bool, the orientations that count.
        fit_mask: (..., K) bool, the positions to fit to.
    """
    fit = fit_similarity(pred_joints, true_joints, fit_mask)
    _, pred, rotation = as_float64(pred, fit.rotation)
    turned = rotation.swapaxes(-1, -2)[..., np.newaxis, :, :] @ pred
    return mpjae(turned, true, mask, weights=weights)
