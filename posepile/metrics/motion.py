"""Errors of how poses move: of the velocity and the acceleration of every joint.

Sequences are (..., T, J, 3) in mm at a constant frame rate. Masks, weights and NaN are as in
``posepile.metrics.errors``; a joint counts at a time if it is there in all frames that the
difference is made of. Evaluate one sequence at a time, so that nothing runs across a cut; frames
that are missing within it must be there as NaN. NumPy and PyTorch.
"""

import math

from posepile.metrics.errors import joint_errors, mean_over_joints
from posepile.util.arrays import as_float64


def velocity_error(pred, true, mask=None, *, fps=1, weights=None):
    """Mean error of the joints' first differences, (..., T - 1) in mm per frame or, with the
    frame rate, mm/s.

    Args:
        weights: (J).
    """
    return _error_of_differences(pred, true, mask, 1, fps, weights)


def acceleration_error(pred, true, mask=None, *, fps=1, weights=None):
    """Mean error of the joints' second differences x[t-1] - 2 x[t] + x[t+1], (..., T - 2).

    In mm per squared frame or, with the frame rate, mm/s^2. As in Kanazawa et al., "Learning 3D
    Human Dynamics from Video", CVPR 2019.

    Args:
        weights: (J).
    """
    return _error_of_differences(pred, true, mask, 2, fps, weights)


def _error_of_differences(pred, true, mask, order, fps, weights):
    xp, pred, true, mask = as_float64(pred, true, mask)
    # Differences are linear: that of the error is the error of the difference.
    error = pred - true
    if mask is not None:
        error = xp.where((mask != 0)[..., None], error, math.nan)
    for _ in range(order):
        error = (error[..., 1:, :, :] - error[..., :-1, :, :]) * fps
    return mean_over_joints(joint_errors(error, xp.zeros_like(error)), weights)
