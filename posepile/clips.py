"""What a raw release consists of, once read: clips, and the people in them.

A dataset's ``main.py`` turns its files into :class:`Clip` objects; everything after that is the
same for all datasets (``posepile.pipeline``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from posepile.raw.frames import FrameSource
from posepile.util.adaptive_pose_sampling import AdaptivePoseSampler2, select_frames


def all_frames(joints):
    """Select every frame."""
    return np.arange(len(joints))


@dataclass(frozen=True)
class EveryNth:
    """Select frames 0, n, 2n, ..."""

    n: int

    def __call__(self, joints):
        return np.arange(0, len(joints), self.n)


@dataclass(frozen=True)
class WhenMoved:
    """Select a frame when a joint has moved away from each of the last selected poses.

    Args:
        threshold: distance in the unit of the joints (mm in 3D) that counts as motion.
        check_validity, assume_nan_unchanged: how missing joints count; see
            :class:`~posepile.util.adaptive_pose_sampling.AdaptivePoseSampler2`.
        buffer_size: how many of the last selected poses are compared with.
        joints: indices of the joints that count; by default all.
    """

    threshold: float
    check_validity: bool = False
    assume_nan_unchanged: bool = False
    buffer_size: int = 1
    joints: tuple[int, ...] | None = None

    def __call__(self, joints):
        if self.joints is not None:
            joints = joints[:, list(self.joints)]
        sampler = AdaptivePoseSampler2(
            self.threshold, self.check_validity, self.assume_nan_unchanged, self.buffer_size
        )
        return select_frames(joints, sampler)


@dataclass(frozen=True)
class OfEveryNth:
    """Select of the frames 0, n, 2n, ... those that another selection wants if shown only them."""

    n: int
    select: Callable[[np.ndarray], np.ndarray]

    def __call__(self, joints):
        return self.n * self.select(joints[:: self.n])


@dataclass
class Person:
    """One person through the T frames of a clip.

    Attributes:
        joints: (T, J, 3) world coordinates in mm, or (T, J, 2) pixels; NaN where missing.
        boxes: (T, 4) boxes [left, top, width, height] in pixels of the source image.
        masks: T run-length encoded masks in source resolution (or None each), or None.
        univ_joints: joints of the normalised skeleton, like ``joints``, or None.
        parameters: T dictionaries of body-model parameters, or None.
        index: this person's number, as it appears in crop paths.
    """

    joints: np.ndarray
    boxes: np.ndarray
    masks: Sequence[dict | None] | None = None
    univ_joints: np.ndarray | None = None
    parameters: Sequence[dict] | None = None
    index: int = 0


@dataclass
class Clip:
    """One camera watching one take, or one photograph (a clip of a single frame).

    Attributes:
        frames: where the images come from.
        camera: the calibrated camera; a sequence of T where it moves; None if uncalibrated (2D).
        people: who is annotated in it.
        split: TRAIN, VALID or TEST.
        crop_path: pattern of the crops' paths relative to DATA_ROOT, with ``{frame}`` and
            ``{person}``: ``'x_downscaled/clip.mkv/{frame:06d}.jpg'``.
        select: (T, J, D) joints -> sorted indices of the frames worth keeping.
        activity, scene: names kept with every example.
        adjust: RGB uint8 image -> the same with other colours, applied to every finished crop.
        original_path: frame -> path of its JPEG file. Where given, no crops are made: examples
            have these files as they are, and the camera with its lens.
        notes: remarks on how the raw data was understood, for the report.
    """

    frames: FrameSource
    camera: Any
    people: list[Person]
    split: int
    crop_path: str
    select: Callable[[np.ndarray], np.ndarray] = all_frames
    activity: str = 'unknown'
    scene: str = 'unknown'
    adjust: Callable[[np.ndarray], np.ndarray] | None = None
    original_path: Callable[[int], str] | None = None
    notes: list[str] = field(default_factory=list)

    def camera_at(self, i_frame):
        """The camera of one frame."""
        if self.camera is None or not isinstance(self.camera, Sequence):
            return self.camera
        return self.camera[i_frame]
