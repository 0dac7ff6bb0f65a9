"""Where the files of the unpacked release lie below ``$DATA_ROOT/3dhp``, and which there are."""

import os.path as osp

from posepile import paths
from posepile.simulate.origin import is_simulated

IMAGES = 'imageSequence'
FOREGROUND = 'FGmasks'
CHAIR = 'ChairMasks'

N_CAMERAS = 14
#: At the height of the chest; then the other ones at angles; then those at the ceiling.
VNECT_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
OTHER_ANGLED_CAMERAS = (3, 9, 10)
CEILING_CAMERAS = (11, 12, 13)

#: (subject, sequence) -> number of frames that are to be used, of each camera. A user has reported
#: that left and right are swapped in S4/Seq2 from 3759 to 5852; nobody has confirmed it, and they
#: are taken as they are.
N_FRAMES = {
    (1, 1): 6416, (1, 2): 12430, (2, 1): 6502, (2, 2): 6081,
    (3, 1): 12488, (3, 2): 12283, (4, 1): 6171, (4, 2): 6675,
    (5, 1): 12820, (5, 2): 12312, (6, 1): 6188, (6, 2): 6145,
    (7, 1): 6239, (7, 2): 6320, (8, 1): 6468, (8, 2): 6054,
}  # fmt: skip
#: Videos that are known to end before the annotations: (subject, sequence, camera) -> frames.
SHORT_VIDEOS = {(6, 2, 2): 3911}
TEST_SEQUENCES = (1, 2, 3, 4, 5, 6)


def release_dir():
    return osp.join(paths.data_root(), '3dhp')


def training_folder(subject, sequence):
    """Folder of a training sequence, relative to the release."""
    return f'S{subject}/Seq{sequence}'


def test_folder(number):
    """Folder of a test sequence, relative to the release."""
    return f'TS{number}'


test_folder.__test__ = False  # pytest


def video_path(subject, sequence, kind, i_camera):
    """Path of a video, relative to the release; ``kind`` is IMAGES, FOREGROUND or CHAIR."""
    return f'{training_folder(subject, sequence)}/{kind}/video_{i_camera}.avi'


def frame_path(subject, sequence, kind, i_camera, i_frame):
    """Path of an extracted frame, counted from 0 as the cameras are."""
    return f'{training_folder(subject, sequence)}/{kind}/img_{i_camera}_{i_frame:06d}.jpg'


def test_image_path(number, i_image):
    """Path of a test image, counted from 1."""
    return f'{test_folder(number)}/{IMAGES}/img_{i_image:06d}.jpg'


test_image_path.__test__ = False


def list_training_sequences(subjects=tuple(range(1, 9))) -> list[tuple[int, int]]:
    """(subject, sequence) of what the release consists of; of a simulated one, what is there."""
    return [
        key
        for key in N_FRAMES
        if key[0] in subjects and _is_expected(osp.join(release_dir(), training_folder(*key)))
    ]


def list_test_sequences() -> list[int]:
    """Numbers of the test sequences; of a simulated release, those that are there."""
    return [i for i in TEST_SEQUENCES if _is_expected(osp.join(release_dir(), test_folder(i)))]


def _is_expected(folder):
    return osp.isdir(folder) or not is_simulated(release_dir())
