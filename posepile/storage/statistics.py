"""What the examples of a split are like together: bones, boxes, missing joints.

Lengths are counted in bins whose borders grow by 3 %, so the memory needed does not depend on the
number of examples and percentiles are exact to that much.
"""

from dataclasses import dataclass

import numpy as np

_LEAST, _GROWTH, _N_BINS = 0.1, 1.03, 512  # 0.1 to 375,000 mm or px
_FEW = 20  # fewer examples say little about their like
_MOST_SPREAD = 3  # longest to shortest one per cent of a bone's lengths
_MOST_ASYMMETRY = 1.15
_MOST_DIFFERENCE = 1.25  # of mean lengths between splits


class Histogram:
    """Counts of positive numbers in ``n`` columns."""

    def __init__(self, n):
        self._counts = np.zeros((n, _N_BINS), np.int64)
        self._sums = np.zeros(n)

    def add(self, values):
        """Count (N, n) values; NaNs are passed over."""
        is_valid = np.isfinite(values)
        safe = np.where(is_valid, values, 1.0).astype(np.float64)
        self._sums += np.where(is_valid, safe, 0).sum(axis=0)
        bins = np.log(np.maximum(safe, _LEAST) / _LEAST) / np.log(_GROWTH)
        bins = np.minimum(bins.astype(np.int64), _N_BINS - 1)
        flat = (np.arange(len(self._counts)) * _N_BINS + bins)[is_valid]
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)

    @property
    def n(self):
        """(n,) how many were counted."""
        return self._counts.sum(axis=1)

    def mean(self):
        """(n,) means; NaN where nothing was counted."""
        return np.where(self.n > 0, self._sums / np.maximum(self.n, 1), np.nan)

    def percentile(self, percent):
        """(n,) percentiles; NaN where nothing was counted."""
        reached = np.cumsum(self._counts, axis=1) >= np.maximum(self.n * percent / 100, 1)[:, None]
        middles = _LEAST * _GROWTH ** (np.argmax(reached, axis=1) + 0.5)
        return np.where(self.n > 0, middles, np.nan)


@dataclass
class ExampleNumbers:
    """The numbers of one example that statistics are made of."""

    split: str
    is_valid: np.ndarray  # (J,) bool
    bones: np.ndarray  # (E,) mm, NaN where unknown; of shape (0,) in 2D
    box_sides: np.ndarray  # (2,) px
    has_mask: bool


class SplitStatistics:
    """Statistics of the examples of one split."""

    def __init__(self, joint_info):
        self._joint_info = joint_info
        self.n = 0
        self._n_masks = 0
        self._n_valid = np.zeros(joint_info.n_joints, np.int64)
        self.bones = Histogram(len(joint_info.stick_figure_edges))
        self._boxes = Histogram(2)

    def add(self, numbers: list[ExampleNumbers]):
        self.n += len(numbers)
        self._n_masks += sum(example.has_mask for example in numbers)
        self._n_valid += np.sum([example.is_valid for example in numbers], axis=0)
        with_bones = [example.bones for example in numbers if len(example.bones)]
        if with_bones:
            self.bones.add(np.stack(with_bones))
        self._boxes.add(np.stack([example.box_sides for example in numbers]))

    def as_dict(self) -> dict:
        """Plain data: shares from 0 to 1, lengths in mm, boxes in px."""
        info = self._joint_info
        missing = 1 - self._n_valid / max(self.n, 1)
        return dict(
            examples=self.n,
            share_with_mask=round(self._n_masks / max(self.n, 1), 4),
            share_of_missing_joints=round(float(np.mean(missing)), 4) if len(missing) else 0.0,
            missing_by_joint={
                str(name): round(float(share), 4)
                for name, share in zip(info.names, missing, strict=True)
                if share > 0
            },
            box_width=_summary(self._boxes)[0],
            box_height=_summary(self._boxes)[1],
            bones={
                bone: summary
                for bone, summary in zip(self._bone_names(), _summary(self.bones), strict=True)
                if summary is not None
            },
        )

    def warnings(self):
        """Yield (check, message) of what is suspicious."""
        if self.n < _FEW:
            return
        never = [str(self._joint_info.names[j]) for j in np.flatnonzero(self._n_valid == 0)]
        if 0 < len(never) < len(self._n_valid):
            yield 'statistics', f'never valid: {", ".join(never)}'
        low, high = self.bones.percentile(1), self.bones.percentile(99)
        for bone, shortest, longest in zip(self._bone_names(), low, high, strict=True):
            if longest > _MOST_SPREAD * shortest:
                yield 'statistics', f'the bone {bone} is {shortest:.0f} to {longest:.0f} mm long'
        yield from self._asymmetries()

    def _asymmetries(self):
        edges = [tuple(edge) for edge in self._joint_info.stick_figure_edges]
        mirror = self._joint_info.mirror_mapping
        means, ns = self.bones.mean(), self.bones.n
        index = {frozenset(edge): i for i, edge in enumerate(edges)}
        for i, (start, end) in enumerate(edges):
            other = index.get(frozenset((mirror[start], mirror[end])), i)
            if i < other and min(ns[i], ns[other]) >= _FEW:
                ratio = max(means[i], means[other]) / max(min(means[i], means[other]), 1e-9)
                if ratio > _MOST_ASYMMETRY:
                    names = self._bone_names()
                    message = f'{names[i]} is {means[i]:.0f} mm long, '
                    yield 'statistics', message + f'{names[other]} {means[other]:.0f} mm'

    def _bone_names(self):
        names = self._joint_info.names
        return [f'{names[i]}-{names[j]}' for i, j in self._joint_info.stick_figure_edges]

    def differences(self, other):
        """Yield (check, message) of bones whose mean length is another than in another split."""
        is_known = np.minimum(self.bones.n, other.bones.n) >= _FEW
        ours, theirs = self.bones.mean(), other.bones.mean()
        for i in np.flatnonzero(is_known):
            if max(ours[i], theirs[i]) > _MOST_DIFFERENCE * min(ours[i], theirs[i]):
                message = f'{self._bone_names()[i]} is {ours[i]:.0f} mm long, but '
                yield 'statistics', message + f'{theirs[i]:.0f} mm there'


def bone_lengths(coords, edges) -> np.ndarray:
    """(E,) lengths of bones in mm of (J, 3) joints; NaN where an end is missing."""
    return np.linalg.norm(coords[edges[:, 0]] - coords[edges[:, 1]], axis=1)


def _summary(histogram):
    """For each column mean and percentiles, None where nothing was counted."""
    columns = {'mean': histogram.mean()}
    for percent in (1, 50, 99):
        columns[f'p{percent}'] = histogram.percentile(percent)
    return [
        {name: round(float(values[i]), 2) for name, values in columns.items()} if n else None
        for i, n in enumerate(histogram.n)
    ]
