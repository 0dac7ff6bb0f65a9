"""The training loop's side: epochs, worker processes, and going on after an interruption."""

from torch.utils import data

from posepile.training.batch_memory import BatchMemory
from posepile.training.collate import stack_annotations
from posepile.training.forking import make_forks_safe, quiet_worker


class PoseLoader:
    """Iterate over the batches of an epoch; the next iteration is the next epoch.

    ``state_dict()`` may be called between any two batches. It counts the batches that the training
    loop has got, not those that workers have made ahead, so a loader that continues from it gives
    exactly the batches that would have come; also with another number of workers. With another
    number of ranks or batch size, it gives exactly the examples that would have come.

    Args:
        dataset: :class:`~posepile.training.PoseDataset`, or another with its ``image_shape`` and
            ``get_samples``; with a ``collate_fn``, any.
        schedule: :class:`~posepile.training.Schedule`.
        workers: processes that make batches; 0: this one does. They stay from epoch to epoch.
        collate_fn: list of samples to a batch; by default as :func:`~posepile.training.collate`,
            with images in memory of earlier batches that are no longer needed.
        pin_memory: for transfers to a GPU that overlap with its work (``non_blocking=True``).
        prefetch: batches that each worker makes ahead.
        context: ``'fork'``, ``'spawn'`` or ``'forkserver'``; None: the system's custom.
    """

    def __init__(
        self,
        dataset,
        schedule,
        *,
        workers=0,
        collate_fn=None,
        pin_memory=False,
        prefetch=2,
        context=None,
    ):
        make_forks_safe()
        self.schedule = schedule
        self._n_given = 0
        of_workers = dict(
            worker_init_fn=quiet_worker,
            prefetch_factor=prefetch,
            persistent_workers=True,
            multiprocessing_context=context,
        )
        if collate_fn is None:
            # Of each worker one is being made, so many are ready, and two are in use.
            dataset = _Batches(dataset, BatchMemory(prefetch + 3 if workers else 2))
            collate_fn = _as_it_is
        self._batches = data.DataLoader(
            dataset,
            batch_sampler=schedule,
            collate_fn=collate_fn,
            num_workers=workers,
            pin_memory=pin_memory,
            **(of_workers if workers > 0 else {}),
        )

    def __len__(self):
        """Batches that the epoch still has when an iteration begins."""
        return len(self.schedule)

    def __iter__(self):
        # An iteration that was left early counts as far as it got.
        self.schedule.load_state_dict(self.state_dict())
        self._n_given = 0
        n_batches = len(self.schedule)
        for batch in self._batches:
            self._n_given += 1
            if self._n_given == n_batches:
                self._finish()
            yield batch
        if n_batches == 0:  # this rank has no part in what is left of the epoch
            self._finish()

    def _finish(self):
        self.schedule.load_state_dict(dict(epoch=self.schedule.epoch + 1, position=0))
        self._n_given = 0

    def state_dict(self) -> dict:
        """``{'epoch', 'position'}``, to save with the network. The same on all ranks."""
        return self.schedule.state_after(self._n_given)

    def load_state_dict(self, state):
        """Continue there with the next iteration."""
        self.schedule.load_state_dict(state)
        self._n_given = 0


class _Batches(data.Dataset):
    """A dataset whose items, asked for in batches, are whole batches."""

    def __init__(self, dataset, memory):
        self.dataset = dataset
        self.memory = memory

    def __getitems__(self, keys):
        images = self.memory.take((len(keys), *self.dataset.image_shape))
        samples = self.dataset.get_samples(keys, images)
        return self.memory.pack(images, stack_annotations(samples))


def _as_it_is(batch):
    return batch
