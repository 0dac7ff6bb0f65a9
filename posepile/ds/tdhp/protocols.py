"""The numbers of the MPI-INF-3DHP benchmark, from poses (N, 17, 3) in mm.

PCK is the percentage of joints nearer than a threshold (strictly), relative to the pelvis. The AUC
of the tables is its mean over the 31 thresholds 0, 5, ..., 150 mm, 96.8 at best; that of the row of
metrics is the exact area. Means are over all joints of all frames together; those of no frames are
NaN.
"""

import numpy as np

from posepile.ds.tdhp.benchmark import ACTIVITIES, JOINT_GROUPS, N_COUNTED, ROOT, SCENES
from posepile.metrics.alignment import root_relative, similarity_aligned
from posepile.metrics.errors import joint_errors
from posepile.metrics.rates import AUC_THRESHOLDS, auc_scores, correct
from posepile.metrics.summary import GROUP_NAMES, summary_groups

_THRESHOLD = 150

OVERALL = ('PCK', 'AUC', 'MPJPE')
PROTOCOL_COLUMNS = (*ACTIVITIES, *SCENES, *OVERALL)

METRIC_NAMES = tuple(
    f'{name}{scene}' for names in GROUP_NAMES for scene in ('', ' outdoor') for name in names
)


def joint_distances(pred, true, procrustes=False) -> np.ndarray:
    """(N, 17) mm relative to the pelvis, on request after aligning scale, rotation, position."""
    pred, true = root_relative(pred, ROOT), root_relative(true, ROOT)
    return joint_errors(similarity_aligned(pred, true) if procrustes else pred, true)


def protocol_row(distances, activities, scenes) -> list[float]:
    """The numbers of ``PROTOCOL_COLUMNS``: PCK by activity and by scene, and of all.

    Args:
        distances: (N, 17) mm.
        activities: (N,) from 1.
        scenes: (N,) from 0.
    """
    counted = distances[:, :N_COUNTED]
    chosen = [activities == i + 1 for i in range(len(ACTIVITIES))]
    chosen += [scenes == i for i in range(len(SCENES))]
    return [*(pck_of(counted[rows]) for rows in chosen), *overall_row(distances)]


def overall_row(distances) -> list[float]:
    """PCK and AUC of the counted joints (percent), and the mean of all distances (mm)."""
    counted = distances[:, :N_COUNTED]
    return [pck_of(counted), auc_of(counted), _mean(distances)]


def group_row(distances) -> list[float]:
    """PCK of each of ``JOINT_GROUPS``."""
    return [pck_of(distances[:, list(joints)]) for joints in JOINT_GROUPS.values()]


def pck_of(distances) -> float:
    """Percentage below 150 mm."""
    return 100 * _mean(correct(distances, _THRESHOLD, inclusive=False))


def auc_of(distances) -> float:
    """Mean of the PCK over 0, 5, ..., 150 mm, in percent."""
    return 100 * _mean(auc_scores(distances, AUC_THRESHOLDS, inclusive=False))


def metric_row(pred, true, is_outdoor) -> list[float]:
    """The 38 numbers of ``METRIC_NAMES``, of all poses and of those outdoors.

    Those of :mod:`posepile.metrics.summary`; PCK and AUC count all 17 joints here.
    """
    of_all = summary_groups(pred, true, ROOT)
    of_outdoor = summary_groups(pred[is_outdoor], true[is_outdoor], ROOT)
    return [
        number
        for groups in zip(of_all, of_outdoor, strict=True)
        for group in groups
        for number in group
    ]


def _mean(values):
    return float(np.mean(values)) if np.size(values) else np.nan
