"""Errors of 3D poses, one number per pose.

Poses are (..., J, 3) in mm. Joints that are NaN in either pose, or False in the (..., J) ``mask``,
do not count; a pose without any joint left has the value NaN. Distances are Euclidean. Metrics
after alignment are made by aligning first (see ``posepile.metrics.alignment``).
"""

import numpy as np

from posepile.metrics.alignment import root_relative, similarity_aligned

#: Thresholds in mm of the area under the PCK curve of MPI-INF-3DHP: 0, 5, ..., 150.
AUC_THRESHOLDS = np.linspace(0, 150, 31)


def joint_errors(pred, true, mask=None) -> np.ndarray:
    """Distances (..., J) between predicted and true joints; NaN for those that do not count."""
    difference = np.asarray(pred, np.float64) - np.asarray(true, np.float64)
    distances = np.linalg.norm(difference, axis=-1)
    return distances if mask is None else np.where(mask, distances, np.nan)


def mpjpe(pred, true, mask=None) -> np.ndarray:
    """Mean per-joint position error, (...) in mm."""
    return _mean_over_joints(joint_errors(pred, true, mask))


def root_relative_mpjpe(pred, true, i_root, mask=None) -> np.ndarray:
    """MPJPE after moving the root joints of both poses to the origin."""
    return mpjpe(root_relative(pred, i_root), root_relative(true, i_root), mask)


def pa_mpjpe(pred, true, mask=None) -> np.ndarray:
    """MPJPE after Procrustes alignment by rotation, translation and scale."""
    return mpjpe(similarity_aligned(pred, true, mask), true, mask)


def pck(pred, true, threshold=150, mask=None, *, inclusive=True) -> np.ndarray:
    """Fraction of correct keypoints: of the joints within ``threshold`` mm.

    Args:
        inclusive: whether a distance of exactly ``threshold`` is correct.
    """
    return _pck(joint_errors(pred, true, mask), threshold, inclusive)


def auc(pred, true, thresholds=AUC_THRESHOLDS, mask=None, *, inclusive=True) -> np.ndarray:
    """Mean of the PCK over several thresholds."""
    distances = joint_errors(pred, true, mask)
    return np.mean([_pck(distances, t, inclusive) for t in thresholds], axis=0)


def exact_auc(pred, true, threshold=150, mask=None) -> np.ndarray:
    """Area under the PCK curve from 0 to ``threshold`` mm, as a fraction.

    This is the integral itself: a joint at the distance d adds max(0, 1 - d / threshold).
    :func:`auc` is the mean over a list of thresholds, as in the evaluation of MPI-INF-3DHP.
    """
    return _mean_over_joints(np.maximum(0, 1 - joint_errors(pred, true, mask) / threshold))


def worst_joint_error(pred, true, mask=None) -> np.ndarray:
    """Distance of the joint that is farthest from its place, (...) in mm."""
    distances = joint_errors(pred, true, mask)
    counts = ~np.isnan(distances)
    worst = np.where(counts, distances, 0).max(axis=-1)
    return np.where(counts.any(axis=-1), worst, np.nan)


def _pck(distances, threshold, inclusive):
    correct = (distances <= threshold) if inclusive else (distances < threshold)
    return _mean_over_joints(np.where(np.isnan(distances), np.nan, correct))


def _mean_over_joints(values):
    counts = ~np.isnan(values)
    n = counts.sum(axis=-1)
    total = np.where(counts, values, 0).sum(axis=-1)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
