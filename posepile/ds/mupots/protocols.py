"""The numbers of the MuPoTS-3D benchmark, from poses of people who are matched.

Distances are relative to the pelvis, or absolute; to the height-normalised ("universal") poses or
to those in mm; and of predictions as they are, or with each bone as long as the true one. PCK is
the percentage of joints nearer than 150 mm (strictly), AUC its mean over the thresholds 0, 5, ...,
150 mm, both of the 14 joints without pelvis, spine and head.

A number of a sequence is the mean over its matched people. With "all", people who are not matched
have none of their joints right, so it is less by the share that is matched. The final number is
the mean over the sequences that have annotated people, each counting alike.
"""

import itertools
from typing import NamedTuple

import numpy as np

from posepile.ds.mupots import tree
from posepile.ds.tdhp.benchmark import N_COUNTED, ROOT
from posepile.metrics.aggregation import group_means
from posepile.metrics.alignment import root_relative
from posepile.metrics.errors import joint_errors
from posepile.metrics.rates import AUC_THRESHOLDS, auc_scores, correct

THRESHOLD = 150
#: (joint, parent), parents first: by the order of ``TEST_JOINTS``.
BONES = (
    (15, 14), (1, 15), (0, 1), (16, 1), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6),
    (8, 14), (9, 8), (10, 9), (11, 14), (12, 11), (13, 12),
)  # fmt: skip

#: The joints that each mean error is over: all but pelvis, spine, head; all but the pelvis; all.
_ERRORS = {
    'MPJPE14': list(range(N_COUNTED)),
    'MPJPE16': [*range(N_COUNTED), 15, 16],
    'MPJPE17': list(range(17)),
}
SCORE_NAMES = (*_ERRORS, 'PCK', 'AUC')


class Comparison(NamedTuple):
    """How predictions are compared with the truth; see above."""

    universal: bool
    relative: bool
    rescaled: bool

    def __str__(self):
        words = (
            'universal' if self.universal else 'annot3',
            'relative' if self.relative else 'absolute',
            *(['rescaled'] if self.rescaled else []),
        )
        return ', '.join(words)


COMPARISONS = tuple(Comparison(*c) for c in itertools.product((True, False), repeat=3))


def with_bone_lengths(pred, true) -> np.ndarray:
    """(N, 17, 3) predictions in which each bone has the length that it has in the truth.

    Bones keep their directions, and pelvises their places. A bone without length, and hence
    without a direction, stays so.
    """
    result = np.array(pred, np.float64)
    for joint, parent in BONES:
        bone = pred[:, joint] - pred[:, parent]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        wanted = np.linalg.norm(true[:, joint] - true[:, parent], axis=-1, keepdims=True)
        factor = np.divide(wanted, length, out=np.zeros_like(length), where=length > 0)
        result[:, joint] = result[:, parent] + factor * bone
    return result


def joint_distances(pred, truth, rows, comparison) -> np.ndarray:
    """(M, 17) mm.

    Args:
        pred: (M, 17, 3) matched predictions.
        truth: the :class:`~posepile.ds.mupots.benchmark.GroundTruth`.
        rows: (M,) whom of it they are matched to.
    """
    true = (truth.univ_joints if comparison.universal else truth.joints)[rows]
    if comparison.rescaled:
        pred = with_bone_lengths(pred, true)
    if comparison.relative:
        pred, true = root_relative(pred, ROOT), root_relative(true, ROOT)
    return joint_errors(pred, true)


def scores(distances) -> dict[str, np.ndarray]:
    """(M,) values of ``SCORE_NAMES``: errors in mm, then percentages."""
    counted = distances[:, :N_COUNTED]
    return {
        **{name: distances[:, joints].mean(axis=1) for name, joints in _ERRORS.items()},
        'PCK': 100 * correct(counted, THRESHOLD, inclusive=False).mean(axis=1),
        'AUC': 100 * auc_scores(counted, AUC_THRESHOLDS, inclusive=False).mean(axis=1),
    }


class SequenceMeans:
    """Means over the people of each sequence.

    Args:
        sequences: (N,) of the annotated people.
        is_matched: (N,) bool.
    """

    def __init__(self, sequences, is_matched):
        self._of_matched = sequences[is_matched]
        numbers = [*tree.SEQUENCES]
        self.n_annotated = np.array([np.sum(sequences == i) for i in numbers])
        self.n_matched = np.array([np.sum(self._of_matched == i) for i in numbers])

    @property
    def recall(self) -> float:
        """Percentage of the annotated people of all sequences who are matched."""
        return 100 * float(self.n_matched.sum() / self.n_annotated.sum())

    def matched(self, values) -> np.ndarray:
        """(20,) means over the matched people; NaN where there is none.

        Args:
            values: (M,) of the matched people.
        """
        means = group_means(values, self._of_matched, order=tree.SEQUENCES)
        return np.array(list(means.values()))

    def all(self, rates) -> np.ndarray:
        """(20,) means over the annotated people, who count as 0 if they are not matched.

        Sequences without annotated people are NaN.
        """
        is_there = self.n_annotated > 0
        share = np.divide(
            self.n_matched, self.n_annotated, out=np.full(len(is_there), np.nan), where=is_there
        )
        return np.where(self.n_matched > 0, self.matched(rates) * share, 0 * share)

    def final(self, means) -> float:
        """Mean over the sequences with annotated people; NaN if one of them has no value."""
        return float(np.mean(means[self.n_annotated > 0]))
