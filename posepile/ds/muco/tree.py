"""Where the files of the composites lie below ``$DATA_ROOT/muco``.

The authors' program, and ours, put images into one folder; PosePile's earlier versions moved them
into folders by the first digits of their numbers. Both are found.
"""

import os.path as osp

from posepile import paths

IMAGES = 'unaugmented_set_001'
ARRANGEMENT = 'sampled_dataset_info.mat'
CHUNK = 500  # composites
N_CAMERAS = 11  # those at the ceiling are left out


def release_dir():
    return osp.join(paths.data_root(), 'muco')


def arrangement_path():
    return osp.join(release_dir(), ARRANGEMENT)


def numbered_path(number):
    """Path of composite 1, 2, ... below the release, without folders by digits."""
    return f'{IMAGES}/{number:06d}.jpg'


def sorted_path(number):
    """The same in folders by digits, as crops are."""
    digits = f'{number:06d}'
    return f'{IMAGES}/{digits[:2]}/{digits[:4]}/{digits}.jpg'


def image_path(number):
    """Absolute path of a composite: where it is or, if there is none, where it belongs."""
    candidates = [osp.join(release_dir(), p(number)) for p in (numbered_path, sorted_path)]
    return next((path for path in candidates if osp.exists(path)), candidates[0])


def annotation_path(i_chunk):
    """Absolute path of the annotations of a chunk 1, 2, ..."""
    return osp.join(release_dir(), IMAGES, f'chunk_{i_chunk:05d}_annot.mat')


def truth_path(i_chunk):
    """Absolute path of who is visible where in the composites of a chunk."""
    return osp.join(release_dir(), IMAGES, f'chunk_{i_chunk:05d}_visible.json')
