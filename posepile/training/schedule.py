"""Batches of an order: which rank gets which, and how to go on after an interruption."""

import numpy as np


class Schedule:
    """The batches of one rank, as lists of keys for :class:`~posepile.training.PoseDataset`.

    Step s of an epoch covers the next ``batch_size * world_size`` positions of the order, which
    the ranks take in turns. So all ranks together see every position of an epoch once. It is
    also a ``batch_sampler`` for PyTorch's DataLoader; iterating goes over the current epoch, from
    the position at which it stands, and does not change it.

    Args:
        order: see :mod:`posepile.training.order`.
        batch_size: examples per batch and rank.
        drop_last: leave out what does not fill a batch on every rank. Without it the last batches
            are smaller, and some ranks may have one step less.

    Attributes:
        epoch: current epoch.
        position: positions of it that were used before, by all ranks together.

    Raises:
        ValueError: if ``rank`` is not below ``world_size``, ``batch_size`` is not positive, or
            ``drop_last`` would leave nothing.
    """

    def __init__(self, order, batch_size, *, rank=0, world_size=1, drop_last=False):
        if not 0 <= rank < world_size:
            raise ValueError(f'rank {rank} of {world_size}: ranks are 0 .. {world_size - 1}')
        if batch_size < 1:
            raise ValueError(f'batch_size is {batch_size}')
        if drop_last and order.length < batch_size * world_size:
            raise ValueError(
                f'{order.length} examples do not fill a batch of {batch_size} on {world_size} ranks'
            )
        self.order = order
        self.batch_size = int(batch_size)
        self.rank, self.world_size = int(rank), int(world_size)
        self.drop_last = drop_last
        self.epoch = self.position = 0

    def __len__(self):
        """Batches of this rank that the epoch still has."""
        remaining = self.order.length - self.position
        if self.drop_last:
            return max(0, remaining // self._step)
        own = max(0, -(-(remaining - self.rank) // self.world_size))
        return -(-own // self.batch_size)

    def batch(self, i) -> list[tuple[int, int, int]]:
        """The ``i``-th batch from the current position: keys (dataset, index, visit)."""
        if not 0 <= i < len(self):
            raise IndexError(f'batch {i} of {len(self)}')
        first = self.position + i * self._step + self.rank
        positions = first + self.world_size * np.arange(self.batch_size)
        keys = self.order.keys(self.epoch, positions[positions < self.order.length])
        return [tuple(key) for key in keys.tolist()]

    def __iter__(self):
        return (self.batch(i) for i in range(len(self)))

    def state_after(self, n_batches) -> dict:
        """State of the training after this many batches, counted from the current position.

        It is the same on all ranks, and may be loaded with another number of ranks or another
        batch size.
        """
        position = self.position + n_batches * self._step
        still_to_come = self.order.length - position
        if still_to_come < (self._step if self.drop_last else 1):
            return dict(epoch=self.epoch + 1, position=0)
        return dict(epoch=self.epoch, position=position)

    def state_dict(self) -> dict:
        """The current epoch and position."""
        return dict(epoch=self.epoch, position=self.position)

    def load_state_dict(self, state):
        """Go to the epoch and position of a state.

        Raises:
            ValueError: if they are not of this order.
        """
        epoch, position = int(state['epoch']), int(state['position'])
        if epoch < 0 or not 0 <= position <= self.order.length:
            raise ValueError(
                f'epoch {epoch}, position {position}: the order has {self.order.length} positions'
            )
        self.epoch, self.position = epoch, position

    @property
    def _step(self):
        return self.batch_size * self.world_size
