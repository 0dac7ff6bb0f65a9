"""Scale, spread, plausibility and alignment of sets of 3D points.

Joints with a NaN count as missing everywhere. Leading axes are batch axes.
"""

import math

import numpy as np

from posepile.util.procrustes import procrustes, rigid_align, rigid_align_many

__all__ = [
    'are_bones_plausible',
    'are_joints_valid',
    'auc',
    'confidence',
    'convert_pose',
    'geometric_median',
    'get_scale',
    'point_stdev',
    'procrustes',
    'relu',
    'rigid_align',
    'rigid_align_many',
    'scale_align',
    'scale_align_to_true',
    'unit_vector',
]

# Far beyond what a sensible eps needs; rounding may keep the steps above an extremely small one.
_MAX_WEISZFELD_STEPS = 10_000


def are_joints_valid(coords) -> np.ndarray:
    """(..., D) coordinates -> (...) bool, True where no coordinate is NaN."""
    return ~np.any(np.isnan(coords), axis=-1)


def get_scale(poses, keepdims=False) -> np.ndarray:
    """Root mean square of all coordinates of (..., J, D) poses, which are not centred before."""
    return _rms(poses, (-2, -1), keepdims)


def scale_align(poses) -> np.ndarray:
    """Give the N poses of each (..., N, J, D) group one common scale, that of the whole group."""
    poses = np.asarray(poses)
    return poses / get_scale(poses, keepdims=True) * _rms(poses, (-3, -2, -1), keepdims=True)


def scale_align_to_true(pred, true) -> np.ndarray:
    """Scale (..., J, D) predictions to the scale of the truth, judged by joints present in both."""
    pred, true = np.asarray(pred), np.asarray(true)
    in_both = (are_joints_valid(pred) & are_joints_valid(true))[..., np.newaxis]
    scale_true = get_scale(np.where(in_both, true, np.nan), keepdims=True)
    scale_pred = get_scale(np.where(in_both, pred, np.nan), keepdims=True)
    return pred * (scale_true / scale_pred)


def geometric_median(points, eps=5) -> np.ndarray:
    """The point of least summed distance to (..., N, D) points.

    Weiszfeld's iteration with the correction for iterates that fall upon a point, by Vardi and
    Zhang, "The multivariate L1-median and associated data depth", PNAS 2000.

    Args:
        points: (..., N, D); points with a NaN are left out.
        eps: the iteration ends once a step is shorter than this (mm), > 0, or after 10,000 steps.

    Returns:
        (..., D) float64, NaN where there is no point at all.
    """
    if not eps > 0:
        raise ValueError(f'eps must be positive, not {eps}.')
    points = np.asarray(points, np.float64)
    flat = points.reshape(math.prod(points.shape[:-2]), *points.shape[-2:])
    valid = are_joints_valid(flat)
    n_valid = valid.sum(axis=-1)
    flat = np.where(valid[..., np.newaxis], flat, 0)
    with np.errstate(invalid='ignore'):
        median = flat.sum(axis=-2) / n_valid[:, np.newaxis]

    active = np.flatnonzero(n_valid > 0)
    for _ in range(_MAX_WEISZFELD_STEPS):
        if not active.size:
            break
        start = median[active]
        median[active] = _weiszfeld_step(flat[active], valid[active], start)
        active = active[np.linalg.norm(median[active] - start, axis=-1) >= eps]
    return median.reshape(*points.shape[:-2], points.shape[-1])


def _weiszfeld_step(points, valid, median):
    distances = np.linalg.norm(points - median[:, np.newaxis], axis=-1)
    away = valid & (distances != 0)
    inverse = np.divide(1, distances, out=np.zeros_like(distances), where=away)
    total = inverse.sum(axis=-1, keepdims=True)
    attraction = (inverse[..., np.newaxis] * points).sum(axis=-2)
    target = np.divide(attraction, total, out=median.copy(), where=total > 0)

    n_here = (valid & (distances == 0)).sum(axis=-1, keepdims=True)
    pull = np.linalg.norm((target - median) * total, axis=-1, keepdims=True)
    stay = np.divide(n_here, pull, out=np.zeros_like(pull), where=pull > 0)
    return np.maximum(0, 1 - stay) * target + np.minimum(1, stay) * median


