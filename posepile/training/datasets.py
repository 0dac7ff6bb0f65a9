"""Packed datasets as PyTorch datasets: by key, and as a stream of batches."""

import numpy as np
from torch.utils import data

from posepile.storage.lazy import load_all
from posepile.training.augmentation import RandomView
from posepile.training.collate import collate
from posepile.training.forking import make_forks_safe, quiet_worker
from posepile.training.order import SequentialOrder
from posepile.training.samples import make_sample
from posepile.training.skeleton import JointMap, common_skeleton
from posepile.util import TRAIN


class PoseDataset(data.Dataset):
    """One split of one or more datasets, as samples.

    An item is asked for by its key (dataset, index in it, visit), as orders and schedules give
    them, or by its place among all examples, which means the visit 0. A sample depends on the
    key and on ``seed`` alone.

    Args:
        datasets: 3D and 2D datasets, packed or in memory.
        split: TRAIN, VALID or TEST.
        view: distribution of views, by default :class:`RandomView`; for evaluation
            ``RandomView.fixed()``.
        effects: see :mod:`~posepile.training.appearance` and
            :mod:`~posepile.training.occlusion`, applied in this order.
        joint_info: skeleton of the samples, by default all joints of all datasets. Joints are
            matched by name.
        with_mask: samples have masks.

    Attributes:
        joint_info: skeleton of the samples.
        sizes: number of examples of each dataset.

    Raises:
        ValueError: if a dataset has no joint of the skeleton.
    """

    def __init__(
        self,
        datasets,
        split=TRAIN,
        *,
        view=None,
        effects=(),
        seed=0,
        joint_info=None,
        with_mask=False,
    ):
        make_forks_safe()
        datasets = list(datasets)
        if joint_info is None:
            joint_info = common_skeleton(ds.joint_info for ds in datasets)
        self.joint_info = joint_info
        self.view = RandomView() if view is None else view
        self.effects = list(effects)
        self.seed = seed
        self.with_mask = with_mask
        self._examples = [ds.examples[split] for ds in datasets]
        self._joint_maps = [JointMap(ds.joint_info, joint_info) for ds in datasets]
        self.sizes = [len(examples) for examples in self._examples]
        self._order = SequentialOrder(self.sizes)

    def __len__(self):
        return sum(self.sizes)

    def __getitem__(self, key):
        """The sample as a dict of arrays, see :func:`~posepile.training.samples.make_sample`.

        It also has its ``key``, (3,) int64.

        Raises:
            ArchiveError: if the example is damaged.
        """
        if isinstance(key, (int, np.integer)):
            key = self._order.keys(0, np.array([key + len(self) if key < 0 else key]))[0]
        dataset, index, visit = (int(k) for k in key)
        return self._sample(self._examples[dataset][index].load(), (dataset, index, visit))

    def __getitems__(self, keys):
        """The samples of several keys, see :meth:`get_samples`."""
        return self.get_samples(keys)

    def get_samples(self, keys, images=None) -> list:
        """The samples of several keys, (dataset, index, visit) each.

        Args:
            images: (N, side, side, 3) uint8, into which their images are written.

        Raises:
            ArchiveError: if an example is damaged.
        """
        stand_ins = (self._examples[dataset][index] for dataset, index, _ in keys)
        examples = load_all(stand_ins, keep_images=False)
        outs = [None] * len(keys) if images is None else images
        return [
            self._sample(example, tuple(int(k) for k in key), out)
            for example, key, out in zip(examples, keys, outs, strict=True)
        ]

    @property
    def image_shape(self):
        """(side, side, 3) of the images of samples."""
        return self.view.side, self.view.side, 3

    def _sample(self, example, key, out=None):
        sample = make_sample(
            example,
            self.view,
            self.joint_info.mirror_mapping,
            self._joint_maps[key[0]],
            self.effects,
            np.random.default_rng([self.seed, *key]),
            self.with_mask,
            out,
        )
        sample['key'] = np.array(key)
        return sample


class PoseStream(data.IterableDataset):
    """The batches of a schedule, made in the workers of a DataLoader.

    Worker w of n makes every n-th batch from the w-th, whole. As a DataLoader takes from its
    workers in turns, batches come out in the same order with any number of workers. Use it with
    ``DataLoader(stream, batch_size=None, num_workers=n)``, and tell the stream between the epochs
    where to go (``stream.load_state_dict(stream.schedule.state_after(n_batches))``), or with
    torchdata's ``StatefulDataLoader``, which does that by itself.
    :class:`~posepile.training.PoseLoader` needs neither.

    Args:
        dataset: :class:`PoseDataset`.
        schedule: :class:`~posepile.training.Schedule`.
        collate_fn: list of samples to a batch.
    """

    def __init__(self, dataset, schedule, collate_fn=collate):
        self.dataset = dataset
        self.schedule = schedule
        self.collate_fn = collate_fn

    def __len__(self):
        return len(self.schedule)

    def __iter__(self):
        worker = data.get_worker_info()
        if worker is None:
            return _Batches(self, 0, 1)
        quiet_worker()
        return _Batches(self, worker.id, worker.num_workers)

    def state_dict(self) -> dict:
        """The schedule's state: where the next iteration begins."""
        return self.schedule.state_dict()

    def load_state_dict(self, state):
        """Go to a state of the schedule."""
        self.schedule.load_state_dict(state)


class _Batches:
    """One worker's part of one epoch; its state is what torchdata's loader collects."""

    def __init__(self, stream, first, step):
        self._stream = stream
        self._start = stream.schedule.state_dict()
        self._next = first
        self._step = step

    def __iter__(self):
        return self

    def __next__(self):
        stream = self._stream
        if self._next >= len(stream.schedule):
            raise StopIteration
        samples = stream.dataset.__getitems__(stream.schedule.batch(self._next))
        self._next += self._step
        return stream.collate_fn(samples)

    def state_dict(self):
        return dict(start=self._start, next=self._next, step=self._step)

    def load_state_dict(self, state):
        if state['step'] != self._step:
            raise ValueError(
                f'this state is one of {state["step"]} workers, there are {self._step} now'
            )
        self._start, self._next = state['start'], state['next']
        self._stream.load_state_dict(self._start)
