import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.metrics.image_plane import AP_NAMES, COCO_SIGMAS, oks, oks_average_precision, pckh

seeds = st.integers(0, 2**32 - 1)


def test_pckh_worked_example():
    true = np.zeros((2, 4, 2))
    pred = np.zeros((2, 4, 2))
    pred[:, :, 0] = [0, 10, 20, 50]
    np.testing.assert_allclose(pckh(pred, true, [40, 20]), [0.75, 0.5])
    np.testing.assert_allclose(pckh(pred, true, [40, 20], inclusive=False), [0.5, 0.25])
    np.testing.assert_allclose(pckh(pred, true, [40, 20], threshold=0.1), [0.25, 0.25])
    true[0, 3] = np.nan
    np.testing.assert_allclose(pckh(pred, true, [40, 20]), [1, 0.5])
    np.testing.assert_allclose(pckh(pred, true, [40, 20], [True, False, True, True])[1], 1 / 3)


def test_oks_worked_example():
    """exp(-d^2 / (2 s^2 k^2)) with k = 2 sigma: d^2 = 2 s^2 k^2 gives 1/e."""
    true = np.zeros((3, 2))
    pred = np.zeros((3, 2))
    sigmas, area = np.array([0.05, 0.1, 0.02]), 100.0
    pred[1, 1] = np.sqrt(2 * area) * 0.2
    assert oks(pred, true, area, sigmas) == pytest.approx((2 + np.exp(-1)) / 3, abs=1e-12)
    true[0] = np.nan
    assert oks(pred, true, area, sigmas) == pytest.approx((1 + np.exp(-1)) / 2, abs=1e-12)


def people(rng, n, size=200.0):
    joints = rng.uniform(0, 1, (n, 17, 2)) * size + 1000 * np.arange(n)[:, None, None]
    return joints, np.full(n, size**2)


def ap(true, areas, pred, scores, true_images=None, pred_images=None, **kwargs):
    true_images = [0] * len(true) if true_images is None else true_images
    pred_images = [0] * len(pred) if pred_images is None else pred_images
    found = oks_average_precision(true_images, true, areas, pred_images, pred, scores, **kwargs)
    return {name: round(value, 12) for name, value in found.items()}  # of sums of many shares


def test_perfect_and_absent_predictions():
    true, areas = people(np.random.default_rng(0), 3)
    found = ap(true, areas, true, [1, 0.5, 0.1])
    assert list(found) == list(AP_NAMES)
    assert found['AP'] == found['AP_L'] == found['AR'] == 1 and np.isnan(found['AP_M'])
    nothing = ap(true, areas, np.zeros((0, 17, 2)), [])
    assert nothing['AP'] == 0 and nothing['AR'] == 0
    assert np.isnan(ap(true[:0], areas[:0], true, [1, 1, 1])['AP'])


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_a_shifted_person_counts_up_to_its_own_similarity(seed):
    rng = np.random.default_rng(seed)
    true, areas = people(rng, 1)
    pred = true + rng.uniform(5, 25, 2)
    similarity = oks(pred, true, areas)[0]
    thresholds = np.linspace(0.5, 0.95, 10)
    if np.abs(similarity - thresholds).min() > 1e-9:
        found = ap(true, areas, pred, [1.0])
        assert found['AP'] == pytest.approx(np.mean(similarity >= thresholds))
        assert found['AP50'] == float(similarity >= 0.5)


def test_confidence_decides_what_a_false_person_costs():
    """Of 2 people 1 is found. Precision is 1 up to half the recall, or 1/2."""
    true, areas = people(np.random.default_rng(1), 2)
    pred = np.stack([true[0], true[0] + 5000])
    recalls = np.linspace(0, 1, 101)
    expected = np.mean(recalls <= 0.5)
    assert ap(true, areas, pred, [0.9, 0.1])['AP'] == pytest.approx(expected)
    assert ap(true, areas, pred, [0.1, 0.9])['AP'] == pytest.approx(expected / 2)
    assert ap(true, areas, pred, [0.1, 0.9])['AR'] == pytest.approx(0.5)


def test_images_are_kept_apart_and_people_without_labels_do_not_count():
    true, areas = people(np.random.default_rng(2), 2)
    apart = ap(true, areas, true[::-1], [1, 1], ['a', 'b'], ['a', 'b'])
    assert apart['AP'] == 0
    assert ap(true, areas, true[::-1], [1, 1], ['a', 'b'], ['b', 'a'])['AP'] == 1
    unlabelled = true.copy()
    unlabelled[1] = np.nan
    boxes = [[0, 0, 200, 200], [1000, 1000, 200, 200]]
    assert ap(unlabelled, areas, true, [0.5, 0.9], boxes=boxes)['AP'] == 1


def test_other_skeletons_need_their_sigmas():
    true, areas = people(np.random.default_rng(3), 1)
    body = true[:, :5]
    pred = body + [6, 0]
    strict = ap(body, areas, pred, [1.0], sigmas=np.full(5, 0.01))
    loose = ap(body, areas, pred, [1.0], sigmas=np.full(5, 0.1))
    assert strict['AP'] == 0 and loose['AP'] == 1
    assert len(COCO_SIGMAS) == 17


def test_what_is_not_finite_is_refused():
    true, areas = people(np.random.default_rng(4), 1)
    with pytest.raises(ValueError, match='finite'):
        ap(true, areas, true * np.nan, [1.0])


def test_nothing_is_printed(capsys):
    true, areas = people(np.random.default_rng(5), 1)
    ap(true, areas, true, [1.0])
    assert capsys.readouterr().out == ''
