"""Files of predicted poses for the benchmark of MPI-INF-3DHP."""

import numpy as np

from posepile.ds.h36m.predictions import read_predictions
from posepile.ds.tdhp.benchmark import parse_image_path
from posepile.ds.tdhp.skeleton import JOINT_INFO, TEST_JOINTS
from posepile.errors import BadFileError

_MOST_NAMED = 5


def match_predictions(path, frames, root_last=False) -> np.ndarray:
    """Predicted poses of the given frames, in their order.

    Args:
        path: npz or HDF5 file, see :func:`posepile.ds.h36m.predictions.read_predictions`; its rows
            may be in any order.
        frames: the :class:`~posepile.ds.tdhp.benchmark.Frame` of each wanted pose.
        root_last: whether joints are in the order of the product ``tdhp``, which ends with the
            pelvis, and not in that of the test annotations.

    Returns:
        (len(frames), 17, 3) float64, joints as in ``skeleton.TEST_JOINTS``.

    Raises:
        BadFileError: if the file is no prediction file, has poses of other images or none of some,
            or several of one, or other joints, or numbers that are not finite.
    """
    image_paths, poses = read_predictions(path)
    if poses.shape[1] != len(TEST_JOINTS):
        problem = f'has {poses.shape[1]} joints; {len(TEST_JOINTS)} were expected'
        raise BadFileError(path, problem, 'Convert them.')
    rows, problems = {}, {'missing': [], 'of other images': [], 'repeated': []}
    wanted = set(frames)
    for row, image_path in enumerate(image_paths):
        frame = parse_image_path(image_path)
        if frame not in wanted:
            problems['of other images'].append(image_path)
        elif frame in rows:
            problems['repeated'].append(image_path)
        else:
            rows[frame] = row
    problems['missing'] = [frame.image_path for frame in frames if frame not in rows]
    if any(problems.values()):
        text = ', '.join(f'{len(p)} {kind} ({_some(p)})' for kind, p in problems.items() if p)
        raise BadFileError(
            path,
            f'does not fit the {len(frames)} poses that are evaluated: {text}',
            'Predict every valid frame of the test sequences once.',
        )
    matched = poses[[rows[frame] for frame in frames]]
    is_bad = ~np.isfinite(matched).all(axis=(1, 2))
    if is_bad.any():
        first = frames[int(np.argmax(is_bad))].image_path
        problem = f'{is_bad.sum()} of the poses not finite, the first one for {first}'
        raise BadFileError(path, problem, 'Predict all joints of every image.')
    names = JOINT_INFO.names if root_last else TEST_JOINTS
    return matched[:, [names.index(name) for name in TEST_JOINTS]]


def _some(paths):
    rest = len(paths) - _MOST_NAMED
    return ', '.join(paths[:_MOST_NAMED]) + (f' and {rest} more' if rest > 0 else '')
