import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.metrics.aggregation import AVERAGE, Scores, group_means, mean
from posepile.metrics.matching import greedy_matches, near_keypoints

NAN = float('nan')


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_group_means_are_those_of_each_group_alone(seed):
    rng = np.random.default_rng(seed)
    groups = rng.choice(['walk', 'sit', 'run'], 30)
    values = np.where(rng.random((30, 4)) < 0.2, np.nan, rng.normal(size=(30, 4)))
    means = group_means(values, groups)
    assert list(means) == list(dict.fromkeys(groups.tolist()))
    for group, value in means.items():
        assert value == pytest.approx(np.nanmean(values[groups == group]))
    assert list(group_means(values, groups, ['sit', 'fly'])) == ['sit', 'fly']
    assert np.isnan(group_means(values, groups, ['fly'])['fly'])


def test_joints_count_alike_if_their_errors_are_given():
    """By pose: (10 + 40) / 2; by joint: (10 + 10 + 40) / 3."""
    errors = np.array([[10, 10], [40, NAN]])
    assert mean(errors) == 20 and mean([10, 40]) == 25
    assert group_means(errors, ['a', 'a']) == {'a': 20}
    assert np.isnan(mean([])) and np.isnan(mean([NAN]))
    assert mean([np.inf, 1]) == np.inf and group_means([np.inf, 1], ['a', 'a']) == {'a': np.inf}


def example():
    scores = Scores()
    scores.add(
        {'MPJPE': [10, 20, NAN], 'PCK': [1, 0, NAN]}, sequence='TS1', activity=['sit', 'run', 'sit']
    )
    scores.add({'MPJPE': torch.tensor([90.0]), 'PCK': [0.5]}, sequence='TS2', activity='sit')
    return scores


def test_table_by_a_label():
    scores = example()
    assert len(scores) == 4 and scores.mean('MPJPE') == 40
    table = scores.table('sequence')
    assert table.columns == ['MPJPE', 'PCK'] and list(table.rows) == ['TS1', 'TS2', AVERAGE]
    assert table['TS1'] == {'MPJPE': 15, 'PCK': 0.5}
    assert table[AVERAGE] == {'MPJPE': 40, 'PCK': 0.5}
    assert scores.table('sequence', average='groups')[AVERAGE] == {'MPJPE': 52.5, 'PCK': 0.5}
    assert scores.by('activity', 'MPJPE') == {'sit': 50, 'run': 20}
    table = scores.table('activity', order=['run', 'fly', 'sit'], average=None)
    assert list(table.rows) == ['run', 'fly', 'sit'] and np.isnan(table['fly']['PCK'])
    with pytest.raises(ValueError, match='average'):
        scores.table('activity', average='frames')


def test_what_is_added_must_fit():
    scores = example()
    with pytest.raises(ValueError, match='different numbers of poses'):
        scores.add({'MPJPE': [1], 'PCK': [1, 2]}, sequence='x', activity='y')
    with pytest.raises(ValueError, match=r"\['MPJPE'\] instead of \['MPJPE', 'PCK'\]"):
        scores.add({'MPJPE': [1]}, sequence='x', activity='y')
    with pytest.raises(ValueError, match='instead of'):
        scores.add({'MPJPE': [1], 'PCK': [1]}, sequence='x')
    assert np.isnan(Scores().mean('MPJPE'))


def test_greedy_matching_takes_true_people_in_turn():
    agreement = [[3, 5, 5], [0, 9, 2], [1, 9, 0], [0, 0, 0]]
    np.testing.assert_array_equal(greedy_matches(agreement), [1, 2, 0, -1])
    np.testing.assert_array_equal(greedy_matches([[NAN, 2], [1, NAN]]), [1, 0])
    np.testing.assert_array_equal(greedy_matches(np.zeros((2, 0))), [-1, -1])
    assert greedy_matches(np.zeros((0, 3))).shape == (0,)


def test_near_keypoints_are_so_in_both_directions():
    true = np.array([[[0, 0], [100, 100], [NAN, NAN]], [[500, 0], [0, 500], [7, 7]]])
    pred = true[:1] + [[[39.9, -39.9]], [[40, 0]], [[0, 41]]]
    np.testing.assert_array_equal(near_keypoints(pred, true, 40), [[2, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(near_keypoints(true, true, 40), [[2, 0], [0, 3]])
    assert near_keypoints(pred[:0], true, 40).shape == (2, 0)


def test_groups_without_any_pose_are_nan():
    for shape in ((0,), (0, 17)):
        assert np.isnan(group_means(np.zeros(shape), [], order=['a'])['a'])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_greedy_matching_is_one_to_one_and_never_leaves_a_better_one(seed):
    rng = np.random.default_rng(seed)
    agreement = rng.integers(0, 5, rng.integers(0, 6, 2))
    matches = greedy_matches(agreement)
    taken = []
    for row, match in zip(agreement, matches, strict=True):
        left = [row[j] for j in range(len(row)) if j not in taken]
        assert (row[match] if match >= 0 else 0) == max(left, default=0)
        if match >= 0:
            assert match not in taken
            taken.append(match)
