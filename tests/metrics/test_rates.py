import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.metrics import rates

seeds = st.integers(0, 2**32 - 1)


def along_x(distances):
    """(pred, true) of poses (..., J, 3) whose joints are off by the distances."""
    pred = np.zeros((*np.shape(distances), 3))
    pred[..., 0] = distances
    return pred, np.zeros_like(pred)


def test_auc_of_mpi_inf_3dhp_by_its_formula():
    """Strictly below 0, 5, ..., 150 mm: max(0, 1 - floor(30 d / 150 + 1) / 31)."""
    distances = np.array([0, 4.9, 5, 7.5, 75, 145, 149.9, 150, 1e6])
    expected = np.maximum(0, 1 - np.floor(30 * distances / 150 + 1) / 31)
    for d, value in zip(distances, expected, strict=True):
        actual = rates.auc(*along_x([d]), inclusive=False)
        assert actual == pytest.approx(value, abs=1e-12)
    pooled = rates.auc(*along_x(distances), inclusive=False)
    assert pooled == pytest.approx(expected.mean(), abs=1e-12)
    assert rates.auc(*along_x([0, 0]), inclusive=False) == pytest.approx(30 / 31)
    assert rates.auc(*along_x([0, 0])) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 250), min_size=1, max_size=20))
def test_trapezoid_of_51_thresholds_is_the_formula_of_3dpw(distances):
    """1 - (floor(50 d / 199) + 0.5) / 50, for distances that are no threshold."""
    thresholds = np.linspace(0, 199, 51)
    distances = np.array(distances)
    distances = np.where(np.abs(distances[:, None] - thresholds).min(axis=1) < 1e-9, 1, distances)
    expected = np.maximum(0, 1 - (np.floor(50 * distances / 199) + 0.5) / 50)
    actual = rates.auc(*along_x(distances), thresholds, inclusive=False, trapezoid=True)
    assert actual == pytest.approx(expected.mean(), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(seeds, st.booleans())
def test_trapezoid_is_that_of_numpy_over_the_curve(seed, inclusive):
    rng = np.random.default_rng(seed)
    thresholds = np.cumsum(rng.integers(1, 9, 12)).astype(float)
    distances = np.where(rng.random(30) < 0.5, rng.choice(thresholds, 30), rng.uniform(0, 90, 30))
    curve = rates.pck_curve(distances, thresholds, inclusive=inclusive)
    area = np.sum(np.diff(thresholds) * (curve[1:] + curve[:-1]) / 2)
    expected = area / (thresholds[-1] - thresholds[0])
    pair = along_x(distances)
    actual = rates.auc(*pair, thresholds, inclusive=inclusive, trapezoid=True)
    assert actual == pytest.approx(expected, abs=1e-12)
    assert rates.auc(*pair, thresholds, inclusive=inclusive) == pytest.approx(curve.mean())


def test_curve_counts_ties_as_it_is_told_and_leaves_out_what_is_missing():
    distances = np.array([[10, 20], [20, np.nan], [np.inf, 30]])
    thresholds = [30, 0, 20, 1000]
    np.testing.assert_allclose(rates.pck_curve(distances, thresholds), [0.8, 0, 0.6, 0.8])
    strict = rates.pck_curve(distances, thresholds, inclusive=False)
    np.testing.assert_allclose(strict, [0.6, 0, 0.2, 0.8])
    assert np.isnan(rates.pck_curve(np.full(3, np.nan), thresholds)).all()


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_curve_is_the_pooled_pck(seed):
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 300, (40, 9))
    thresholds = [50.0, 150.0]
    expected = [rates.pck(*along_x(distances), t).mean() for t in thresholds]
    np.testing.assert_allclose(rates.pck_curve(distances, thresholds), expected)


def test_correct_poses_score():
    pred, true = along_x([[10, 170], [10, 180], [181, 0], [np.nan, 90], [np.nan, np.nan]])
    np.testing.assert_array_equal(rates.cps(pred, true), [1, 1, 0, 1, np.nan])
    np.testing.assert_array_equal(rates.cps(pred, true, inclusive=False), [1, 0, 0, 1, np.nan])
    expected = [1 - 170 / 300, 0.4, 1 - 181 / 300, 0.7, np.nan]
    np.testing.assert_allclose(rates.cps_auc(pred, true), expected)
    mask = np.array([False, True])
    np.testing.assert_array_equal(rates.cps(pred, true, 100, mask), [0, 0, 1, 1, np.nan])


def test_weights():
    pred, true = along_x([[10, 60, 200]])
    weights = [1, 2, 5]
    assert rates.pck(pred, true, 100, weights=weights) == pytest.approx(3 / 8)
    assert rates.exact_auc(pred, true, 100, weights=weights) == pytest.approx((0.9 + 0.8) / 8)
    expected = (29 + 2 * 19) / 31 / 8  # 10 and more of 31 thresholds, 60 and more
    assert rates.auc(pred, true, weights=weights) == pytest.approx(expected)


@pytest.mark.parametrize('thresholds', [[], [2, 1], [1, 1]])
def test_thresholds_must_ascend(thresholds):
    with pytest.raises(ValueError, match='ascend'):
        rates.auc(*along_x([1.0]), thresholds)
    with pytest.raises(ValueError, match='two at least'):
        rates.auc(*along_x([1.0]), thresholds[:1], trapezoid=True)
