"""Statistics of splits: equal to those of NumPy, and loud about what is odd."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.storage.statistics import ExampleNumbers, Histogram, SplitStatistics, bone_lengths
from tests.storage.packed_samples import JOINT_INFO, walking_pose

EDGES = np.array(JOINT_INFO.stick_figure_edges)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.2, 9e4), min_size=1, max_size=60), st.integers(1, 5))
def test_histogram_against_numpy(values, n_portions):
    values = np.array(values)
    histogram = Histogram(2)
    for portion in np.array_split(values, n_portions):
        histogram.add(np.stack([portion, np.full_like(portion, np.nan)], axis=1))
    assert histogram.n.tolist() == [len(values), 0]
    np.testing.assert_allclose(histogram.mean(), [values.mean(), np.nan])
    for percent in (1, 50, 99):
        expected = np.percentile(values, percent, method='inverted_cdf')
        np.testing.assert_allclose(histogram.percentile(percent)[0], expected, rtol=0.016)
        assert np.isnan(histogram.percentile(percent)[1])


def numbers(n, change=lambda i, coords: coords):
    for i in range(n):
        coords = change(i, walking_pose(0.3 * i).astype(np.float32))
        yield ExampleNumbers(
            split='train',
            is_valid=np.all(np.isfinite(coords), axis=1),
            bones=bone_lengths(coords, EDGES),
            box_sides=np.float32([100 + i, 200]),
            has_mask=i % 2 == 0,
        )


def statistics(*args):
    result = SplitStatistics(JOINT_INFO)
    result.add(list(numbers(*args)))
    return result


def test_summary():
    def without_wrist(i, coords):
        coords[JOINT_INFO.ids.lwri, i % 3] = np.nan if i < 10 else 0
        return coords

    found = statistics(40, without_wrist).as_dict()
    assert found['examples'] == 40 and found['share_with_mask'] == 0.5
    assert found['missing_by_joint'] == {'lwri': 0.25}
    assert found['share_of_missing_joints'] == round(0.25 / 17, 4)
    assert found['box_width']['mean'] == 119.5
    assert found['box_height']['p50'] == pytest.approx(200, rel=0.016)
    assert found['bones']['lsho-lelb']['mean'] == pytest.approx(288.6, abs=0.1)


def test_walkers_are_not_suspicious():
    assert list(statistics(60).warnings()) == []
    assert list(statistics(60).differences(statistics(30))) == []


def test_few_examples_say_little():
    assert list(statistics(5, lambda i, coords: coords * (1 + 9 * (i % 2))).warnings()) == []


@pytest.mark.parametrize(
    'change, expected',
    [
        (lambda i, coords: coords * (1 + 9 * (i % 2)), 'mm long'),
        (lambda i, coords: coords + np.where(np.arange(17) == 3, np.nan, 0)[:, None], 'lank'),
    ],
)
def test_suspicious_splits(change, expected):
    messages = [message for _, message in statistics(40, change).warnings()]
    assert messages and all(expected in message for message in messages)


def test_a_limb_longer_than_its_twin():
    def long_arm(i, coords):
        coords[JOINT_INFO.ids.lwri] += coords[JOINT_INFO.ids.lwri] - coords[JOINT_INFO.ids.lelb]
        return coords

    [(check, message)] = statistics(40, long_arm).warnings()
    assert check == 'statistics' and 'lelb-lwri' in message and 'relb-rwri' in message


def test_other_units_in_another_split():
    other = statistics(40, lambda i, coords: coords / 1000)
    assert len(list(statistics(40).differences(other))) == len(EDGES)
