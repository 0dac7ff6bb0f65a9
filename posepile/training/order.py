"""In which order examples come: every position of every epoch has its example, computed directly.

An order has a ``length`` (positions per epoch) and ``keys(epoch, positions)``: for (N,) positions,
an (N, 3) int64 array of keys (dataset, index in it, visit). ``visit`` counts how often the example
has come up before, and thereby selects its augmentation.
"""

import functools

import numpy as np

from posepile.training.permutation import Permutation


class SequentialOrder:
    """One dataset after the other, each from its first to its last example. For evaluation.

    Args:
        sizes: number of examples of each dataset.
    """

    def __init__(self, sizes):
        self.sizes = [int(n) for n in sizes]
        self.length = sum(self.sizes)
        self._ends = np.cumsum(self.sizes, dtype=np.int64)

    def keys(self, epoch, positions) -> np.ndarray:
        """See the module's text. Raises IndexError for positions beyond the end."""
        positions = np.asarray(positions, np.int64)
        if positions.size and not (positions.min() >= 0 and positions.max() < self.length):
            raise IndexError(f'positions must be in 0 .. {self.length - 1}')
        dataset = np.searchsorted(self._ends, positions, side='right')
        starts = self._ends - self.sizes
        return np.stack(
            [dataset, positions - starts[dataset], np.full_like(positions, epoch)], axis=-1
        )


class ShuffledOrder:
    """All examples of all datasets, each once per epoch, in another order in each epoch.

    Args:
        sizes: number of examples of each dataset.
    """

    def __init__(self, sizes, seed=0):
        self.seed = int(seed)
        self._sequence = SequentialOrder(sizes)
        self.sizes, self.length = self._sequence.sizes, self._sequence.length

    def keys(self, epoch, positions) -> np.ndarray:
        """See the module's text. Raises IndexError for positions beyond the end."""
        permutation = shuffling(self.length, self.seed, int(epoch))
        return self._sequence.keys(epoch, permutation(positions))


@functools.lru_cache(maxsize=256)
def shuffling(n, *key) -> Permutation:
    """The :class:`Permutation`; those used lately are kept, as drawing the key takes time."""
    return Permutation(n, *key)
