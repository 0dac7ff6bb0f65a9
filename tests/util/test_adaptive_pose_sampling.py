import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.util.adaptive_pose_sampling import (
    AdaptivePoseSampler,
    AdaptivePoseSampler2,
    select_frames,
)

N = math.nan
GOLDEN_X = [
    (0, 0),
    (50, 0),
    (99.9, 0),
    (100, 0),
    (N, 0),
    (N, N),
    (100, 0),
    (0, 0),
    (300, 0),
    (0, 0),
]
GOLDEN = {  # (check_validity, assume_nan_unchanged): sampler 1, then sampler 2 by buffer size
    (False, False): ('KSSKKKKKKK', {1: 'KSSKKKKKKK', 2: 'KSSKKKKKKS', 100: 'KSSKKKSSKS'}),
    (True, False): ('KSSKSSSKKK', {1: 'KSSKSSSKKK', 2: 'KSSKSSSSKK', 100: 'KSSKSSSSKS'}),
    (False, True): ('KSSKSSSKKK', {1: 'KSSKSSSKKK', 2: 'KSSKSSSSKK', 100: 'KSSKSSSSKS'}),
    (True, True): ('KSSKSSSKKK', {1: 'KSSKSSSKKK', 2: 'KSSKSSSSKK', 100: 'KSSKSSSSKS'}),
}


def golden_poses():
    poses = np.zeros((10, 2, 3), np.float32)
    poses[..., 0] = GOLDEN_X
    poses[np.isnan(poses[..., 0])] = np.nan
    return poses


def decisions(sampler, poses):
    return ''.join('S' if sampler.should_skip(pose) else 'K' for pose in poses)


@pytest.mark.parametrize('all_nan_first', [False, True])
@pytest.mark.parametrize('options', GOLDEN)
def test_golden_table(options, all_nan_first):
    expected1, expected2 = GOLDEN[options]
    poses, prefix = golden_poses(), ''
    if all_nan_first:
        poses, prefix = np.concatenate([np.full((1, 2, 3), np.nan), poses]), 'S'
    assert decisions(AdaptivePoseSampler(100, *options), poses) == prefix + expected1
    for buffer_size, expected in expected2.items():
        sampler = AdaptivePoseSampler2(100, *options, buffer_size)
        assert decisions(sampler, poses) == prefix + expected


def test_joint_that_appears_for_the_first_time_has_moved():
    poses = np.zeros((4, 2, 3))
    poses[:2, 1] = np.nan
    for sampler in AdaptivePoseSampler(100, False, True), AdaptivePoseSampler2(100, False, True):
        assert decisions(sampler, poses) == 'KSKS'


def test_unchanged_joints_are_compared_with_where_they_were_last_kept():
    x = [(0, 0), (200, N), (200, 99), (200, 100)]
    poses = np.zeros((4, 2, 3))
    poses[..., 0] = x
    assert decisions(AdaptivePoseSampler(100, True, True), poses) == 'KKSK'
    assert decisions(AdaptivePoseSampler2(100, True, True, 50), poses) == 'KKSK'


def test_joint_with_one_missing_coordinate_is_missing():
    """However far its other coordinate is."""
    poses = np.zeros((3, 2, 2))
    poses[:, 0] = [(-60, N), (0, 0), (60, 80)]
    assert decisions(AdaptivePoseSampler2(100, False, True, 2), poses) == 'KKS'


def test_select_frames():
    kept = select_frames(golden_poses(), AdaptivePoseSampler2(100, True, True, 2))
    assert kept.tolist() == [0, 3, 8, 9] and kept.dtype == np.int64
    assert select_frames(np.zeros((0, 2, 3)), AdaptivePoseSampler(100)).shape == (0,)


def test_remembered_pose_is_a_copy():
    pose = np.zeros((2, 3))
    for sampler in AdaptivePoseSampler(100), AdaptivePoseSampler2(100):
        sampler.should_skip(pose)
        pose += 200  # the caller reuses its array
        assert not sampler.should_skip(pose)
        pose -= 200


def test_buffer_size_must_be_positive():
    with pytest.raises(ValueError, match='buffer_size'):
        AdaptivePoseSampler2(100, buffer_size=0)


class SlowSampler:
    """The rules, word by word, one joint at a time."""

    def __init__(self, thresh, check_validity, assume_nan_unchanged, buffer_size):
        self.thresh, self.buffer_size = thresh, buffer_size
        self.cv, self.anu = check_validity, assume_nan_unchanged
        self.memory = None  # the kept poses, oldest first

    def should_skip(self, pose):
        if self.memory is None:
            self.memory = [pose]
            return not any(self.valid(p) for p in pose)
        if not self.moved(pose):
            return True
        if self.anu:
            last = self.memory[-1]
            pose = [
                [b if math.isnan(a) else a for a, b in zip(p, q, strict=True)]
                for p, q in zip(pose, last, strict=True)
            ]
        self.memory = (self.memory + [pose])[-self.buffer_size :]
        return False

    @staticmethod
    def valid(joint):
        return not any(math.isnan(a) for a in joint)

    def moved(self, pose):
        joints = range(len(pose))
        if self.cv:
            joints = [j for j in joints if self.valid(pose[j])]
        if self.cv or self.anu:
            last = self.memory[-1]
            if any(self.valid(p) and not self.valid(q) for p, q in zip(pose, last, strict=True)):
                return True
        per_memory = []
        for kept in self.memory:
            changes = [math.dist(pose[j], kept[j]) for j in joints]
            if self.anu:
                changes = [c for c in changes if not math.isnan(c)]
                if changes:
                    per_memory.append(max(changes))
            elif all(c < self.thresh for c in changes):
                return False
        if self.anu:
            return bool(per_memory) and min(per_memory) >= self.thresh
        return True


# Whole multiples of 60 and 80 make distances of exactly 100 common, without rounding.
coordinates = st.sampled_from([0.0, 0.0, 60.0, 80.0, -60.0, 180.0, N])


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    n_joints=st.integers(1, 6),
    options=st.tuples(st.booleans(), st.booleans()),
    buffer_size=st.sampled_from([1, 2, 3, 7, 100]),
)
def test_agrees_with_the_literal_rules(data, n_joints, options, buffer_size):
    joint = st.one_of(st.just([N, N]), st.lists(coordinates, min_size=2, max_size=2))
    pose = st.lists(joint, min_size=n_joints, max_size=n_joints)
    poses = data.draw(st.lists(pose, min_size=1, max_size=25))
    expected = decisions(SlowSampler(100, *options, buffer_size), poses)
    assert decisions(AdaptivePoseSampler2(100, *options, buffer_size), np.array(poses)) == expected
    if buffer_size == 1:
        assert decisions(AdaptivePoseSampler(100, *options), np.array(poses)) == expected


@pytest.mark.parametrize('options', GOLDEN)
def test_long_buffer_agrees_with_the_literal_rules(options):
    rng = np.random.default_rng(5)
    poses = np.round(rng.normal(0, 70, (400, 7, 3))).astype(np.float32)
    poses[rng.random((400, 7)) < 0.1] = np.nan
    expected = decisions(SlowSampler(200, *options, 150), poses.astype(float).tolist())
    assert expected.count('S') > 10 or options == (False, False)
    assert decisions(AdaptivePoseSampler2(200, *options, 150), poses) == expected
