"""Permutations that are computed element by element."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.training import Permutation


@given(st.integers(0, 3000), st.integers(0, 2**70))
def test_every_item_comes_once(n, key):
    assert sorted(Permutation(n, key)(np.arange(n)).tolist()) == list(range(n))


@given(st.integers(1, 2**61), st.integers(0, 2**32), st.data())
def test_any_size_gives_distinct_items_in_range(n, key, data):
    positions = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=50, unique=True))
    items = Permutation(n, key)(positions)
    assert items.min() >= 0 and items.max() < n
    assert len(set(items.tolist())) == len(positions)


def test_part_of_it_is_the_same_as_all_of_it():
    permutation = Permutation(1000, 5)
    everything = permutation(np.arange(1000))
    assert permutation(17) == everything[17]
    np.testing.assert_array_equal(
        permutation([[3, 999], [0, 3]]), everything[np.array([[3, 999], [0, 3]])]
    )


def test_another_key_is_another_order():
    orders = {tuple(Permutation(50, *key)(np.arange(50))) for key in [(0,), (1,), (0, 1), (1, 0)]}
    assert len(orders) == 4


def test_every_order_of_few_items_is_about_equally_likely():
    n_keys = 6000
    counts = Counter(tuple(Permutation(4, key)(np.arange(4)).tolist()) for key in range(n_keys))
    assert len(counts) == math.factorial(4)
    expected = n_keys / len(counts)
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 52  # 23 degrees of freedom: more than that once in 2000 times


def test_neighbours_are_not_related():
    n = 100_000
    items = Permutation(n, 3)(np.arange(n))
    steps = np.diff(items)
    assert abs(np.abs(steps).mean() / (n / 3) - 1) < 0.02
    assert abs(np.corrcoef(items, np.arange(n))[0, 1]) < 0.02
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1] + 0.5) < 0.02


def test_positions_beyond_the_end_are_refused():
    for position in (-1, 10):
        with pytest.raises(IndexError, match='0 .. 9'):
            Permutation(10, 0)([0, position])
    with pytest.raises(IndexError):
        Permutation(0, 0)(0)
    with pytest.raises(ValueError, match='no permutation'):
        Permutation(-1, 0)
