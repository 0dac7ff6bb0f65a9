import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.metrics.motion import acceleration_error, velocity_error

seeds = st.integers(0, 2**32 - 1)


def test_worked_example():
    """One joint at rest, predicted at x = 0, 0, 6, 0; and one that is right."""
    true = np.zeros((4, 2, 3))
    pred = true.copy()
    pred[2, 0, 0] = 6
    np.testing.assert_allclose(velocity_error(pred, true), [0, 3, 3])
    np.testing.assert_allclose(acceleration_error(pred, true), [3, 6])
    np.testing.assert_allclose(velocity_error(pred, true, fps=50), [0, 150, 150])
    np.testing.assert_allclose(acceleration_error(pred, true, fps=50), [7500, 15000])
    np.testing.assert_allclose(acceleration_error(pred, true, weights=[1, 0]), [6, 12])


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_constant_offsets_and_drifts_are_no_acceleration(seed):
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 300, (2, 9, 5, 3))
    drift = np.arange(9)[:, None, None] * [3, 0, 4] + rng.normal(0, 1000, 3)
    np.testing.assert_allclose(acceleration_error(true + drift, true), np.zeros((2, 7)), atol=1e-9)
    np.testing.assert_allclose(velocity_error(true + drift, true), np.full((2, 8), 5))


def test_a_missing_joint_spoils_the_differences_that_it_is_part_of():
    true = np.random.default_rng(0).normal(0, 300, (6, 3, 3))
    pred = true + np.arange(6)[:, None, None] ** 2 * [1.0, 0, 0]
    for how in 'nan', 'mask':
        mask = np.ones((6, 3), bool)
        spoilt = pred.copy()
        if how == 'nan':
            spoilt[2] = np.nan
        else:
            mask[2], spoilt[2] = False, 1e6
        # The second difference of t^2 is 2.
        expected = [np.nan, np.nan, np.nan, 2]
        np.testing.assert_allclose(acceleration_error(spoilt, true, mask), expected)
        expected = [1, np.nan, np.nan, 7, 9]
        np.testing.assert_allclose(velocity_error(spoilt, true, mask), expected)


@pytest.mark.parametrize('n_frames', [0, 1, 2])
def test_sequences_too_short_have_no_acceleration(n_frames):
    poses = np.zeros((n_frames, 4, 3))
    assert acceleration_error(poses, poses).shape == (0,)
