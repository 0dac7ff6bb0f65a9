import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.util.proper_svd import proper_svd, proper_svd_3x3

seeds = st.integers(0, 2**32 - 1)


def with_values(seed, values, n=20):
    """(3, 3, n) matrices with the given singular values; the last one may be negative."""
    rng = np.random.default_rng(seed)
    u, v = (Rotation.random(n, rng=rng).as_matrix() for _ in range(2))
    return np.moveaxis(u @ np.diag(values) @ v.swapaxes(1, 2), 0, -1)


def check(a, u, s, v, tolerance=1e-13):
    size = np.abs(s).max(axis=0)
    rebuilt = np.einsum('ain,in,bin->abn', u, s, v)
    assert np.all(np.abs(rebuilt - a).max(axis=(0, 1)) <= tolerance * size)
    for factor in (np.moveaxis(u, -1, 0), np.moveaxis(v, -1, 0)):
        n_axes = factor.shape[-1]
        product = factor @ factor.swapaxes(1, 2)
        expected = np.broadcast_to(np.eye(n_axes), product.shape)
        np.testing.assert_allclose(product, expected, atol=1e-13)
        np.testing.assert_allclose(np.linalg.det(factor), 1)
    assert np.all(np.diff(np.abs(s), axis=0) <= 1e-14 * size) and np.all(s[:-1] >= 0)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(-1, 1), st.integers(-150, 100))
def test_factors_are_rotations_and_rebuild_the_matrix(seed, last, exponent):
    a = with_values(seed, [3.0, 1.0, last]) * 10.0**exponent
    u, s, v = proper_svd_3x3(a)
    check(a, u, s, v)
    expected = np.broadcast_to([[3.0], [1.0], [last]], s.shape)
    np.testing.assert_allclose(s / 10.0**exponent, expected, atol=1e-14)
    for part, other in zip(proper_svd(a), (u, s, v), strict=True):
        assert part.shape == other.shape
    check(a, *proper_svd(a))


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_values_agree_with_lapack_for_random_matrices(seed):
    a = np.random.default_rng(seed).normal(size=(3, 3, 50))
    u, s, v = proper_svd_3x3(a)
    check(a, u, s, v)
    lapack = np.linalg.svd(np.moveaxis(a, -1, 0), compute_uv=False).T
    np.testing.assert_allclose(np.abs(s), lapack, atol=1e-14 * lapack.max())
    np.testing.assert_array_equal(np.sign(s[2]), np.sign(np.linalg.det(np.moveaxis(a, -1, 0))))


@pytest.mark.parametrize('values', [(2, 1, 0), (2, 2, -2), (1, 1, 1), (5, 0, 0), (1, 1e-9, 1e-18)])
def test_degenerate_matrices(values):
    a = with_values(3, values)
    check(a, *proper_svd_3x3(a))


def test_exact_ranks_0_and_1():
    """Here whole columns become zero, exactly."""
    a = np.zeros((3, 3, 5))
    a[0, 0, 1], a[2, 1, 2], a[1, 2, 3] = 4, -4, 4
    a[:, :, 4] = np.outer([1, 2, 2], [2, -2, 1])
    u, s, v = proper_svd_3x3(a)
    np.testing.assert_allclose(s[0], [0, 4, 4, 4, 9])
    check(a, u, s, v)
    rotation = np.einsum('ain,bin->nab', u, v)
    np.testing.assert_allclose(rotation[0], np.eye(3), atol=1e-15)
    np.testing.assert_allclose(rotation[1], np.eye(3), atol=1e-15)


def test_exact_values_survive():
    a = np.stack([np.diag([1.0, 2, 3]), np.diag([3.0, -2, 1]), np.eye(3)[[1, 0, 2]]], axis=-1)
    u, s, v = proper_svd_3x3(a)
    np.testing.assert_array_equal(s.T, [[3, 2, 1], [3, 2, -1], [1, 1, -1]])
    check(a, u, s, v, tolerance=0)


@pytest.mark.parametrize('n_axes', [1, 2, 4])
def test_other_sizes(n_axes):
    a = np.random.default_rng(n_axes).normal(size=(n_axes, n_axes, 30))
    check(a, *proper_svd(a))
