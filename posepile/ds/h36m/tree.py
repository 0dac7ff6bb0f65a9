"""Where the files of the unpacked release lie below ``$DATA_ROOT/h36m``.

A take is known by its subject and the base name of its files (``Directions 1``), one camera's view
of it by the base name and the camera's number (``Directions 1.54138969``).
"""

import os
import os.path as osp

from posepile import paths
from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.errors import RawDataError

VIDEOS = 'Videos'
POSES = 'MyPoseFeatures/D3_Positions'
BOX_MASKS = 'MySegmentsMat/ground_truth_bb'
BOXES = 'BBoxes'
IMAGES = 'Images'


def release_dir():
    return osp.join(paths.data_root(), 'h36m')


def metadata_path():
    return osp.join(release_dir(), 'Release-v1.2', 'metadata.xml')


def subject_dir(subject):
    return osp.join(release_dir(), f'S{subject}')


def list_takes(subject) -> list[str]:
    """Base names of a subject's takes of which there are poses, videos or images, sorted.

    What was filmed between the actions (``_ALL``) is left out.

    Raises:
        RawDataError: if there are none.
    """
    folder = subject_dir(subject)
    names = {
        osp.splitext(name)[0] for name in listing(osp.join(folder, POSES)) if name.endswith('.cdf')
    }
    for kind in (VIDEOS, IMAGES):
        names.update(name.partition('.')[0] for name in listing(osp.join(folder, kind)))
    names = sorted(name for name in names if name and '_' not in name)
    if not names:
        raise RawDataError(
            folder,
            f'there are no poses, videos or images of subject S{subject}',
            'Download and unpack them: posepile run h36m',
        )
    return names


def list_views(subject, kind, extension) -> list[str]:
    """Names, without extension, of a subject's files of one kind in takes, sorted."""
    names = listing(osp.join(subject_dir(subject), kind))
    return sorted(
        name.removesuffix(extension)
        for name in names
        if name.endswith(extension) and name[0] not in '._' and name.count('.') == 2
    )


def view_name(take_name, i_camera):
    return f'{take_name}.{CAMERA_IDS[i_camera]}'


def listing(folder):
    """Names of what is in a folder; none if there is no such folder."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith('.')]
    except FileNotFoundError:
        return []
