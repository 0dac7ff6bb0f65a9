"""A row of 19 metrics in which several benchmarks sum up their poses.

The errors are in mm, all others are percentages. PCK is the share of joints that are nearer than a
threshold (strictly), AUC the area under its curve from 0 to there; CPS and CPS-AUC are the same of
the worst joint of each pose. All joints count, the root too. All are relative to the root but
those called A (absolute). Means are over all joints of all poses together.

As reported by Sárándi, Hermans and Leibe, "Learning 3D Human Pose Estimation from Dozens of
Datasets using a Geometry-Aware Autoencoder to Bridge Between Skeleton Formats", WACV 2023.
"""

import itertools

from posepile.metrics.aggregation import mean
from posepile.metrics.alignment import root_relative, similarity_aligned
from posepile.metrics.errors import mpjpe, worst_joint_error
from posepile.metrics.rates import correct, exact_auc, exact_auc_scores, pck

_NEAR, _WORST, _ABSOLUTE = (50, 100, 150), (100, 150, 200), (150, 300)

#: Names of the numbers: errors, rates, rates of the worst joints, absolute rates.
GROUP_NAMES = (
    ('MPJPE', 'PA-MPJPE', 'A-MPJPE'),
    tuple(f'{name}@{t}' for name in ('PCK', 'AUC') for t in _NEAR),
    tuple(f'{name}@{t}' for name in ('CPS', 'CPS-AUC') for t in _WORST),
    tuple(f'{name}@{t}' for name in ('A-PCK', 'A-AUC') for t in _ABSOLUTE),
)
SUMMARY_NAMES = tuple(itertools.chain(*GROUP_NAMES))


def summary_row(pred, true, i_root, align=similarity_aligned) -> list[float]:
    """The numbers named in ``SUMMARY_NAMES``.

    Args:
        pred, true: (N, J, 3) poses in mm.
        i_root: number of the root joint, or several whose middle is the root.
        align: function of root-relative predictions and truth, which PA-MPJPE aligns by.
    """
    return list(itertools.chain(*summary_groups(pred, true, i_root, align)))


def summary_groups(pred, true, i_root, align=similarity_aligned) -> list[list[float]]:
    """The same, in the groups of ``GROUP_NAMES``; NaN if there are no poses."""
    p, t = root_relative(pred, i_root), root_relative(true, i_root)
    worst = worst_joint_error(p, t)
    errors = [mpjpe(p, t), mpjpe(align(p, t), t), mpjpe(pred, true)]
    near = [pck(p, t, limit, inclusive=False) for limit in _NEAR]
    near += [exact_auc(p, t, limit) for limit in _NEAR]
    worst_rates = [correct(worst, limit, inclusive=False) for limit in _WORST]
    worst_rates += [exact_auc_scores(worst, limit) for limit in _WORST]
    absolute = [pck(pred, true, limit, inclusive=False) for limit in _ABSOLUTE]
    absolute += [exact_auc(pred, true, limit) for limit in _ABSOLUTE]
    rates = [[100 * mean(r) for r in group] for group in (near, worst_rates, absolute)]
    return [[mean(e) for e in errors], *rates]
