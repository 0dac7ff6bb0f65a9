"""The tables of the official evaluation, a MATLAB program that comes with the release.

It compares poses relative to the pelvis, with rescaled bones, with the universal ones. With "all",
the joints of people who are not matched are 100 m off; with "matched", these people do not count.
The 14 joints are also told apart by whether they are labelled as occluded. The mean is over the
sequences that have such joints, each counting alike.
"""

import numpy as np

from posepile.ds.mupots import tree
from posepile.ds.mupots.protocols import THRESHOLD, Comparison, joint_distances
from posepile.ds.tdhp.benchmark import JOINT_GROUPS, N_COUNTED
from posepile.metrics.aggregation import mean
from posepile.metrics.rates import AUC_THRESHOLDS, auc_scores, correct
from posepile.metrics.table import Table

COMPARISON = Comparison(universal=True, relative=True, rescaled=True)
UNMATCHED = 100_000.0  # mm
COLUMNS = (*JOINT_GROUPS, 'PCK', 'AUC', 'MPJPE')
MEAN = 'Mean'


def official_tables(truth, is_matched, pred, is_occluded) -> dict[str, Table]:
    """The tables by name: ``all``, ``all visible``, ..., ``matched occluded``.

    Args:
        truth: the :class:`~posepile.ds.mupots.benchmark.GroundTruth`, N people.
        is_matched: (N,) bool.
        pred: (M, 17, 3) poses of those who are matched.
        is_occluded: (N, 17) bool.
    """
    distances = np.full((len(is_matched), N_COUNTED), UNMATCHED)
    distances[is_matched] = joint_distances(pred, truth, is_matched, COMPARISON)[:, :N_COUNTED]
    hidden = is_occluded[:, :N_COUNTED]
    wanted = {'': np.ones_like(hidden), ' visible': ~hidden, ' occluded': hidden}
    modes = {'all': np.ones_like(is_matched), 'matched': is_matched}
    return {
        f'{mode}{which}': _table(f'{mode}{which}', distances, truth.sequences, people, joints)
        for mode, people in modes.items()
        for which, joints in wanted.items()
    }


def _table(name, distances, sequences, is_counted, wanted):
    """Rows of the sequences and their mean.

    Args:
        name: what the names of the rows end with.
        distances: (N, 14) mm.
        sequences: (N,).
        is_counted: (N,) bool, which people count.
        wanted: (N, 14) bool, which joints count.
    """
    known = np.where(wanted & is_counted[:, np.newaxis], distances, np.nan)
    rows = {f'TS{i}, {name}': _row(known[sequences == i]) for i in tree.SEQUENCES}
    numbers = np.array(list(rows.values()))
    # Where there are such joints, and not whether somebody with them was found.
    are_there = ~np.isnan(
        [_row(np.where(wanted, 0, np.nan)[sequences == i]) for i in tree.SEQUENCES]
    )
    rows[f'{MEAN}, {name}'] = [
        float(np.mean(column[there])) if there.any() else np.nan
        for column, there in zip(numbers.T, are_there.T, strict=True)
    ]
    return Table(COLUMNS, rows)


def _row(distances):
    """The numbers of ``COLUMNS``, NaN where no joints count."""
    is_near = correct(distances, THRESHOLD, inclusive=False)
    areas = auc_scores(distances, AUC_THRESHOLDS, inclusive=False)
    groups = [100 * mean(is_near[:, list(joints)]) for joints in JOINT_GROUPS.values()]
    return [*groups, 100 * mean(is_near), 100 * mean(areas), mean(distances)]