def convert_pose(coords, weights) -> np.ndarray:
    """Affine recombination of joints: (..., j, D) by (j, J) weights -> (..., J, D)."""
    return np.einsum('...jc,jJ->...Jc', coords, weights)


def confidence(stdev, half_point=50) -> np.ndarray:
    """Score in (0, 1] of a spread in mm: 1 for no spread, one half at ``half_point``."""
    return np.exp(-np.square(0.8325 * np.asarray(stdev) / half_point))


def point_stdev(poses, item_axis=-3, coord_axis=-1) -> np.ndarray:
    """Spread of each joint over several versions of a pose.

    The unbiased estimate of the standard deviation, with the variances averaged (not summed) over
    the coordinates. One item has spread 0, none has NaN.

    Args:
        poses: array with items (versions) along ``item_axis``, coordinates along ``coord_axis``.

    Returns:
        ``poses`` without these two axes.
    """
    poses = np.moveaxis(_in_single_precision(poses), (item_axis, coord_axis), (0, -1))
    valid = are_joints_valid(poses)
    n_valid = valid.sum(axis=0)
    poses = np.where(valid[..., np.newaxis], poses, 0)
    with np.errstate(invalid='ignore'):
        mean = poses.sum(axis=0) / n_valid[..., np.newaxis]
        squares = np.square(np.where(valid[..., np.newaxis], poses - mean, 0))
        variance = squares.mean(axis=-1).sum(axis=0) / n_valid
    correction = np.where(n_valid > 1, n_valid / np.maximum(n_valid - 1, 1), 1)
    return np.sqrt(correction * variance)


def relu(x) -> np.ndarray:
    """Positive part."""
    return np.maximum(0, x)


def auc(x, t1, t2) -> np.ndarray:
    """Share of the thresholds between ``t1`` and ``t2`` that an error ``x`` stays below."""
    return relu(1 - relu(np.asarray(x) - t1) / (t2 - t1))


def unit_vector(vectors, axis=-1) -> np.ndarray:
    """Vectors scaled to length 1."""
    vectors = np.asarray(vectors)
    return vectors / np.linalg.norm(vectors, axis=axis, keepdims=True)


def are_bones_plausible(
    poses,
    ref,
    joint_info=None,
    relsmall=0.1,
    relbig=3,
    absbig=150,
    joints2bones_matrix=None,
) -> np.ndarray:
    """Tell which bones have a believable length.

    A bone is implausible if its length differs from the reference by more than ``absbig`` and is
    also less than ``relsmall`` or more than ``relbig`` times as long. Bones of which an end is
    missing are plausible.

    Args:
        poses: (..., J, D) joints in mm.
        ref: (E,) reference lengths in mm.
        joint_info: the skeleton, for its E edges.
        joints2bones_matrix: (E, J) as of ``get_joint2bone_mat``, in the place of ``joint_info``.

    Returns:
        (..., E) bool.
    """
    if joint_info is not None:
        edges = np.array(joint_info.stick_figure_edges, np.int64).reshape(-1, 2)
    elif joints2bones_matrix is not None:
        matrix = np.asarray(joints2bones_matrix)
        edges = np.stack([matrix.argmax(axis=1), matrix.argmin(axis=1)], axis=1)
    else:
        raise TypeError('Give either joint_info or joints2bones_matrix.')
    poses = _in_single_precision(poses)
    ref = np.asarray(ref)
    lengths = np.linalg.norm(poses[..., edges[:, 0], :] - poses[..., edges[:, 1], :], axis=-1)
    ratios = lengths / (ref + 1e-8)
    # Every comparison with NaN is false, hence the negation.
    return ~(((ratios < relsmall) | (ratios > relbig)) & (np.abs(lengths - ref) > absbig))


def _rms(values, axes, keepdims):
    values = _in_single_precision(values)
    present = are_joints_valid(values)[..., np.newaxis] & np.ones(values.shape[-1], bool)
    total = np.where(present, np.square(values), 0).sum(axis=axes, keepdims=keepdims)
    with np.errstate(invalid='ignore'):
        return np.sqrt(total / present.sum(axis=axes, keepdims=keepdims))


def _in_single_precision(coords):
    """As float32 at least: squares of millimetres overflow float16."""
    coords = np.asarray(coords)
    return coords.astype(np.result_type(coords, np.float32), copy=False)
