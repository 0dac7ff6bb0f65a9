"""Orders of one and of several datasets, and mixing in proportions."""

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.training import MixedOrder, SequentialOrder, ShuffledOrder

sizes_of_datasets = st.lists(st.integers(1, 60), min_size=1, max_size=4)


def all_keys(order, epoch=0):
    return [tuple(key) for key in order.keys(epoch, np.arange(order.length)).tolist()]


@given(sizes_of_datasets, st.integers(0, 5), st.integers(0, 1000))
def test_shuffled_epochs_have_every_example_once(sizes, epoch, seed):
    keys = all_keys(ShuffledOrder(sizes, seed), epoch)
    assert sorted(keys) == [(d, i, epoch) for d, n in enumerate(sizes) for i in range(n)]


def test_epochs_and_seeds_differ():
    orders = [ShuffledOrder([40, 30], seed) for seed in (0, 1)]
    sequences = {tuple(k[:2] for k in all_keys(o, epoch)) for o in orders for epoch in (0, 1)}
    assert len(sequences) == 4


def test_sequential_order_skips_empty_datasets():
    order = SequentialOrder([2, 0, 1])
    assert all_keys(order, 3) == [(0, 0, 3), (0, 1, 3), (2, 0, 3)]


@pytest.mark.parametrize('position', [-1, 3])
def test_positions_beyond_the_end_are_refused(position):
    for order in (SequentialOrder([3]), ShuffledOrder([3]), MixedOrder([3], [1])):
        with pytest.raises(IndexError):
            order.keys(0, np.array([position]))


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(3, 40), st.floats(0.1, 5)), min_size=1, max_size=4),
    st.integers(0, 100),
)
def test_mixed_datasets_keep_their_proportions_and_repeat_nothing_early(pairs, seed):
    sizes, weights = zip(*pairs, strict=True)
    length = 256
    order = MixedOrder(sizes, weights, length=length, seed=seed)
    keys = [key for epoch in range(3) for key in all_keys(order, epoch)]
    for d, (size, weight) in enumerate(pairs):
        own = [(index, visit) for dataset, index, visit in keys if dataset == d]
        # In whole blocks the count is exact; the last block is cut somewhere.
        assert abs(len(own) - len(keys) * weight / sum(weights)) < 1 + _spread(order, weight)
        assert [visit for _, visit in own] == sorted(visit for _, visit in own)
        for visit in {visit for _, visit in own}:
            indices = [index for index, v in own if v == visit]
            assert len(set(indices)) == len(indices)
            if (0, visit + 1) in own or any(v > visit for _, v in own):
                assert len(indices) == size


def _spread(order, weight):
    whole_blocks = 3 * order.length % order._block == 0
    return 0 if whole_blocks else order._block


def test_proportions_hold_over_every_block():
    order = MixedOrder([10, 1000, 7], [1, 2, 5], length=256)
    for epoch in range(12):
        counts = Counter(d for d, _, _ in all_keys(order, epoch))
        for d, share in enumerate((32, 64, 160)):
            assert counts[d] == share
    uneven = MixedOrder([10, 10, 10], [1, 1, 1], length=256)
    counts = np.cumsum(
        [np.bincount(uneven.keys(epoch, np.arange(256))[:, 0], minlength=3) for epoch in range(30)],
        axis=0,
    )
    exact = 256 / 3 * np.arange(1, 31)[:, np.newaxis]
    assert np.abs(counts - exact).max() < 1


def test_rare_datasets_come_up_in_their_turn():
    order = MixedOrder([5, 5], [1, 1999], length=4000)
    counts = Counter(d for d, _, _ in all_keys(order))
    assert counts == {0: 2, 1: 3998}


def test_the_parts_of_a_mixture_are_those_of_the_whole():
    order = MixedOrder([50, 31], [0.3, 0.7], length=700, seed=4)
    everything = order.keys(1, np.arange(700))
    positions = np.random.default_rng(0).integers(0, 700, 40)
    again = pickle.loads(pickle.dumps(order))
    np.testing.assert_array_equal(again.keys(1, positions), everything[positions])
    # An epoch goes on where the last one ended.
    twice = MixedOrder([50, 31], [0.3, 0.7], length=1400, seed=4)
    np.testing.assert_array_equal(twice.keys(0, np.arange(700, 1400)), everything)


@pytest.mark.parametrize(
    'sizes, weights, message',
    [
        ([3], [1, 2], '2 weights for 1'),
        ([3, 0], [1, 2], 'positive'),
        ([3, 3], [1, -1], 'positive'),
        ([3, 3], [1, 1e-9], 'smallest weight'),
    ],
)
def test_impossible_mixtures_are_refused(sizes, weights, message):
    with pytest.raises(ValueError, match=message):
        MixedOrder(sizes, weights)
