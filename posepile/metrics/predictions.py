"""Files of predicted poses, and whether they have what an evaluation wants.

The files are npz or HDF5 with ``image_path`` and ``coords3d_pred_world``.
"""

import logging
import os

import numpy as np

from posepile.errors import BadFileError, OptionError
from posepile.raw.npyfile import load_npz

logger = logging.getLogger(__name__)

_KEYS = ('image_path', 'coords3d_pred_world')
_HDF5_MAGIC = b'\x89HDF\r\n\x1a\n'
_MOST_NAMED = 5


def read_predictions(path) -> tuple[list[str], np.ndarray]:
    """The content of a prediction file; its format is told by its first bytes, not by its name.

    Returns:
        (N) image paths and (N, J, 3) float64 poses, as they are in the file.

    Raises:
        BadFileError: if it is missing, damaged, or without what must be in it.
    """
    path = os.fspath(path)
    try:
        with open(path, 'rb') as f:
            is_hdf5 = f.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except (FileNotFoundError, IsADirectoryError) as e:
        raise BadFileError(path, 'there is no such prediction file', 'Check its path.') from e
    arrays = _load_hdf5(path) if is_hdf5 else load_npz(path)
    for key in _KEYS:
        if key not in arrays:
            raise BadFileError(path, f'has no array {key}', f'Store {" and ".join(_KEYS)}.')
    image_paths = [_to_text(path, p) for p in np.ravel(arrays['image_path']).tolist()]
    poses = arrays['coords3d_pred_world']
    if poses.dtype.kind not in 'fiu' or poses.ndim != 3 or poses.shape[2] != 3:
        problem = f'coords3d_pred_world is {poses.dtype} {poses.shape}, not numbers (N, J, 3)'
        raise BadFileError(path, problem, 'Store one array of poses in world mm.')
    if len(image_paths) != len(poses):
        problem = f'has {len(image_paths)} image paths for {len(poses)} poses'
        raise BadFileError(path, problem, 'Store one path per pose.')
    return image_paths, np.float64(poses)


def rows_of(path, wanted, given, *, name=str, remedy='', allow_missing=False) -> np.ndarray:
    """Which row of a prediction file is that of each item that is evaluated.

    Args:
        path: the file, for the error.
        wanted: N items, such as images.
        given: the item of each row of the file, in any order; None for rows to be passed over.
        name: function that makes the text by which an error calls an item.
        remedy: what to do if they do not fit.
        allow_missing: give -1 for items without a row, and a warning that names them. By what
            they then count is for the protocol to say.

    Returns:
        (N,) int.

    Raises:
        BadFileError: if items are missing (unless allowed), have several rows, or are not among
            the wanted ones. It names the first few of each kind.
    """
    rows, extra, repeated = {}, [], []
    known = set(wanted)
    for i, item in enumerate(given):
        if item is None:
            continue
        if item not in known:
            extra.append(item)
        elif item in rows:
            repeated.append(item)
        else:
            rows[item] = i
    missing = [item for item in wanted if item not in rows]
    if missing and allow_missing:
        logger.warning('%s: %s', path, _told('missing', missing, name))
        missing = []
    kinds = [('missing', missing), ('of other images', extra), ('repeated', repeated)]
    problems = [_told(kind, items, name) for kind, items in kinds if items]
    if problems:
        problem = f'does not fit the {len(wanted)} poses that are evaluated: {", ".join(problems)}'
        raise BadFileError(path, problem, remedy)
    return np.array([rows.get(item, -1) for item in wanted], int)


def take_rows(poses, rows) -> np.ndarray:
    """Poses (N, ...) float64 of the rows; NaN for row -1."""
    rows = np.asarray(rows)
    present = (rows >= 0).reshape(-1, *[1] * (np.ndim(poses) - 1))
    if not len(poses):
        return np.full((len(rows), *np.shape(poses)[1:]), np.nan)
    return np.where(present, np.asarray(poses, np.float64)[rows], np.nan)


def paths_of_seeds(path, n_seeds) -> list[str]:
    """Prediction files of several training runs: ``seed1`` in the path becomes ``seed2`` and so on.

    Raises:
        OptionError: if there are several seeds, but no ``seed1`` in the path.
    """
    path = os.fspath(path)
    if n_seeds == 1:
        return [path]
    if 'seed1' not in path:
        raise OptionError(f'--seeds {n_seeds}: the path {path} has no part seed1 to replace.')
    return [path.replace('seed1', f'seed{i}') for i in range(1, n_seeds + 1)]


def some_of(names) -> str:
    """The first few of many names, and how many more there are."""
    names = list(names)
    rest = len(names) - _MOST_NAMED
    return ', '.join(names[:_MOST_NAMED]) + (f' and {rest} more' if rest > 0 else '')


def _told(kind, items, name):
    return f'{len(items)} {kind} ({some_of(map(name, items))})'


def _load_hdf5(path):
    import h5py

    try:
        with h5py.File(path, 'r') as f:
            return {key: f[key][()] for key in _KEYS if isinstance(f.get(key), h5py.Dataset)}
    except (MemoryError, OSError, RuntimeError, TypeError, ValueError) as e:
        raise BadFileError(path, f'is a damaged HDF5 file ({e})', 'Write it again.') from e


def _to_text(path, value):
    if isinstance(value, bytes):
        value = value.decode(errors='replace')
    if not isinstance(value, str):
        raise BadFileError(path, f'image_path holds {value!r}, not text', 'Store paths as text.')
    return value
