"""Worker processes and interruptions change nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from posepile.storage.lazy import open_dataset
from posepile.training import (
    MixedOrder,
    PoseDataset,
    PoseLoader,
    PoseStream,
    RandomView,
    Schedule,
    ShuffledOrder,
)
from posepile.training.appearance import ColorJitter, Degradation
from tests.storage.packed_samples import write_dataset


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    packed = []
    for kind in ('3d', '2d'):
        folder = tmp_path_factory.mktemp(kind)
        images_path = str(folder / 'images.barecat')
        packed.append(open_dataset(write_dataset(folder, kind), images_path))
    effects = [ColorJitter(), Degradation(0.5, 0.5, 0.5)]
    return PoseDataset(packed, view=RandomView(side=48), effects=effects, seed=5)


def make_loader(dataset, workers, batch_size=3, **options):
    schedule = Schedule(ShuffledOrder(dataset.sizes, seed=2), batch_size)
    return PoseLoader(dataset, schedule, workers=workers, **options)


def contents(batches):
    return [{name: value.numpy().tobytes() for name, value in batch.items()} for batch in batches]


@pytest.fixture(scope='module')
def two_epochs(dataset):
    """The batches that this process makes by itself."""
    loader = make_loader(dataset, 0)
    batches = contents(loader) + contents(loader)
    assert loader.state_dict() == dict(epoch=2, position=0)
    assert len(batches) == 8
    return batches


@pytest.mark.parametrize('workers', [1, 3])
def test_workers_make_the_same_batches(dataset, two_epochs, workers):
    loader = make_loader(dataset, workers)
    assert contents(loader) + contents(loader) == two_epochs


@pytest.mark.slow
def test_spawned_workers_make_the_same_batches(dataset, two_epochs):
    loader = make_loader(dataset, 2, context='spawn')
    assert contents(loader) == two_epochs[:4]


@pytest.mark.parametrize('workers_before, workers_after', [(2, 0), (0, 2), (3, 1)])
def test_training_goes_on_with_the_next_batch(dataset, two_epochs, workers_before, workers_after):
    loader = make_loader(dataset, workers_before)
    first = []
    for batch in loader:
        first.append(batch)
        if len(first) == 2:
            state = loader.state_dict()  # the workers are ahead of this
            break
    assert contents(first) == two_epochs[:2] and state == dict(epoch=0, position=6)
    loader = make_loader(dataset, workers_after)
    loader.load_state_dict(state)
    assert len(loader) == 2
    assert contents(loader) + contents(loader) == two_epochs[2:]


def test_iterating_again_goes_on_where_the_loop_was_left(dataset, two_epochs):
    loader = make_loader(dataset, 0)
    first = [next(iter(loader)) for _ in range(4)]
    assert contents(first) == two_epochs[:4]
    assert loader.state_dict() == dict(epoch=1, position=0)
    assert contents(loader) == two_epochs[4:]


class Keys(Dataset):
    """Samples that are their keys."""

    def __getitem__(self, key):
        return key


@settings(max_examples=60)
@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(0, 9)), max_size=6),
)
def test_every_example_comes_once_per_epoch_whatever_happens(n, runs):
    """Runs with other batch sizes and numbers of ranks, each interrupted after some steps."""
    state, seen = dict(epoch=0, position=0), []
    for batch_size, world_size, n_steps in [*runs, (5, 2, 10**6)]:
        states = []
        for rank in range(world_size):
            schedule = Schedule(ShuffledOrder([n]), batch_size, rank=rank, world_size=world_size)
            loader = PoseLoader(Keys(), schedule, collate_fn=list)
            loader.load_state_dict(state)
            steps_left = n_steps
            while steps_left > 0 and loader.state_dict()['epoch'] < 2:
                n_batches, i = -(-(n - loader.state_dict()['position']) // schedule._step), -1
                for i, keys in enumerate(loader):
                    seen += keys
                    if i + 1 == steps_left:
                        break
                # A rank without a part in an epoch's last step is there for it all the same.
                steps_left -= n_batches if i + 1 < steps_left else steps_left
            states.append(loader.state_dict())
        state = states[0]
        if state['epoch'] == 2:
            break
    assert sorted(seen) == [(0, i, epoch) for i in range(n) for epoch in (0, 1)]


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_streams_have_the_batches_of_the_loader(dataset, two_epochs, workers):
    stream = PoseStream(dataset, Schedule(ShuffledOrder(dataset.sizes, seed=2), 3))
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    assert len(stream) == 4
    assert contents(loader) == two_epochs[:4]
    stream.load_state_dict(stream.schedule.state_after(4))
    assert contents(loader) == two_epochs[4:]
    stream.load_state_dict(dict(epoch=0, position=6))
    assert contents(loader) == two_epochs[2:4]


@pytest.mark.parametrize('workers', [0, 2])
def test_streams_continue_in_the_stateful_loader(dataset, two_epochs, workers):
    stateful = pytest.importorskip('torchdata.stateful_dataloader')

    def make():
        stream = PoseStream(dataset, Schedule(ShuffledOrder(dataset.sizes, seed=2), 3))
        return stateful.StatefulDataLoader(stream, batch_size=None, num_workers=workers)

    loader = make()
    batches = iter(loader)
    assert contents([next(batches)]) == two_epochs[:1]
    state = loader.state_dict()
    loader = make()
    loader.load_state_dict(state)
    assert contents(loader) == two_epochs[1:4]


def test_mixtures_are_loaded_in_their_proportions(dataset):
    order = MixedOrder(dataset.sizes, [3, 1], length=16)
    loader = PoseLoader(dataset, Schedule(order, 4, drop_last=True))
    keys = np.concatenate([batch['key'].numpy() for epoch in range(8) for batch in loader])
    assert len(np.unique(keys, axis=0)) == len(keys) == 128
    assert 85 <= (keys[:, 0] == 0).sum() <= 107


def test_threads_of_workers_are_limited(dataset):
    class Threads(Dataset):
        def __getitem__(self, key):
            import cv2

            return cv2.getNumThreads(), torch.get_num_threads()

    loader = PoseLoader(Threads(), Schedule(ShuffledOrder([2]), 2), workers=1, collate_fn=list)
    assert next(iter(loader)) == [(1, 1), (1, 1)]
