"""Choose the frames of a video in which the pose has changed enough to be worth keeping.

A sampler is shown every pose in time order and says which ones to skip. Poses are (J, D) with D 2
or 3, in the unit of the threshold; a joint with a NaN is missing. The two options decide what a
missing joint means:

* neither: a missing joint counts as moved, so an incomplete pose is always kept;
* ``check_validity``: only joints present now are compared, and a pose is kept if a joint is
  present that was missing in the pose last kept;
* ``assume_nan_unchanged``: a missing joint counts as being where it was last kept; a joint that
  appears for the first time counts as moved.
"""

import numpy as np

from posepile.util.geom3d import are_joints_valid

_JOINTS_AT_A_TIME = 4


class AdaptivePoseSampler:
    """Skips poses in which every joint is less than ``thresh`` away from the pose last kept."""

    def __init__(self, thresh, check_validity=False, assume_nan_unchanged=False):
        self.thresh = thresh
        self.check_validity = check_validity
        self.assume_nan_unchanged = assume_nan_unchanged
        self._kept_pose = None

    def should_skip(self, pose) -> bool:
        """Whether to drop this frame. Call it once per frame, in time order."""
        pose = np.asarray(pose)
        if self._kept_pose is None:
            self._kept_pose = pose.copy()
            return not np.any(are_joints_valid(pose))
        if not self._has_moved(pose):
            return True
        if self.assume_nan_unchanged:
            self._kept_pose = np.where(np.isnan(pose), self._kept_pose, pose)
        else:
            self._kept_pose = pose.copy()
        return False

    def _has_moved(self, pose):
        compared = slice(None)
        if self.check_validity or self.assume_nan_unchanged:
            valid = are_joints_valid(pose)
            if np.any(valid & ~are_joints_valid(self._kept_pose)):
                return True
            compared = valid
        change = np.linalg.norm(pose[compared] - self._kept_pose[compared], axis=-1)
        return not np.all(change < self.thresh)


class AdaptivePoseSampler2:
    """Skips poses that are close to any of the last ``buffer_size`` poses kept.

    Close means that every joint is less than ``thresh`` away. With a buffer of one this is
    :class:`AdaptivePoseSampler`. Kept poses are remembered in float32.
    """

    def __init__(self, thresh, check_validity=False, assume_nan_unchanged=False, buffer_size=1):
        if buffer_size < 1:
            raise ValueError(f'buffer_size must be at least 1, not {buffer_size}.')
        self.thresh = thresh
        self.check_validity = check_validity
        self.assume_nan_unchanged = assume_nan_unchanged
        self.buffer_size = int(buffer_size)
        self._buffer = None  # (capacity, J, D), grows up to buffer_size
        self._last_kept = None  # (J, D)
        self._n_kept = 0

    def should_skip(self, pose) -> bool:
        """Whether to drop this frame. Call it once per frame, in time order."""
        pose = np.asarray(pose)
        if self._buffer is None:
            self._buffer = np.empty((0, *pose.shape), np.float32)
            self._remember(pose)
            return not np.any(are_joints_valid(pose))
        if not self._has_moved(pose):
            return True
        self._remember(pose)
        return False

    def _has_moved(self, pose):
        if not (self.check_validity or self.assume_nan_unchanged):
            return self._is_far_from_all_kept(pose, np.arange(len(pose)))
        valid = are_joints_valid(pose)
        if np.any(valid & ~are_joints_valid(self._last_kept)):
            return True
        return self._is_far_from_all_kept(pose, np.flatnonzero(valid))

    def _is_far_from_all_kept(self, pose, joints):
        if not len(joints):
            return False
        kept = self._buffer[: min(self._n_kept, self.buffer_size)]
        # A single coordinate rules out most of a long buffer at little cost, and a few joints at
        # a time nearly all of the rest.
        offset = np.abs(kept[:, joints[0], 0] - pose[joints[0], 0])
        candidates = np.flatnonzero(self._is_near(offset))
        has_evidence = np.zeros(len(candidates), bool)
        for i in range(0, len(joints), _JOINTS_AT_A_TIME):
            some = joints[i : i + _JOINTS_AT_A_TIME]
            change = np.linalg.norm(kept[candidates[:, np.newaxis], some] - pose[some], axis=-1)
            has_evidence |= ~np.all(np.isnan(change), axis=1)
            is_near = np.all(self._is_near(change), axis=1)
            candidates, has_evidence = candidates[is_near], has_evidence[is_near]
            if not len(candidates):
                return True
        # A kept pose that shares no joint with this one says nothing about it. At least one shares
        # them all: under assume_nan_unchanged the last one has every joint that ever was valid.
        return not np.any(has_evidence)

    def _is_near(self, distance):
        # NaN compares false, so the negation lets it pass as unchanged.
        if self.assume_nan_unchanged:
            return ~(distance >= self.thresh)
        return distance < self.thresh

    def _remember(self, pose):
        pose = np.array(pose, np.float32)
        if self.assume_nan_unchanged and self._n_kept:
            pose = np.where(np.isnan(pose), self._last_kept, pose)
        self._last_kept = pose
        slot = self._n_kept % self.buffer_size
        if slot == len(self._buffer):
            n_more = min(max(slot, 1), self.buffer_size - slot)
            more = np.empty((n_more, *self._buffer.shape[1:]), np.float32)
            self._buffer = np.concatenate([self._buffer, more])
        # A joint with a NaN is missing, and here each of its coordinates tells.
        self._buffer[slot] = np.where(are_joints_valid(pose)[:, np.newaxis], pose, np.nan)
        self._n_kept += 1


def select_frames(poses, sampler) -> np.ndarray:
    """Indices (ascending) of the (T, J, D) poses, in time order, that the sampler keeps."""
    return np.array([i for i, pose in enumerate(poses) if not sampler.should_skip(pose)], np.int64)
