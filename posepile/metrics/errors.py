"""Errors of 3D poses, one number per pose.

Poses are (..., J, 3) in mm, arrays or tensors. Joints that are NaN in either pose, or False in the
(..., J) ``mask``, do not count; with (..., J) ``weights``, not negative, the others do not count
alike. A pose without any joint left has the value NaN. Distances are Euclidean. Results are
float64. Nothing is aligned unless the name says so (see ``posepile.metrics.alignment``); then the
mask and the weights are those of the alignment, too. Vertices of a mesh are joints in this sense.
"""

import math

from posepile.metrics.alignment import root_relative, scale_aligned
from posepile.util.arrays import as_float64, map_blocks, where_else_0
from posepile.util.procrustes import fit_similarity, fitted_distances


def joint_errors(pred, true, mask=None):
    """Distances (..., J) between predicted and true joints; NaN for those that do not count."""
    xp, pred, true, mask = as_float64(pred, true, mask)
    difference = pred - true
    distances = xp.sqrt(xp.einsum('...i,...i->...', difference, difference))
    return distances if mask is None else xp.where(mask != 0, distances, math.nan)


def mean_over_joints(values, weights=None):
    """Mean (...) of (..., J) values, leaving out those that are NaN."""
    xp, values, weights = as_float64(values, weights)
    counts = ~xp.isnan(values)
    weights = where_else_0(counts, weights)
    # A product with 0 would not do: infinity times 0 is NaN.
    total = xp.where(weights > 0, weights * xp.where(counts, values, 0.0), 0.0).sum(-1)
    weight = weights.sum(-1)
    return xp.where(weight > 0, total / xp.where(weight > 0, weight, 1.0), math.nan)


def mpjpe(pred, true, mask=None, *, weights=None):
    """Mean per-joint position error, (...) in mm. Of vertices: the per-vertex error."""

    def error(pred, true, mask, weights):
        return mean_over_joints(joint_errors(pred, true, mask), weights)

    return map_poses(error, pred, true, mask, weights)


def root_relative_mpjpe(pred, true, i_root, mask=None, *, weights=None):
    """MPJPE after moving the root joints of both poses to the origin.

    Args:
        i_root: number of the root joint, or several whose middle is the root.
    """
    pred, true = root_relative(pred, i_root), root_relative(true, i_root)
    return mpjpe(pred, true, mask, weights=weights)


def n_mpjpe(pred, true, i_root, mask=None, *, weights=None):
    """MPJPE of root-relative poses after scaling the prediction (Rhodin et al., CVPR 2018)."""
    pred, true = root_relative(pred, i_root), root_relative(true, i_root)
    pred = scale_aligned(pred, true, mask, weights=weights)
    return mpjpe(pred, true, mask, weights=weights)


def pa_mpjpe(pred, true, mask=None, *, weights=None, scaling=True):
    """MPJPE after Procrustes alignment by rotation, translation and (unless not) scale."""

    def error(pred, true, mask, weights):
        distances = fitted_distances(pred, true, mask, weights=weights, scaling=scaling)
        return mean_over_joints(distances, weights)

    return map_poses(error, pred, true, mask, weights)


def pa_vertex_error(pred, true, pred_joints, true_joints, mask=None, *, vertex_mask=None):
    """Mean error of (..., V, 3) vertices under the transform that aligns the joints best.

    Args:
        mask: (..., J) bool, the joints to fit to.
        vertex_mask: (..., V) bool, the vertices that count.
    """

    def error(pred, true, pred_joints, true_joints, mask, vertex_mask):
        aligned = fit_similarity(pred_joints, true_joints, mask).apply(pred)
        return [mean_over_joints(joint_errors(aligned, true, vertex_mask))]

    points = as_float64(pred, true, pred_joints, true_joints, mask, vertex_mask)[1:]
    return map_blocks(error, list(zip(points, (2, 2, 2, 2, 1, 1), strict=True)))[0]


def worst_joint_error(pred, true, mask=None):
    """Distance of the joint that is farthest from its place, (...) in mm."""
    xp, distances = as_float64(joint_errors(pred, true, mask))
    counts = ~xp.isnan(distances)
    worst = xp.amax(xp.where(counts, distances, 0.0), -1)
    return xp.where(counts.any(-1), worst, math.nan)


def map_poses(function, pred, true, mask, weights):
    """The values (...) that ``function(pred, true, mask, weights)`` has for blocks of poses."""
    _, pred, true, mask, weights = as_float64(pred, true, mask, weights)
    return map_blocks(
        lambda *block: [function(*block)], [(pred, 2), (true, 2), (mask, 1), (weights, 1)]
    )[0]
