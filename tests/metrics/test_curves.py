import cv2
import numpy as np
import pytest

from posepile.errors import OptionError
from posepile.metrics.curves import (
    CURVE_THRESHOLDS,
    curves_of_distances,
    draw_curves,
    joined_curves,
    pck_curves,
)
from posepile.metrics.rates import pck
from posepile.metrics.report import Report, over_seeds
from posepile.metrics.table import Table


def test_the_three_curves():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 300, (20, 8, 3))
    pred = 1.1 * true + [0, 0, 100]
    curves = pck_curves(pred, true, 0)
    assert list(curves) == ['PCK', 'PA-PCK', 'A-PCK']
    for thresholds, fractions in curves.values():
        assert thresholds is CURVE_THRESHOLDS and fractions.shape == thresholds.shape
        assert np.all(np.diff(fractions) >= 0)
    assert curves['PA-PCK'][1][1] == 1
    i = list(CURVE_THRESHOLDS).index(120)
    assert curves['A-PCK'][1][i] == pytest.approx(pck(pred, true, 120).mean())


def test_joined_curves_are_those_of_all_joints_together():
    distances = np.random.default_rng(1).uniform(0, 400, 30)
    parts = [({}, 0)]
    parts += [(curves_of_distances({'x': d}), len(d)) for d in (distances[:7], distances[7:])]
    joined, whole = joined_curves(parts), curves_of_distances({'x': distances})
    np.testing.assert_allclose(joined['x'][1], whole['x'][1])
    assert joined_curves([]) == {}


def test_plot_shows_the_curve(tmp_path):
    path = str(tmp_path / 'curves.png')
    report = Report({'a': 1}, curves={'PCK': ([0, 100], [0, 1]), 'none': ([0, 100], [np.nan] * 2)})
    report.plot(path)
    image = cv2.imread(path)
    blue = np.argwhere((image[..., 0] > 150) & (image[..., 2] < 80))
    height, width = np.ptp(blue, axis=0)
    # From one corner of the axes to the other.
    assert height > image.shape[0] / 2 and width > image.shape[1] / 2
    leftmost, rightmost = blue[np.argmin(blue[:, 1])], blue[np.argmax(blue[:, 1])]
    assert leftmost[0] - rightmost[0] > 0.9 * height
    assert [p.name for p in tmp_path.iterdir()] == ['curves.png']


def test_nothing_to_plot(tmp_path):
    with pytest.raises(OptionError, match='no curves'):
        draw_curves({}, str(tmp_path / 'x.png'))


def test_mean_over_seeds():
    def report(value):
        tables = {'protocol': Table(['Walk', 'Sit'], {'PCK': [value, 1]})}
        return Report({'MPJPE': value}, 'T', {'n': 1}, 2, tables, {'PCK': ([0, 5], [0, value])})

    joint = over_seeds([report(1), report(3), report(8)])
    assert joint.values == {} and list(joint.tables) == ['metrics', 'protocol']
    assert joint.tables['metrics']['Mean'] == {'MPJPE': 4}
    assert joint.tables['metrics']['Std'] == {'MPJPE': pytest.approx(np.std([1, 3, 8]))}
    assert joint.tables['metrics'].decimals == 2
    assert joint.tables['protocol']['PCK mean'] == {'Walk': 4, 'Sit': 1}
    assert joint.tables['protocol']['PCK std']['Sit'] == 0
    np.testing.assert_allclose(joint.curves['PCK'][1], [0, 4])
    assert joint.info == {'n': 1, 'seeds': 3} and joint.title == 'T'
