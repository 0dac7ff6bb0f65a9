"""Best rigid and similarity transforms between corresponding points.

Points are rows. The closed-form solution is that of Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", PAMI 1991.
"""

import logging
import math
from typing import NamedTuple

import numpy as np

from posepile.util.arrays import as_float64, batch_last, map_blocks, namespace, where_else_0
from posepile.util.proper_svd import proper_svd, proper_svd_3x3

logger = logging.getLogger(__name__)


class Similarity(NamedTuple):
    """A batch of transforms ``x -> scale * (x - source_mean) @ rotation + target_mean``.

    Attributes:
        rotation: (..., D, D), to be multiplied from the right.
        scale: (...,).
        source_mean: (..., D).
        target_mean: (..., D).
        found: (...,) bool; False where no point pair was usable. There the transform is the
            identity.
    """

    rotation: np.ndarray
    scale: np.ndarray
    source_mean: np.ndarray
    target_mean: np.ndarray
    found: np.ndarray

    def apply(self, points) -> np.ndarray:
        """Transform (..., J, D) points, which may be others than the fit was made with."""
        points = as_float64(points, self.rotation)[1]
        centred = points - self.source_mean[..., np.newaxis, :]
        scale = self.scale[..., np.newaxis, np.newaxis]
        return scale * (centred @ self.rotation) + self.target_mean[..., np.newaxis, :]


def fit_similarity(
    source,
    target,
    mask=None,
    *,
    weights=None,
    scaling=True,
    reflection=False,
    unflipped_scale=False,
) -> Similarity:
    """Least-squares transform of each source point set onto its target, for a whole batch.

    Args:
        source: (..., J, D) points, arrays or tensors.
        target: (..., J, D) points.
        mask: (..., J) bool, the pairs to be used; None for all. Pairs with a NaN are never used.
        weights: (..., J), how much the squared distance of each pair counts, not negative; None
            for all alike.
        scaling: whether the scale is free; it is 1 otherwise.
        reflection: False for proper rotations only, True for reflections only, 'best' for
            whichever fits better.
        unflipped_scale: derive the scale from the singular values as they were before a
            forbidden reflection was removed. That is not the least-squares scale, but what some
            published evaluation programs compute.

    Returns:
        The :class:`Similarity` in float64.
    """
    options = dict(scaling=scaling, reflection=reflection, unflipped_scale=unflipped_scale)

    def fit(*block):
        return [namespace(f).moveaxis(f, -1, 0) for f in _fit(*block, **options)[0]]

    return Similarity(*_of_blocks(fit, source, target, mask, weights))


def fitted_distances(source, target, mask=None, *, weights=None, scaling=True):
    """Distances (..., J) of points from their targets after :func:`fit_similarity`.

    The same as applying the transform and measuring, but without writing the points down.
    Distances are NaN where the mask is False, the weight 0, or a point has a NaN, and infinite
    where a point is at infinity.
    """

    def distances(source, target, weights):
        xp = namespace(source)
        fit, centred_source, centred_target = _fit(source, target, weights, scaling=scaling)
        aligned = xp.einsum('jan,abn->bjn', centred_source, fit.scale * fit.rotation)
        result = xp.sqrt(xp.square(aligned - centred_target.swapaxes(0, 1)).sum(0))
        finite = xp.isfinite(source - target).all(1)
        if not finite.all():
            missing = xp.isnan(source).any(1) | xp.isnan(target).any(1)
            result = xp.where(finite, result, xp.where(missing, math.nan, math.inf))
        if weights is not None:
            result = xp.where(weights > 0, result, math.nan)
        return [xp.moveaxis(result, -1, 0)]

    return _of_blocks(distances, source, target, mask, weights)[0]


def _of_blocks(function, source, target, mask, weights):
    """Results of ``function(source, target, weights)`` for blocks of the point sets, joined.

    It gets points (J, D, B) and weights (J, B) or None, and returns arrays (B, ...).
    """
    _, source, target, mask, weights = as_float64(source, target, mask, weights)
    if mask is not None:
        weights = where_else_0(mask != 0, weights)

    def with_batch_last(*arrays):
        return function(*(None if a is None else batch_last(a) for a in arrays))

    return map_blocks(with_batch_last, [(source, 2), (target, 2), (weights, 1)])


