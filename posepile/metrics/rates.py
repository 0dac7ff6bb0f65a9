"""Shares of joints, or of poses, that are near enough to the truth, and areas under their curves.

Poses, masks and weights are as in ``posepile.metrics.errors``; results are fractions from 0 to 1,
one per pose. Nothing is aligned: pass poses that are (see ``posepile.metrics.alignment``), or not,
for the absolute variants (APCK). Protocols differ in whether a joint at the very distance of the
threshold is correct (``inclusive``), and in what they call the area under the curve; all of these
are here:

- the mean over a list of thresholds, :func:`auc`;
- the area under the polygon through the curve at these thresholds, ``auc(..., trapezoid=True)``;
- the area under the curve itself from 0 to a threshold, :func:`exact_auc`.
"""

import math

import numpy as np

from posepile.metrics.errors import joint_errors, map_poses, mean_over_joints, worst_joint_error
from posepile.util.arrays import as_float64, where_else_0

#: Thresholds in mm of the area under the PCK curve of MPI-INF-3DHP: 0, 5, ..., 150.
AUC_THRESHOLDS = np.linspace(0, 150, 31)


def pck(pred, true, threshold=150, mask=None, *, inclusive=True, weights=None):
    """Fraction of correct keypoints: of the joints within ``threshold`` mm.

    Args:
        inclusive: whether a distance of exactly ``threshold`` is correct.
    """
    return _mean_score(
        lambda distances: correct(distances, threshold, inclusive=inclusive),
        *(pred, true, mask, weights),
    )


def auc(
    pred,
    true,
    thresholds=AUC_THRESHOLDS,
    mask=None,
    *,
    inclusive=True,
    trapezoid=False,
    weights=None,
):
    """Mean of the PCK over several thresholds, or the area below it from the first to the last.

    Args:
        thresholds: (T) in mm, ascending.
        trapezoid: integrate by the trapezoidal rule and divide by the range of the thresholds.
    """
    return _mean_score(
        lambda distances: auc_scores(distances, thresholds, inclusive, trapezoid),
        *(pred, true, mask, weights),
    )


def exact_auc(pred, true, threshold=150, mask=None, *, weights=None):
    """Area under the PCK curve from 0 to ``threshold`` mm, as a fraction.

    This is the integral itself: a joint at the distance d adds max(0, 1 - d / threshold).
    """
    return _mean_score(
        lambda distances: exact_auc_scores(distances, threshold), pred, true, mask, weights
    )


def cps(pred, true, threshold=180, mask=None, *, inclusive=True):
    """Correct poses score: 1 for a pose all of whose joints are within ``threshold`` mm, else 0.

    As defined for Procrustes-aligned poses by Wandt et al., "CanonPose", CVPR 2021.
    """
    return correct(worst_joint_error(pred, true, mask), threshold, inclusive=inclusive)


def cps_auc(pred, true, threshold=300, mask=None):
    """Area under the curve of the CPS from 0 to ``threshold`` mm, as a fraction."""
    return exact_auc_scores(worst_joint_error(pred, true, mask), threshold)


def correct(distances, threshold, *, inclusive=True):
    """1 where a distance is within the threshold, 0 where not, NaN where there is none."""
    xp, distances = as_float64(distances)
    near = (distances <= threshold) if inclusive else (distances < threshold)
    return xp.where(xp.isnan(distances), math.nan, where_else_0(near))


def auc_scores(distances, thresholds, inclusive=True, trapezoid=False):
    """What each distance adds to :func:`auc`; same shape, NaN where there is none.

    Raises:
        ValueError: if the thresholds do not ascend.
    """
    thresholds = np.asarray(thresholds, np.float64)
    steps = np.diff(thresholds)
    if not (thresholds.size > trapezoid and np.all(steps > 0)):
        raise ValueError('Thresholds must ascend' + (', two at least.' if trapezoid else '.'))
    shares = np.ones_like(thresholds)
    if trapezoid:
        shares = np.append(steps, 0) + np.append(0, steps)
    # By the number of thresholds that a distance misses.
    scores = np.append(np.cumsum(shares[::-1])[::-1], 0) / shares.sum()
    xp, distances, thresholds, scores = as_float64(distances, thresholds, scores)
    n_missed = xp.searchsorted(thresholds, distances, side='left' if inclusive else 'right')
    return xp.where(xp.isnan(distances), math.nan, scores[n_missed])


def exact_auc_scores(distances, threshold):
    """What each distance adds to :func:`exact_auc`: max(0, 1 - d / threshold), NaN for none."""
    xp, distances = as_float64(distances)
    return xp.clip(1 - distances / threshold, 0, None)


def pck_curve(distances, thresholds, *, inclusive=True):
    """(T) fractions of all given distances that are within each of (T) thresholds.

    Args:
        distances: any shape; NaN do not count.
        thresholds: in any order.

    Returns:
        Like ``distances``, an array or a tensor. NaN without distances.
    """
    xp, distances, thresholds = as_float64(distances, thresholds)
    known = distances[~xp.isnan(distances)]
    ordered = xp.sort(known) if xp is np else xp.sort(known).values
    n_within = xp.searchsorted(ordered, thresholds, side='right' if inclusive else 'left')
    return as_float64(n_within)[1] / (float(len(known)) or math.nan)


def _mean_score(score, pred, true, mask, weights):
    def mean(pred, true, mask, weights):
        return mean_over_joints(score(joint_errors(pred, true, mask)), weights)

    return map_poses(mean, pred, true, mask, weights)
