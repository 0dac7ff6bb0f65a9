"""Which moments composites show, as one array that is mapped into memory.

References of the MATLAB file lead from place to place, which takes minutes for all composites. What
they lead to is therefore kept beside it, in ``composite_frame_origins.npy``.
"""

import functools
import os
import os.path as osp

import numpy as np

from posepile.atomic import replacing
from posepile.ds.muco import tree
from posepile.ds.muco.composite_info import PEOPLE, CompositeInfo
from posepile.ds.muco.studio import Moment
from posepile.errors import RawDataError
from posepile.raw.locks import open_locked

_NAME = 'composite_frame_origins.npy'
_REMEDY = 'Delete it to have it made again.'


def load_origins() -> np.ndarray:
    """(N, 4, 4) int32: subject, sequence (from 1), camera, frame (from 0) of the four people.

    Made of ``sampled_dataset_info.mat`` where it is missing, or older than that.

    Raises:
        RawDataError: if that file is missing as well, or one of them is damaged.
    """
    path = osp.join(tree.release_dir(), _NAME)
    if not _is_current(path):
        info = CompositeInfo(tree.arrangement_path())
        with open_locked(osp.join(tree.release_dir(), '.origins.lock')):
            if not _is_current(path):  # no other process has made it meanwhile
                origins = np.empty((len(info), PEOPLE, 4), np.int32)
                for i in range(len(info)):
                    origins[i] = info.moments(i + 1)
                save_origins(origins)
    return _open(path, os.stat(path).st_mtime_ns)


def moments_of(number) -> list[Moment]:
    """What composite 1, 2, ... shows.

    Raises:
        RawDataError: if there is no such composite, or as :func:`load_origins`.
    """
    origins = load_origins()
    if not 1 <= number <= len(origins):
        raise RawDataError(tree.arrangement_path(), f'has no composite {number}', _REMEDY)
    return [Moment(*row) for row in origins[number - 1].tolist()]


def is_arranged() -> bool:
    """Whether it is known what composites show."""
    return osp.exists(tree.arrangement_path()) or osp.exists(osp.join(tree.release_dir(), _NAME))


def _is_current(path):
    source = tree.arrangement_path()
    return osp.exists(path) and (
        not osp.exists(source) or os.stat(path).st_mtime_ns >= os.stat(source).st_mtime_ns
    )


def save_origins(origins):
    """Keep what :func:`load_origins` is to return; to be written after the MATLAB file."""
    with replacing(osp.join(tree.release_dir(), _NAME)) as partial:
        np.save(partial, np.asarray(origins, np.int32), allow_pickle=False)


@functools.lru_cache(maxsize=1)
def _open(path, time):
    try:
        origins = np.load(path, mmap_mode='r', allow_pickle=False)
    except (ValueError, EOFError, OSError) as e:
        raise RawDataError(path, f'is no NumPy file, or damaged ({e})', _REMEDY) from e
    if origins.dtype.kind not in 'iu' or origins.shape[1:] != (PEOPLE, 4):
        problem = f'is {origins.dtype} of shape {origins.shape}; integers (N, 4, 4) were expected'
        raise RawDataError(path, problem, _REMEDY)
    return origins
