import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.metrics.angles import geodesic_angles, mpjae, pa_mpjae

seeds = st.integers(0, 2**32 - 1)


def turns(degrees, axis=(0, 0, 1)):
    angles = np.deg2rad(np.asarray(degrees, float))[..., None]
    return Rotation.from_rotvec(angles * np.asarray(axis, float)).as_matrix()


@settings(max_examples=50, deadline=None)
@given(seeds, st.floats(0, 180))
def test_angle_of_a_known_turn(seed, degrees):
    rng = np.random.default_rng(seed)
    true = Rotation.random(4, rng=rng).as_matrix()
    axis = rng.normal(size=3)
    pred = true @ turns(degrees, axis / np.linalg.norm(axis))
    np.testing.assert_allclose(geodesic_angles(pred, true), degrees, atol=2e-6)


def test_small_angles_are_exact():
    np.testing.assert_allclose(geodesic_angles(turns(1e-7), turns(0)), 1e-7, rtol=1e-6)
    assert geodesic_angles(turns(30), turns(30)) == 0


def test_worked_example():
    """Joints off by 10, 20 and 90 degrees; the mean is 40, of the first two 15."""
    pred = np.stack([turns(d) for d in (10, -20, 100)])
    true = np.stack([turns(d) for d in (0, 0, 10)])
    assert mpjae(pred, true) == pytest.approx(40)
    assert mpjae(pred, true, [True, True, False]) == pytest.approx(15)
    assert mpjae(pred, true, weights=[1, 0, 3]) == pytest.approx(70)
    pred[2] = np.nan
    assert mpjae(pred, true) == pytest.approx(15)
    assert np.isnan(mpjae(pred, true, [False, False, True]))


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_alignment_removes_a_turn_of_the_whole_body(seed):
    rng = np.random.default_rng(seed)
    joints = rng.normal(0, 300, (5, 12, 3))
    true = Rotation.random(45, rng=rng).as_matrix().reshape(5, 9, 3, 3)
    whole = Rotation.random(5, rng=rng).as_matrix()
    turned_joints = 1.3 * joints @ whole.swapaxes(1, 2) + [0, 0, 5000]
    turned = whole[:, None] @ true
    args = turned_joints, joints
    np.testing.assert_allclose(pa_mpjae(turned, true, *args), 0, atol=1e-5)
    # What is off beyond that stays.
    np.testing.assert_allclose(pa_mpjae(turned @ turns(25), true, *args), 25, atol=1e-5)
    angles = np.rad2deg(Rotation.from_matrix(whole).magnitude())
    np.testing.assert_allclose(mpjae(turned, true), angles, atol=1e-5)
