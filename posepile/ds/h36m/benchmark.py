"""Ground truth of the Human3.6M benchmark: every 64th frame of S9 and S11, four cameras, 17 joints.

The poses are those of the release. Those of three takes of S9 are known to be shifted; published
numbers are nevertheless compared with them as they are.
"""

import os
import os.path as osp
import re
from typing import NamedTuple

import numpy as np

from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.ds.h36m.poses import read_pose_cdf
from posepile.errors import RawDataError
from posepile.simulate.origin import is_simulated

TEST_SUBJECTS = (9, 11)
FRAME_STEP = 64
N_TAKES = 30  # of each subject

#: The evaluated joints, root first, and their indices among the 32 recorded ones.
JOINTS = dict(
    pelv=0, rhip=1, rkne=2, rank=3, lhip=6, lkne=7, lank=8, spin=12, neck=13, head=14, htop=15,
    lsho=17, lelb=18, lwri=19, rsho=25, relb=26, rwri=27,
)  # fmt: skip

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

#: Takes whose motion capture is 200 mm off along world x.
_SHIFTED_TAKES = {(9, 'Greeting'), (9, 'SittingDown 1'), (9, 'Waiting 1')}
_SHIFT = (200, 0, 0)


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
        folder = osp.join(raw_folder, f'S{subject}', 'MyPoseFeatures', 'D3_Positions')
        for take in _takes(folder, is_simulated(raw_folder)):
            path = osp.join(folder, f'{take}.cdf')
            world = np.float64(read_pose_cdf(path, 3)[::FRAME_STEP, list(JOINTS.values())])
            if not np.isfinite(world).all():
                raise RawDataError(path, 'not all coordinates are finite', 'Unpack it again.')
            if corrected and (subject, take) in _SHIFTED_TAKES:
                world -= _SHIFT
            for camera in CAMERA_IDS:
                for i, pose in enumerate(world):
                    poses[View(subject, take, camera, i * FRAME_STEP)] = pose
    return poses


def _takes(folder, is_partial):
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError) as e:
        remedy = 'Run: posepile/ds/h36m/main.sh'
        raise RawDataError(folder, 'the folder of true poses is missing', remedy) from e
    takes = [n.removesuffix('.cdf') for n in names if n.endswith('.cdf') and n[0] not in '_.']
    if len(takes) != N_TAKES and not (is_partial and takes):
        problem = f'holds poses of {len(takes)} takes where {N_TAKES} were expected'
        raise RawDataError(folder, problem, 'Unpack the archive of its poses again.')
    return takes
