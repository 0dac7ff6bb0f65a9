"""The row of 19 metrics, by hand."""

import numpy as np
import pytest

from posepile.metrics.summary import GROUP_NAMES, SUMMARY_NAMES, summary_groups, summary_row


def named(pred, true, i_root=0, **options):
    return dict(zip(SUMMARY_NAMES, summary_row(pred, true, i_root, **options), strict=True))


def test_by_hand():
    true = np.array([[0, 0, 0], [0, 500, 0], [400, 0, 0], [0, 0, 300.0]]) + np.zeros((2, 1, 1))
    pred = true.copy()
    pred[0, 1] += [30, 40, 0]  # 50: not below 50
    pred[0, 2] += [0, 0, 120]
    pred[1] += [0, 0, 160]  # as a whole
    values = named(pred, true)
    assert len(values) == 19
    expected = {
        'MPJPE': (50 + 120) / 8,
        'A-MPJPE': (50 + 120 + 4 * 160) / 8,
        'PCK@50': 100 * 6 / 8,
        'PCK@100': 100 * 7 / 8,
        'PCK@150': 100,
        'AUC@50': 100 * 6 / 8,
        'AUC@100': 100 * (6 + 0.5) / 8,
        'AUC@150': 100 * (6 + 2 / 3 + 0.2) / 8,
        'CPS@100': 50,
        'CPS@150': 100,
        'CPS@200': 100,
        'CPS-AUC@100': 50,
        'CPS-AUC@150': 100 * (0.2 + 1) / 2,
        'CPS-AUC@200': 100 * (0.4 + 1) / 2,
        'A-PCK@150': 50,
        'A-PCK@300': 100,
        'A-AUC@150': 100 * (2 + 2 / 3 + 0.2) / 8,
        'A-AUC@300': 100 * (2 + 5 / 6 + 0.6 + 4 * 140 / 300) / 8,
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-9), name
    assert 0 < values['PA-MPJPE'] < values['MPJPE']


def test_root_may_be_the_middle_of_two():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 300, (5, 4, 3))
    pred = true.copy()
    pred[:, 1] += [10, 0, 0]
    pred[:, 2] -= [10, 0, 0]
    assert named(pred, true, [1, 2])['MPJPE'] == pytest.approx(5)
    assert named(pred, true, 1)['MPJPE'] == pytest.approx((10 + 0 + 20 + 10) / 4)


def test_alignment_can_be_another():
    rng = np.random.default_rng(0)
    pred, true = rng.normal(0, 300, (2, 5, 4, 3))
    values = named(pred, true, align=lambda p, t: p)
    assert values['PA-MPJPE'] == values['MPJPE']


def test_groups_and_nothing():
    groups = summary_groups(np.zeros((0, 4, 3)), np.zeros((0, 4, 3)), 0)
    assert [len(g) for g in groups] == [len(names) for names in GROUP_NAMES]
    assert np.isnan(np.concatenate(groups)).all()
