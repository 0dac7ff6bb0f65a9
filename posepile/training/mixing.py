"""Mixing datasets in given proportions, whatever their sizes."""

import functools
from fractions import Fraction

import numpy as np

from posepile.training.order import shuffling

_LEAST_BLOCK = 256
_LARGEST_BLOCK = 1 << 20
#: Tells the permutations of blocks from those of datasets, which have a small number here.
_BLOCKS = 1 << 32


class MixedOrder:
    """Datasets in given proportions; each in its own shuffled order, over epochs of its own.

    The sequence consists of blocks. How many positions of its blocks a dataset has got up to any
    block's end differs by less than one from its exact share; within a block they are shuffled.
    So which example comes at a position is known without walking there. Between two visits of
    an example, all others of its dataset come up.

    Args:
        sizes: number of examples of each dataset.
        weights: their proportions, positive, in any unit.
        length: positions per epoch, by default as many as there are examples. The next epoch
            goes on where this one ended.

    Raises:
        ValueError: if a dataset is empty, a weight not positive, or one so small that its
            dataset would come up less than once in a million.
    """

    def __init__(self, sizes, weights, length=None, seed=0):
        self.sizes = [int(n) for n in sizes]
        self.length = sum(self.sizes) if length is None else int(length)
        self.seed = int(seed)
        shares = [Fraction(w) for w in weights]
        if len(shares) != len(self.sizes) or not shares:
            raise ValueError(f'{len(shares)} weights for {len(self.sizes)} datasets')
        if min(self.sizes) < 1 or min(shares) <= 0 or self.length < 1:
            raise ValueError('sizes, weights and length must be positive')
        self._shares = [share / sum(shares) for share in shares]
        # At least one position for each in a block: then rounding never takes one back.
        self._block = max(_LEAST_BLOCK, int(np.ceil(1 / min(self._shares))))
        if self._block > _LARGEST_BLOCK:
            raise ValueError(f'the smallest weight is {float(min(self._shares)):.1e} of their sum')
        self._choices_of_block = functools.lru_cache(maxsize=4)(self._choose)

    def keys(self, epoch, positions) -> np.ndarray:
        """See :mod:`posepile.training.order`. Raises IndexError for positions beyond the end."""
        positions = np.asarray(positions, np.int64)
        if positions.size and not (positions.min() >= 0 and positions.max() < self.length):
            raise IndexError(f'positions must be in 0 .. {self.length - 1}')
        dataset, turn = self._choices(int(epoch) * self.length + positions.ravel())
        keys = np.empty((len(turn), 3), np.int64)
        for d in np.unique(dataset):
            here = dataset == d
            visit, place = np.divmod(turn[here], self.sizes[d])
            index = np.empty_like(place)
            for v in np.unique(visit):
                now = visit == v
                index[now] = shuffling(self.sizes[d], self.seed, int(v), int(d))(place[now])
            keys[here] = np.stack([np.full_like(index, d), index, visit], axis=-1)
        return keys.reshape(*positions.shape, 3)

    def _choices(self, places):
        """Which dataset's turn it is at places of the endless sequence, and its how-manieth."""
        blocks, slots = np.divmod(places, self._block)
        dataset, turn = np.empty_like(places), np.empty_like(places)
        for block in np.unique(blocks):
            here = blocks == block
            choices, turns = self._choices_of_block(int(block))
            dataset[here], turn[here] = choices[slots[here]], turns[slots[here]]
        return dataset, turn

    def _choose(self, block):
        before, after = self._totals(block), self._totals(block + 1)
        counts = [b - a for a, b in zip(before, after, strict=True)]
        permutation = shuffling(self._block, self.seed, block, _BLOCKS)
        choices = np.repeat(np.arange(len(counts)), counts)[permutation(np.arange(self._block))]
        turns = np.empty_like(choices)
        for d, first in enumerate(before):
            turns[choices == d] = first + np.arange(counts[d])
        return choices, turns

    def _totals(self, n_blocks):
        """Positions of each dataset in the first blocks: shares rounded by largest remainders."""
        exact = [n_blocks * self._block * share for share in self._shares]
        totals = [int(x) for x in exact]
        missing = n_blocks * self._block - sum(totals)
        by_remainder = sorted(range(len(exact)), key=lambda d: (totals[d] - exact[d], d))
        for d in by_remainder[:missing]:
            totals[d] += 1
        return totals

    def __getstate__(self):
        state = dict(self.__dict__)
        del state['_choices_of_block']
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._choices_of_block = functools.lru_cache(maxsize=4)(self._choose)
