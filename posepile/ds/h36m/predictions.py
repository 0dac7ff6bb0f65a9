"""Files of predicted poses: npz or HDF5 with ``image_path`` and ``coords3d_pred_world``."""

import os

import numpy as np

from posepile.ds.h36m.benchmark import JOINTS, parse_image_path
from posepile.ds.h36m.main import ALL_JOINT_INFO
from posepile.errors import BadFileError
from posepile.raw.npyfile import load_npz

_KEYS = ('image_path', 'coords3d_pred_world')
_HDF5_MAGIC = b'\x89HDF\r\n\x1a\n'
_MOST_NAMED = 5

_ROOT, *_OTHERS = JOINTS


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


def match_predictions(path, views, subjects, root_last=False) -> np.ndarray:
    """Predicted poses of the given views, in their order.

    Args:
        path: the prediction file, its rows in any order.
        views: the :class:`posepile.ds.h36m.benchmark.View` of each wanted pose.
        subjects: predictions of other subjects are left out.
        root_last: whether the pelvis is the last of 17 joints, not the first. Predictions with 25
            joints always have it last.

    Returns:
        (len(views), 17, 3) float64, joints as in ``benchmark.JOINTS``.

    Raises:
        BadFileError: if the file is no prediction file, has poses of other images or none of some,
            or several of one, or other joints, or numbers that are not finite.
    """
    image_paths, poses = read_predictions(path)
    order = _joint_order(path, poses.shape[1], root_last)
    rows, extra, repeated = {}, [], []
    wanted = set(views)
    for i, image_path in enumerate(image_paths):
        view = parse_image_path(image_path)
        if view is not None and view.subject not in subjects:
            continue
        if view not in wanted:
            extra.append(image_path)
        elif view in rows:
            repeated.append(image_path)
        else:
            rows[view] = i
    missing = [view.image_path for view in views if view not in rows]
    problems = [
        f'{len(paths)} {kind} ({_some(paths)})'
        for kind, paths in [
            ('missing', missing),
            ('of other images', extra),
            ('repeated', repeated),
        ]
        if paths
    ]
    if problems:
        subjects_text = ' and '.join(f'S{s}' for s in subjects)
        raise BadFileError(
            path,
            f'does not fit the {len(views)} poses that are evaluated: {", ".join(problems)}',
            f'Predict every 64th frame of {subjects_text}, all cameras, each once.',
        )
    matched = poses[[rows[view] for view in views]][:, order]
    is_bad = ~np.isfinite(matched).all(axis=(1, 2))
    if is_bad.any():
        first = views[int(np.argmax(is_bad))].image_path
        problem = f'{is_bad.sum()} of the poses not finite, the first one for {first}'
        raise BadFileError(path, problem, 'Predict all joints of every image.')
    return matched


def _joint_order(path, n_joints, root_last):
    """Indices of ``JOINTS`` among the joints of the file."""
    of_17 = [*_OTHERS, _ROOT] if root_last else [_ROOT, *_OTHERS]
    names = {17: of_17, 25: ALL_JOINT_INFO.names}.get(n_joints)
    if names is None:
        raise BadFileError(path, f'has {n_joints} joints; 17 or 25 were expected', 'Convert them.')
    return [names.index(name) for name in JOINTS]


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


def _some(paths):
    rest = len(paths) - _MOST_NAMED
    return ', '.join(paths[:_MOST_NAMED]) + (f' and {rest} more' if rest > 0 else '')
