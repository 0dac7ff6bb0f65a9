"""Ground truth of the MPI-INF-3DHP benchmark: the valid frames of six test sequences."""

import os.path as osp
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posepile.ds.tdhp.annotations import read_test_poses
from posepile.ds.tdhp.cameras import test_calibration
from posepile.errors import RawDataError
from posepile.simulate.origin import is_simulated

SEQUENCES = (1, 2, 3, 4, 5, 6)
ACTIVITIES = (
    'Stand/Walk',
    'Exercise',
    'Sit on Chair',
    'Reach/Crouch',
    'On Floor',
    'Sports',
    'Misc.',
)
SCENES = ('green-screen', 'no-green-screen', 'outdoor')
#: Index of the pelvis; see ``skeleton.TEST_JOINTS``.
ROOT = 14
#: Joints that are counted as correct or not: all but pelvis, spine and head.
N_COUNTED = 14
JOINT_GROUPS = {
    'Head': (0,),
    'Neck': (1,),
    'Shoulders': (2, 5),
    'Elbows': (3, 6),
    'Wrists': (4, 7),
    'Hips': (8, 11),
    'Knees': (9, 12),
    'Ankles': (10, 13),
}


class Frame(NamedTuple):
    """A test image; both numbers count from 1."""

    sequence: int
    image: int

    @property
    def image_path(self) -> str:
        """Relative to DATA_ROOT."""
        return f'3dhp/TS{self.sequence}/imageSequence/img_{self.image:06d}.jpg'


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """N poses in the order of ``frames``.

    Attributes:
        frames: N of :class:`Frame`, sorted.
        poses: (N, 17, 3) world coordinates in mm, joints as in ``skeleton.TEST_JOINTS``.
        activities: (N,) int, from 1.
    """

    frames: list[Frame]
    poses: np.ndarray
    activities: np.ndarray

    @property
    def sequences(self) -> np.ndarray:
        """(N,) int, from 1."""
        return np.array([frame.sequence for frame in self.frames])

    @property
    def scenes(self) -> np.ndarray:
        """(N,) indices of ``SCENES``."""
        return (self.sequences - 1) // 2


_PATH = re.compile(r'(?:.*/)?TS([1-6])/imageSequence/img_(\d{1,9})\.[a-z]+', re.ASCII)


def parse_image_path(path) -> Frame | None:
    """The frame that a path names, wherever its folders lie; None for others."""
    match = _PATH.fullmatch(path.replace('\\', '/'))
    return match and Frame(int(match[1]), int(match[2]))


def read_ground_truth(raw_folder, universal=False) -> GroundTruth:
    """The true poses of the benchmark.

    Args:
        raw_folder: the folder of the release, which holds ``TS1`` to ``TS6``; if it was simulated,
            some may be missing.
        universal: take the poses of the height-normalised skeleton.

    Raises:
        RawDataError: if annotations are missing or damaged, or no frame is valid.
    """
    frames, poses, activities = [], [], []
    for sequence in SEQUENCES:
        folder = osp.join(raw_folder, f'TS{sequence}')
        if not osp.isdir(folder) and is_simulated(raw_folder):
            continue
        annotations = read_test_poses(osp.join(folder, 'annot_data.mat'))
        rows = np.flatnonzero(annotations.is_valid)
        in_camera = annotations.univ_joints if universal else annotations.joints
        frames += [Frame(sequence, int(row) + 1) for row in rows]
        poses.append(test_calibration(sequence).to_world(in_camera[rows]))
        activities.append(annotations.activities[rows])
    if not frames:
        raise RawDataError(raw_folder, 'has no valid test frames', 'Download the test set.')
    return GroundTruth(frames, np.concatenate(poses), np.concatenate(activities))
