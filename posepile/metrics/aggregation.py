"""Means over poses: over all of them, or by sequence, activity, person or any other label."""

import math

import numpy as np

from posepile.metrics.table import Table

AVERAGE = 'Average'


class Scores:
    """Values of metrics for each of many poses, and what each pose belongs to.

    ::

        scores = Scores()
        for sequence in sequences:
            scores.add({'MPJPE': mpjpe(pred, true)}, sequence=sequence.name, activity=activities)
        print(scores.table('sequence'))

    A value is a number per pose, or several, such as the error of each joint: their means are
    over all numbers alike, so that (N, J) errors weight a pose by its joints that count. NaN never
    count; a mean of nothing is NaN. Replace NaN before adding where a protocol penalises them.
    """

    def __init__(self):
        self._values = {}
        self._labels = {}
        self._n = 0

    def __len__(self):
        return self._n

    def add(self, values, **labels):
        """Add N poses.

        Args:
            values: dict of names to (N, ...) arrays or tensors; always the same names.
            labels: (N) each, or one for all N poses; always the same.

        Raises:
            ValueError: if names or lengths disagree.
        """
        values = {name: _to_numpy(v) for name, v in values.items()}
        lengths = {len(v) for v in values.values()}
        if len(lengths) != 1:
            raise ValueError(f'Metrics with different numbers of poses: {sorted(lengths)}')
        [n] = lengths
        labels = {
            name: np.broadcast_to(np.asarray(label, object), n) for name, label in labels.items()
        }
        for store, new in ((self._values, values), (self._labels, labels)):
            if self._n and store.keys() != new.keys():
                raise ValueError(f'{sorted(new)} instead of {sorted(store)}')
            for name, array in new.items():
                store.setdefault(name, []).append(array)
        self._n += n

    def values(self, name) -> np.ndarray:
        """(N, ...) values of a metric, in the order in which they were added."""
        return np.concatenate(self._values[name])

    def mean(self, name) -> float:
        """Mean of a metric over all poses."""
        return group_means(self.values(name), np.zeros(self._n))[0.0] if self._n else np.nan

    def by(self, label, name, order=None) -> dict:
        """Mean of a metric for each value of a label; see :func:`group_means`."""
        return group_means(self.values(name), np.concatenate(self._labels[label]), order)

    def table(self, label, order=None, average='poses', decimals=1) -> Table:
        """Means of all metrics for each value of a label, and their average.

        Args:
            label: name of the label.
            order: its values in the order of the rows; by default that of their first occurrence.
            average: what the last row is the mean over: 'poses', or 'groups' (each group that has
                a value counting alike), or None for no such row.
        """
        means = {name: self.by(label, name, order) for name in self._values}
        groups = list(next(iter(means.values())))
        rows = {str(group): [means[name][group] for name in means] for group in groups}
        if average == 'poses':
            rows[AVERAGE] = [self.mean(name) for name in means]
        elif average == 'groups':
            rows[AVERAGE] = [mean(list(means[name].values())) for name in means]
        elif average is not None:
            raise ValueError(f'average: {average!r}')
        return Table(list(means), rows, decimals)


def group_means(values, groups, order=None) -> dict:
    """Mean of the values of each group.

    Args:
        values: (N, ...); NaN do not count.
        groups: (N) labels.
        order: the groups wanted, in this order; by default all, as they first occur.

    Returns:
        dict of labels to floats, NaN for a group without values.
    """
    values = _to_numpy(values)
    values = values.reshape(len(groups), math.prod(values.shape[1:]))  # not -1: there may be none
    numbers = {}
    of_pose = np.array([numbers.setdefault(g, len(numbers)) for g in _plain(groups)], int)
    counts = ~np.isnan(values)
    totals = np.bincount(of_pose, np.where(counts, values, 0).sum(axis=1), len(numbers))
    n = np.bincount(of_pose, counts.sum(axis=1), len(numbers))
    means = np.divide(totals, n, out=np.full(len(numbers), np.nan), where=n > 0)
    wanted = numbers if order is None else order
    return {g: float(means[numbers[g]]) if g in numbers else np.nan for g in wanted}


def mean(values) -> float:
    """Mean of all numbers that are not NaN; NaN if there is none."""
    values = _to_numpy(values)
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _plain(labels):
    return labels.tolist() if isinstance(labels, np.ndarray) else list(labels)


def _to_numpy(values):
    if hasattr(values, 'detach'):  # a tensor, perhaps of another device
        values = values.detach().cpu().numpy()
    return np.asarray(values, np.float64)
