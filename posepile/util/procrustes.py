"""Best rigid and similarity transforms between corresponding points.

Points are rows. The closed-form solution is that of Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", PAMI 1991.
"""

import logging
from typing import NamedTuple

import numpy as np

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
        """Transform (..., J, D) points."""
        centred = points - self.source_mean[..., np.newaxis, :]
        scale = self.scale[..., np.newaxis, np.newaxis]
        return scale * (centred @ self.rotation) + self.target_mean[..., np.newaxis, :]


def fit_similarity(
    source, target, mask=None, *, scaling=True, reflection=False, unflipped_scale=False
) -> Similarity:
    """Least-squares transform of each source point set onto its target, for a whole batch.

    Args:
        source: (..., J, D) points.
        target: (..., J, D) points.
        mask: (..., J) bool, the pairs to be used; None for all. Pairs with a NaN are never used.
        scaling: whether the scale is free; it is 1 otherwise.
        reflection: False for proper rotations only, True for reflections only, 'best' for
            whichever fits better.
        unflipped_scale: derive the scale from the singular values as they were before a
            forbidden reflection was removed. That is not the least-squares scale, but what some
            published evaluation programs compute.

    Returns:
        The :class:`Similarity` in float64.
    """
    source = np.asarray(source, np.float64)
    target = np.asarray(target, np.float64)
    used = np.isfinite(source).all(axis=-1) & np.isfinite(target).all(axis=-1)
    if mask is not None:
        used &= np.asarray(mask, bool)
    used = used[..., np.newaxis]
    n_used = used.sum(axis=-2)
    found = n_used[..., 0] > 0

    def centre(points):
        points = np.where(used, points, 0)
        mean = points.sum(axis=-2) / np.maximum(n_used, 1)
        return mean, np.where(used, points - mean[..., np.newaxis, :], 0)

    source_mean, centred_source = centre(source)
    target_mean, centred_target = centre(target)
    covariance = np.swapaxes(centred_source, -1, -2) @ centred_target
    u, s, vt = np.linalg.svd(covariance)

    scale_values = s.copy()
    if reflection != 'best':
        wrong_handedness = (np.linalg.det(u @ vt) < 0) != reflection
        sign = np.where(wrong_handedness, -1.0, 1.0)
        vt[..., -1, :] *= sign[..., np.newaxis]
        if not unflipped_scale:
            scale_values[..., -1] *= sign

    scale = np.ones(found.shape)
    if scaling:
        # Where the source is a single point its scale is without effect, so 1 will do.
        variance = np.square(centred_source).sum(axis=(-2, -1))
        np.divide(scale_values.sum(axis=-1), variance, out=scale, where=variance > 0)
    return Similarity(u @ vt, scale, source_mean, target_mean, found)


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
