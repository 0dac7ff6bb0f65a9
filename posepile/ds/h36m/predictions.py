"""Files of predicted poses for the benchmark of Human3.6M."""

import numpy as np

from posepile.ds.h36m.benchmark import JOINTS, parse_image_path
from posepile.ds.h36m.main import ALL_JOINT_INFO
from posepile.errors import BadFileError
from posepile.metrics.predictions import read_predictions, rows_of

_ROOT, *_OTHERS = JOINTS


def match_predictions(path, views, subjects, root_last=False) -> np.ndarray:
    """Predicted poses of the given views, in their order.

    Args:
        path: the prediction file, npz or HDF5, its rows in any order.
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
    wanted, given = set(views), []
    for image_path in image_paths:
        view = parse_image_path(image_path)
        is_other = view is not None and view.subject not in subjects
        # What is no view is told by the path.
        given.append(None if is_other else view if view in wanted else image_path)
    rows = rows_of(
        path,
        views,
        given,
        name=lambda item: getattr(item, 'image_path', item),
        remedy=f'Predict every 64th frame of {" and ".join(f"S{s}" for s in subjects)}, all '
        'cameras, each once.',
    )
    matched = poses[rows][:, order]
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
