"""The moments that composites are made of, chosen by the rule of the authors.

In each sequence, a frame is taken whenever a joint has moved by 175 mm since the last one taken,
as the first camera sees the height-normalised skeleton. Every camera then gets the frames up to 25
before or after these, at random, where at least one joint is in its picture.

Random numbers are those of MATLAB's ``rng(1928); rand`` (both draw 53 bits from the same Mersenne
twister). The authors' own pool differs nevertheless where the order of their draws is unknown.
"""

from dataclasses import dataclass

import numpy as np

from posepile.clips import WhenMoved
from posepile.ds.muco import studio
from posepile.ds.muco.studio import Moment
from posepile.ds.muco.tree import N_CAMERAS
from posepile.ds.tdhp import tree

SEED = 1928
FIRST_FRAME = 180
_WHEN_MOVED = WhenMoved(175)
_JITTER = 50  # frames, from the earliest to the latest

#: The 21 joints of the composites' own annotations, among the 28 of the recordings.
JOINTS = tuple(
    i - 1 for i in (8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7, 18, 13, 28, 23)
)


@dataclass(frozen=True, eq=False)
class PoolEntry:
    """A moment as the composites' annotations have it.

    Attributes:
        moment: when, and seen by which camera.
        pixels: (21, 2).
        joints, univ_joints: (21, 3) in camera space, mm.
    """

    moment: Moment
    pixels: np.ndarray
    joints: np.ndarray
    univ_joints: np.ndarray


def build_pool(first_frame=FIRST_FRAME, seed=SEED) -> tuple[list[PoolEntry], np.random.RandomState]:
    """All moments of which there are recordings, by subject, sequence, camera and frame.

    Returns:
        The pool, and the generator of random numbers to go on with.

    Raises:
        RawDataError: if annotations or calibrations are missing or damaged.
    """
    rng = np.random.RandomState(seed)
    pool = []
    for key in sorted(tree.list_training_sequences()):
        poses = studio.poses_of(*key)
        n_frames = min(poses.shape[2], tree.N_FRAMES[key])
        moving = frames_in_motion(poses[0, 1, :n_frames][:, JOINTS], first_frame)
        for i_camera in range(N_CAMERAS):
            n = min(n_frames, studio.n_recorded(*key, i_camera))
            frames = jittered(moving, rng.random_sample(len(moving)), first_frame, n)
            pool += _visible_entries(key, i_camera, frames, poses)
    return pool, rng


def frames_in_motion(joints, first_frame=FIRST_FRAME) -> np.ndarray:
    """Indices of the frames in which a joint of (F, J, 3), mm, has moved since the last of them."""
    if len(joints) <= first_frame:
        return np.zeros(0, int)
    return first_frame + _WHEN_MOVED(joints[first_frame:])


def jittered(frames, uniform, first_frame, n_frames) -> np.ndarray:
    """Frames moved by up to 25 to either side, without those that coincide.

    Args:
        frames: (n,) indices.
        uniform: (n,) random numbers from 0 to 1.
        first_frame, n_frames: the result lies in ``first_frame <= i < n_frames``.
    """
    if n_frames <= first_frame:
        return np.zeros(0, int)
    steps = (uniform - 0.5) * _JITTER
    rounded = np.sign(steps) * np.floor(np.abs(steps) + 0.5)  # MATLAB rounds halves away from 0
    return np.unique(np.clip(frames + rounded.astype(int), first_frame, n_frames - 1))


def _visible_entries(key, i_camera, frames, poses):
    if not len(frames):
        return
    calibration = studio.calibration_of(Moment(*key, i_camera, 0))
    height, width = calibration.imshape
    joints, univ_joints = poses[i_camera][:, frames][:, :, JOINTS]
    pixels = calibration.project(joints)
    is_inside = np.all((pixels >= 0) & (pixels < (width, height)), axis=2) & (joints[..., 2] > 0)
    for i in np.flatnonzero(is_inside.any(axis=1)):
        moment = Moment(*key, i_camera, int(frames[i]))
        yield PoolEntry(moment, pixels[i], joints[i], univ_joints[i])
