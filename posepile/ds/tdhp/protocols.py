"""The numbers of the MPI-INF-3DHP benchmark, from poses (N, 17, 3) in mm.

PCK is the percentage of joints nearer than a threshold (strictly), relative to the pelvis. The AUC
of the tables is its mean over the 31 thresholds 0, 5, ..., 150 mm, 96.8 at best; that of the row of
metrics is the exact area. Means are over all joints of all frames together; those of no frames are
NaN.
"""

import numpy as np

from posepile.ds.tdhp.benchmark import ACTIVITIES, JOINT_GROUPS, N_COUNTED, ROOT, SCENES
from posepile.metrics.alignment import root_relative, similarity_aligned
from posepile.metrics.errors import joint_errors, mpjpe, worst_joint_error
from posepile.metrics.rates import (
    AUC_THRESHOLDS,
    auc_scores,
    correct,
    exact_auc,
    exact_auc_scores,
    pck,
)

_THRESHOLD = 150

OVERALL = ('PCK', 'AUC', 'MPJPE')
PROTOCOL_COLUMNS = (*ACTIVITIES, *SCENES, *OVERALL)

_NEAR, _WORST, _ABSOLUTE = (50, 100, 150), (100, 150, 200), (150, 300)
METRIC_NAMES = (
    *(f'{name}{scene}' for scene in ('', ' outdoor') for name in ('MPJPE', 'PA-MPJPE', 'A-MPJPE')),
    *(f'{name}@{t}{scene}' for scene in ('', ' outdoor') for name in ('PCK', 'AUC') for t in _NEAR),
    *(
        f'{name}@{t}{scene}'
        for scene in ('', ' outdoor')
        for name in ('CPS', 'CPS-AUC')
        for t in _WORST
    ),
    *(
        f'{name}@{t}{scene}'
        for scene in ('', ' outdoor')
        for name in ('A-PCK', 'A-AUC')
        for t in _ABSOLUTE
    ),
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

    Errors are in mm, all others percentages. PCK and AUC count all 17 joints; CPS and CPS-AUC are
    the same of the worst joint of each pose; those called A are not relative to the pelvis.
    """
    parts = [(pred, true), (pred[is_outdoor], true[is_outdoor])]
    groups = zip(*(_metric_groups(p, t) for p, t in parts), strict=True)
    return [number for of_all, of_outdoor in groups for number in (*of_all, *of_outdoor)]


def _metric_groups(pred, true):
    """The numbers of one set of poses: errors, PCK and AUC, worst joints, absolute ones."""
    p, t = root_relative(pred, ROOT), root_relative(true, ROOT)
    worst = worst_joint_error(p, t)
    errors = [mpjpe(p, t), mpjpe(similarity_aligned(p, t), t), mpjpe(pred, true)]
    near = [pck(p, t, limit, inclusive=False) for limit in _NEAR]
    near += [exact_auc(p, t, limit) for limit in _NEAR]
    worst_rates = [correct(worst, limit, inclusive=False) for limit in _WORST]
    worst_rates += [exact_auc_scores(worst, limit) for limit in _WORST]
    absolute = [pck(pred, true, limit, inclusive=False) for limit in _ABSOLUTE]
    absolute += [exact_auc(pred, true, limit) for limit in _ABSOLUTE]
    yield [_mean(e) for e in errors]
    for rates in (near, worst_rates, absolute):
        yield [100 * _mean(r) for r in rates]


def _mean(values):
    return float(np.mean(values)) if np.size(values) else np.nan
