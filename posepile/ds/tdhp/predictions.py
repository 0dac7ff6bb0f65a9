"""Files of predicted poses for the benchmark of MPI-INF-3DHP."""

import numpy as np

from posepile.ds.tdhp.benchmark import parse_image_path
from posepile.ds.tdhp.skeleton import JOINT_INFO, TEST_JOINTS
from posepile.errors import BadFileError
from posepile.metrics.predictions import read_predictions, rows_of


def match_predictions(path, frames, root_last=False) -> np.ndarray:
    """Predicted poses of the given frames, in their order.

    Args:
        path: npz or HDF5 file, see :func:`posepile.metrics.predictions.read_predictions`; its rows
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
    rows = rows_of(
        path,
        frames,
        [parse_image_path(image_path) or image_path for image_path in image_paths],
        name=lambda item: getattr(item, 'image_path', item),
        remedy='Predict every valid frame of the test sequences once.',
    )
    matched = poses[rows]
    is_bad = ~np.isfinite(matched).all(axis=(1, 2))
    if is_bad.any():
        first = frames[int(np.argmax(is_bad))].image_path
        problem = f'{is_bad.sum()} of the poses not finite, the first one for {first}'
        raise BadFileError(path, problem, 'Predict all joints of every image.')
    names = JOINT_INFO.names if root_last else TEST_JOINTS
    return matched[:, [names.index(name) for name in TEST_JOINTS]]
