import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posepile.util.misc import cast_if_precise_enough, random_uniform_disc


def test_disc_draws_the_angle_before_the_radius():
    rng = np.random.default_rng(7)
    angle, square = rng.uniform(-np.pi, np.pi), rng.uniform(0, 1)
    expected = np.sqrt(square) * np.array([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(random_uniform_disc(np.random.default_rng(7)), expected)


def test_disc_is_filled_evenly():
    rng = np.random.default_rng(0)
    points = np.array([random_uniform_disc(rng) for _ in range(4000)])
    radii = np.linalg.norm(points, axis=1)
    assert radii.max() <= 1
    assert abs(np.mean(radii < np.sqrt(0.5)) - 0.5) < 0.03
    assert np.abs(points.mean(axis=0)).max() < 0.03


@given(arrays(np.float32, (3, 3), elements=st.floats(width=32)), st.sampled_from([0.01, 1, 3]))
def test_cast_keeps_the_promise(value, threshold):
    with np.errstate(all='ignore'):
        cast = cast_if_precise_enough(value, np.float16, threshold)
        error = np.abs(value.astype(np.float64) - value.astype(np.float16))
    is_precise = not np.any(error >= threshold)
    assert cast.dtype == (np.float16 if is_precise else np.float32)


@pytest.mark.parametrize(
    ('value', 'dtype'),
    [
        ([2049.0], np.float64),  # float16 rounds it to 2048: an error of exactly 1
        ([2048.0, 2050.5], np.float16),
        ([np.nan, 3], np.float16),
        ([np.nan], np.float16),
        ([], np.float16),
        ([1e6], np.float64),
    ],
)
def test_cast_threshold_is_strict(value, dtype):
    assert cast_if_precise_enough(value, np.float16).dtype == dtype
