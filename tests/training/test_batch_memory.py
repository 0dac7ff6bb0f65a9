"""Memory of batches is used again, and never while somebody looks at it."""

import gc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils import data

from posepile.training import PoseLoader, Schedule, SequentialOrder
from posepile.training.batch_memory import BatchMemory

SIDE = 150  # three channels of it are more than what goes through a pipe


class Numbers(data.Dataset):
    """Item i has an image full of i, and what else goes with it."""

    image_shape = SIDE, SIDE, 3

    def get_samples(self, keys, images):
        samples = []
        for (_, i, _), image in zip(keys, images, strict=True):
            if i == 250:
                raise RuntimeError('item 250 is bad')
            image[:] = i
            samples.append(
                dict(
                    image=image,
                    coords3d=np.full((2, 3), [i, i, np.nan], np.float32),
                    coords2d=np.full((2, 2), i, np.float32),
                    mask=np.full((SIDE, SIDE, 3), i % 2 == 0),
                    number=np.array(i),
                )
            )
        return samples


def make_loader(n=40, batch_size=4, **options):
    return PoseLoader(Numbers(), Schedule(SequentialOrder([n]), batch_size), **options)


def is_intact(batch):
    numbers = batch['number']
    shape = len(numbers), 3, SIDE, SIDE
    assert batch['image'].shape == shape and batch['image'].dtype == torch.uint8
    assert batch['image'].is_contiguous(memory_format=torch.channels_last)
    return bool(
        (batch['image'] == numbers[:, None, None, None]).all()
        and (batch['mask'] == (numbers % 2 == 0)[:, None, None, None]).all()
        and (batch['coords2d'] == numbers[:, None, None]).all()
        and not batch['is_valid3d'].any()
        and batch['is_valid2d'].all()
    )


@pytest.mark.parametrize('options', [
    dict(workers=0), dict(workers=1), dict(workers=2), dict(workers=2, prefetch=1),
    pytest.param(dict(workers=1, context='spawn'), marks=pytest.mark.slow),
])  # fmt: skip
@pytest.mark.parametrize('n_kept', [0, 1, 100])
def test_batches_stay_as_long_as_somebody_has_them(options, n_kept):
    loader = make_loader(n=42, **options)
    for _ in range(2):
        kept, numbers = [], []
        for batch in loader:
            assert is_intact(batch)
            kept = [*kept, batch][-n_kept:] if n_kept else []
            assert all(is_intact(b) for b in kept)
            numbers += batch['number'].tolist()
        assert numbers == list(range(42))


def test_a_view_of_a_part_keeps_the_whole():
    loader = make_loader(workers=1)
    parts = [(batch['image'][1, :, 5:, 7:].numpy(), int(batch['number'][1])) for batch in loader]
    assert len(parts) == 10 and all((part == number).all() for part, number in parts)


@pytest.mark.parametrize('workers', [0, 1])
def test_memory_of_dropped_batches_is_used_again(workers):
    loader = make_loader(n=240, workers=workers)
    addresses = [batch['image'].data_ptr() for batch in loader]
    n_blocks = 2 + 3 if workers else 2
    assert len(addresses) == 60 and len(set(addresses)) <= n_blocks


def test_iterations_that_are_left_give_their_memory_back():
    loader = make_loader(n=240, workers=2)
    addresses = set()
    for _ in range(12):
        for batch, _ in zip(loader, range(3)):  # noqa: B905
            assert is_intact(batch)
            addresses.add(batch['image'].data_ptr())
    assert len(addresses) <= 2 * (2 + 3)


def test_batches_outlive_their_loader():
    loader = make_loader(workers=2)
    kept = list(loader)
    del loader
    gc.collect()
    assert len(kept) == 10 and all(is_intact(batch) for batch in kept)


@pytest.mark.parametrize('workers', [0, 1])
def test_an_error_in_a_worker_is_told(workers):
    loader = make_loader(n=251, batch_size=50, workers=workers)
    with pytest.raises(RuntimeError, match='item 250 is bad'):
        for _ in loader:
            pass


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_no_two_that_exist_share_memory(takes, n_blocks):
    memory = BatchMemory(n_blocks)
    kept = []
    for number, (n_rows, is_kept) in enumerate(takes):
        images = memory.take((n_rows, 2, 2, 3))
        images[:] = number
        batch = memory.pack(images, {'number': np.array([number])})
        del images
        if is_kept:
            kept.append(batch)
        assert all((b['image'] == b['number']).all() for b in kept)
        assert batch['image'].shape == (n_rows, 3, 2, 2)
