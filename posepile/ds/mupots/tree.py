"""Where the files of the release lie below ``$DATA_ROOT/mupots``."""

import os
import os.path as osp
import re

from posepile import paths
from posepile.errors import RawDataError

SEQUENCES = tuple(range(1, 21))
_IMAGE = re.compile(r'img_(\d{6})\.jpg', re.ASCII)


def release_dir():
    return osp.join(paths.data_root(), 'mupots')


def folder(sequence):
    """Folder of a sequence, relative to the release."""
    return f'TS{sequence}'


def annotation_path(release, sequence):
    return osp.join(release, folder(sequence), 'annot.mat')


def occlusion_path(release, sequence):
    return osp.join(release, folder(sequence), 'occlusion.mat')


def image_path(sequence, frame):
    """Path of an image, counted from 0, relative to the release."""
    return f'{folder(sequence)}/img_{frame:06d}.jpg'


def list_frames(sequence) -> list[int]:
    """Numbers of the images of a sequence, ascending.

    Raises:
        RawDataError: if there are none.
    """
    path = osp.join(release_dir(), folder(sequence))
    names = os.listdir(path) if osp.isdir(path) else []
    numbers = sorted(int(m[1]) for m in map(_IMAGE.fullmatch, names) if m)
    if not numbers:
        raise RawDataError(path, 'there are no images img_000000.jpg, ...', 'Download the release.')
    return numbers