def _fit(source, target, weights, scaling=True, reflection=False, unflipped_scale=False):
    """The :class:`Similarity` of (J, D, B) points, and both point sets centred.

    Everything has the batch last.
    """
    xp = namespace(source)
    used = (xp.isfinite(source) & xp.isfinite(target)).all(1)
    if not used.all():
        source, target = (xp.where(used[:, np.newaxis], x, 0.0) for x in (source, target))
    weights = where_else_0(used, weights)
    total = weights.sum(0)
    found = total > 0
    weights = (weights / xp.where(found, total, 1.0))[:, np.newaxis]
    source_mean, target_mean = ((weights * x).sum(0) for x in (source, target))
    source, target = source - source_mean, target - target_mean
    weighted = weights * source
    covariance = xp.einsum('jan,jbn->abn', weighted, target)
    decompose = proper_svd_3x3 if len(covariance) == 3 else proper_svd
    u, s, v = decompose(covariance)

    last = s[-1:]
    sign = xp.ones_like(last)
    if reflection == 'best':
        sign = xp.copysign(sign, last)
    elif reflection:
        sign = -sign
    rotation = xp.einsum('ain,bin->abn', xp.concatenate([u[:, :-1], u[:, -1:] * sign], 1), v)
    scale = xp.ones_like(last[0])
    if scaling:
        trace = s[:-1].sum(0) + (abs(last) if unflipped_scale else last * sign)[0]
        # Where the source is a single point its scale is without effect, so 1 will do.
        variance = (weighted * source).sum((0, 1))
        scale = xp.where(variance > 0, trace / xp.where(variance > 0, variance, 1.0), scale)
    return Similarity(rotation, scale, source_mean, target_mean, found), source, target


def procrustes(X, Y, scaling=True, reflection='best'):
    """Align the points Y to the points X, with the contract of MATLAB's ``procrustes``.

    Args:
        X: (N, D) target points.
        Y: (N, D') points to be transformed, D' <= D. Missing columns count as zeros.
        scaling: whether the scale is free.
        reflection: 'best', or True or False to demand or forbid a reflection.

    Returns:
        d: sum of squared errors after alignment, relative to the spread of X.
        Z: (N, D) the aligned points, ``scale * Y @ rotation + translation``.
        tform: dict of ``rotation`` (D', D), ``scale`` and ``translation`` (D,).
    """
    X = np.asarray(X, np.float64)
    Y = np.asarray(Y, np.float64)
    n_columns = Y.shape[1]
    if n_columns > X.shape[1]:
        raise ValueError(f'Y has {n_columns} columns, more than the {X.shape[1]} of X.')
    Y = np.pad(Y, [(0, 0), (0, X.shape[1] - n_columns)])

    fit = fit_similarity(Y, X, scaling=scaling, reflection=reflection)
    Z = fit.apply(Y)
    spread = np.sum(np.square(X - X.mean(axis=0)))
    residual = np.sum(np.square(Z - X))
    d = residual / spread if spread > 0 else float(residual > 0)
    tform = dict(
        rotation=fit.rotation[:n_columns],
        scale=float(fit.scale),
        translation=fit.target_mean - fit.scale * fit.source_mean @ fit.rotation,
    )
    return float(d), Z, tform


def rigid_align(
    pred, true, *, joint_validity_mask=None, scale_align=False, reflection_align=False
) -> np.ndarray:
    """Move a predicted pose onto the true one by the best rotation and translation.

    Args:
        pred: (J, D) predicted joints.
        true: (J, D) true joints.
        joint_validity_mask: (J,) bool, the joints to fit to. Joints with a NaN are never used.
        scale_align: whether to scale as well.
        reflection_align: whether to reflect as well, where that fits better.

    Returns:
        (J, D) all joints of ``pred``, transformed. Without any usable joint an error is logged
        and ``pred`` comes back as it is.
    """
    if joint_validity_mask is not None:
        joint_validity_mask = np.asarray(joint_validity_mask)[np.newaxis]
    return rigid_align_many(
        np.asarray(pred)[np.newaxis],
        np.asarray(true)[np.newaxis],
        joint_validity_mask=joint_validity_mask,
        scale_align=scale_align,
        reflection_align=reflection_align,
    )[0]


def rigid_align_many(
    pred, true, *, joint_validity_mask=None, scale_align=False, reflection_align=False
) -> np.ndarray:
    """:func:`rigid_align` for each of (N, J, D) poses, with an (N, J) mask."""
    fit = fit_similarity(
        pred,
        true,
        joint_validity_mask,
        scaling=scale_align,
        reflection='best' if reflection_align else False,
    )
    if not fit.found.all():
        logger.error(
            '%d of %d poses have no joint to align by and stay as they are.',
            np.count_nonzero(~fit.found),
            fit.found.size,
        )
    return np.where(fit.found[..., np.newaxis, np.newaxis], fit.apply(pred), pred)
