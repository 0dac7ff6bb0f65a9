"""Ground truth of the Human3.6M benchmark: every 64th frame of S9 and S11, four cameras, 17 joints.

The poses are those of the release. Those of three takes of S9 are known to be shifted; published
numbers are nevertheless compared with them as they are.
"""

import re
from typing import NamedTuple

import numpy as np

from posepile.ds.h36m.corrections import correct_world_coords
from posepile.ds.h36m.main import ALL_JOINT_INFO, ALL_SOURCE_JOINTS, SOURCE_JOINTS
from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.ds.h36m.pose_source import list_pose_files
from posepile.ds.h36m.poses import read_pose_cdf
from posepile.errors import RawDataError
from posepile.simulate.origin import is_simulated

TEST_SUBJECTS = (9, 11)
FRAME_STEP = 64
N_TAKES = 30  # of each subject

_NAME_OF = dict(zip(ALL_SOURCE_JOINTS, ALL_JOINT_INFO.names, strict=True))
#: The evaluated joints, root first, and their rows in the pose files.
JOINTS = {_NAME_OF[i]: i for i in sorted(SOURCE_JOINTS)}

#: The activities in the order of published tables.
ACTIVITIES = (
    'Directions',
    'Discussion',
    'Eating',
    'Greeting',
    'Phoning',
    'Posing',
    'Purchases',
    'Sitting',
    'SittingDown',
    'Smoking',
    'Photo',
    'Waiting',
    'Walking',
    'WalkDog',
    'WalkTogether',
)


class View(NamedTuple):
    """What an image of the benchmark shows. ``frame`` counts from 0."""

    subject: int
    take: str
    camera: str
    frame: int

    @property
    def image_path(self) -> str:
        """Path of the image relative to DATA_ROOT."""
        images = f'h36m/S{self.subject}/Images'
        return f'{images}/{self.take}.{self.camera}/frame_{self.frame:06d}.jpg'

    @property
    def activity(self) -> str:
        return self.take.partition(' ')[0]


_PATH = re.compile(r'(?:.*/)?S(\d{1,2})/Images/([^/]+)\.(\d+)/frame_(\d+)\.[a-z]+', re.ASCII)


def parse_image_path(path) -> View | None:
    """The view of a path of an image or of its crop, wherever its folders lie; None for others."""
    match = _PATH.fullmatch(path.replace('\\', '/'))
    return match and View(int(match[1]), match[2], match[3], int(match[4]))


def read_ground_truth(raw_folder, subjects=TEST_SUBJECTS, corrected=False):
    """The true poses of the benchmark.

    Args:
        raw_folder: the folder of the release, which holds ``S9`` and ``S11``.
        subjects: which subjects.
        corrected: whether to move the shifted takes of S9 to where the person was.

    Returns:
        dict of :class:`View` to (17, 3) float64 world coordinates in mm, joints as in ``JOINTS``.

    Raises:
        RawDataError: if a pose file is missing or damaged.
    """
    poses = {}
    for subject in subjects:
        for take, path in list_takes(raw_folder, subject, is_simulated(raw_folder)).items():
            world = np.float64(read_pose_cdf(path, 3)[::FRAME_STEP, list(JOINTS.values())])
            if not np.isfinite(world).all():
                raise RawDataError(path, 'not all coordinates are finite', 'Unpack it again.')
            if corrected:
                world = correct_world_coords(world, path)
            for camera in CAMERA_IDS:
                for i, pose in enumerate(world):
                    poses[View(subject, take, camera, i * FRAME_STEP)] = pose
    return poses


def list_takes(folder, subject, is_partial=False) -> dict[str, str]:
    """Name -> path of the world poses of all takes of a subject.

    Args:
        folder: of the release.
        is_partial: whether there may be less than 30.

    Raises:
        RawDataError: if some are missing.
    """
    takes = list_pose_files(folder, subject, 'D3_Positions')
    if len(takes) != N_TAKES and not (is_partial and takes):
        problem = f'has poses of {len(takes)} takes of S{subject} where {N_TAKES} were expected'
        raise RawDataError(folder, problem, 'Unpack the archive of its D3_Positions again.')
    return takes
