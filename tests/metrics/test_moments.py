"""Streaming statistics against NumPy on all numbers at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.metrics.moments import Moments


def batches_of(sizes, seed=0, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    result = []
    for n in sizes:
        a = rng.normal(50, 20, (n, *shape))
        result.append(dict(a=a, b=0.5 * a + rng.normal(0, 10, a.shape), other=rng.random((n, 2))))
    return result


def joined(batches, name):
    return np.concatenate([b[name] for b in batches])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(0, 5))
def test_any_portions_give_what_all_numbers_give(sizes, n_merged):
    if sum(sizes) < 2:
        sizes = [*sizes, 2]
    batches = batches_of(sizes)
    moments, later = (Moments(spread=['other'], pairs=[('b', 'a')]) for _ in range(2))
    for i, batch in enumerate(batches):
        (moments if i < n_merged else later).add(batch)
    moments.merge(later)
    a, b, other = (joined(batches, name) for name in ('a', 'b', 'other'))
    assert moments.count('a') == a.size
    assert moments.count('a', axes=()) == len(a)
    np.testing.assert_allclose(moments.mean('a'), a.mean())
    np.testing.assert_allclose(moments.mean('a', axes=()), a.mean(axis=0))
    np.testing.assert_allclose(moments.mean('a', axes=[-1]), a.mean(axis=(0, 2)))
    np.testing.assert_allclose(moments.variance('a', axes=[0]), a.var(axis=(0, 1)))
    np.testing.assert_allclose(moments.variance('other', ddof=1), other.var(ddof=1))
    np.testing.assert_allclose(moments.standard_error('a', ddof=1), a.std(ddof=1) / np.sqrt(a.size))
    np.testing.assert_allclose(
        moments.correlation('a', 'b'), np.corrcoef(a.ravel(), b.ravel())[0, 1]
    )
    assert moments.correlation('b', 'a') == moments.correlation('a', 'b')


def test_correlation_of_each_element():
    batches = batches_of([5, 9])
    moments = Moments(pairs=[('a', 'b')])
    for batch in batches:
        moments.add(a=batch['a'], b=batch['b'])
    found = moments.correlation('a', 'b', axes=())
    a, b = joined(batches, 'a'), joined(batches, 'b')
    assert found.shape == (3, 4)
    assert found[1, 2] == pytest.approx(np.corrcoef(a[:, 1, 2], b[:, 1, 2])[0, 1])


def test_by_hand():
    moments = Moments(pairs=[('x', 'y')])
    moments.add(x=[[1.0, 2.0]], y=[[2.0, 4.0]])
    moments.add(x=[[3.0, 6.0]], y=[[1.0, 5.0]])
    # E[x] = 3, E[x^2] = 50 / 4, variance 3.5; E[y] = 3, E[y^2] = 46 / 4, variance 2.5
    assert moments.mean('x') == 3
    assert moments.variance('x') == pytest.approx(3.5)
    assert moments.standard_error('x') == pytest.approx(np.sqrt(3.5) / 2)
    # E[xy] = (2 + 8 + 3 + 30) / 4
    assert moments.correlation('x', 'y') == pytest.approx((43 / 4 - 9) / np.sqrt(3.5 * 2.5))


def test_small_spread_of_large_numbers():
    numbers = 1e9 + np.array([4.0, 7.0, 13.0, 16.0])
    moments = Moments(spread=['x'])
    for number in numbers:
        moments.add(x=[number])
    assert moments.variance('x', ddof=1) == pytest.approx(30)


def test_without_items():
    moments = Moments(pairs=[('x', 'y')])
    assert moments.count('x') == 0
    for value in (
        moments.mean('x'),
        moments.variance('x'),
        moments.standard_error('x'),
        moments.correlation('x', 'y'),
    ):
        assert np.isnan(value)
    moments.add(x=np.zeros((0, 3)), y=np.zeros((0, 3)))
    assert np.isnan(moments.mean('x'))


def test_constants_do_not_correlate():
    moments = Moments(pairs=[('x', 'y')])
    moments.add(x=[1.0, 2.0], y=[5.0, 5.0])
    assert np.isnan(moments.correlation('x', 'y'))
    assert moments.variance('y') == 0


def test_one_sample_has_no_estimated_variance():
    moments = Moments(spread=['x'])
    moments.add(x=[1.0])
    assert moments.variance('x') == 0
    assert np.isnan(moments.variance('x', ddof=1))


def test_misuse_is_refused():
    moments = Moments(pairs=[('x', 'y')])
    with pytest.raises(ValueError, match='pair'):
        moments.add(x=[1.0], y=[1.0, 2.0])
    moments.add(x=[1.0], y=[2.0])
    with pytest.raises(ValueError, match='together'):
        moments.add(x=[1.0])
    with pytest.raises(ValueError, match='shape'):
        moments.add(x=[[1.0]], y=[[1.0]])
    with pytest.raises(ValueError, match='not asked for'):
        moments.variance('z')
    only_x = Moments(pairs=[('x', 'y')])
    only_x.add(x=[1.0])
    with pytest.raises(ValueError, match='together'):
        only_x.add(x=[1.0], y=[1.0])
    with pytest.raises(ValueError, match='different'):
        moments.merge(only_x)
