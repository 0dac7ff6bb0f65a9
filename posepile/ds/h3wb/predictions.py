"""Files of predicted whole-body poses, and what their names say about them."""

import os.path as osp
import re

import numpy as np

from posepile.ds.h3wb.annotations import iter_samples, keypoints
from posepile.ds.h3wb.skeleton import N_JOINTS
from posepile.ds.h36m.benchmark import parse_image_path
from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.metrics.predictions import read_predictions

#: What poses are predicted from: complete 2D joints, incomplete ones, images.
TASKS = ('2D', 'I2D', 'RGB')
N_FOLDS = 5

_TASK_WORDS = re.compile(r'task([123])|RGB|I2D|2D')
_FOLD_WORD = re.compile(r'cv([1-5])(?!\d)')


def task_of_name(path) -> str | None:
    """The task that a file name tells: ``task1`` to ``task3``, or ``2D``, ``I2D`` or ``RGB``.

    Raises:
        OptionError: if it tells several.
    """
    words = _TASK_WORDS.finditer(osp.basename(path))
    return _only_one(path, 'task', {TASKS[int(w[1]) - 1] if w[1] else w[0] for w in words})


def fold_of_name(path) -> int | None:
    """The fold of the cross-validation that a file name tells: ``cv1`` to ``cv5``.

    Raises:
        OptionError: if it tells several.
    """
    words = _FOLD_WORD.finditer(osp.basename(path))
    return _only_one(path, 'fold', {int(word[1]) for word in words})


def is_json(path) -> bool:
    """Whether a prediction file is JSON, by its first bytes.

    Raises:
        BadFileError: if there is no such file.
    """
    try:
        with open(path, 'rb') as f:
            return f.read(64).lstrip(b'\xef\xbb\xbf \t\r\n')[:1] == b'{'
    except (FileNotFoundError, IsADirectoryError) as e:
        raise BadFileError(path, 'there is no such prediction file', 'Check its path.') from e


def read_json_predictions(path) -> dict[int, np.ndarray]:
    """Number of the sample -> (133, 3) pose in the axes of the annotations.

    Raises:
        BadFileError: if the file is damaged, or a pose has not all joints.
    """
    try:
        return {
            i: keypoints(path, i, entry, 'keypoints_3d', 'xyz') for i, entry in iter_samples(path)
        }
    except RawDataError as e:
        raise BadFileError(e.path, e.problem, 'Write it again.') from e


def read_npz_predictions(path) -> dict:
    """:class:`~posepile.ds.h36m.benchmark.View` -> (133, 3) pose in the world, float64.

    Raises:
        BadFileError: if the file is damaged, names images twice or what is no image, or a pose
            has not all joints.
    """
    image_paths, poses = read_predictions(path)
    if poses.shape[1] != N_JOINTS:
        problem = f'has {poses.shape[1]} joints; {N_JOINTS} were expected'
        raise BadFileError(path, problem, 'Predict the whole body.')
    result = {}
    for image_path, pose in zip(image_paths, poses, strict=True):
        view = parse_image_path(image_path)
        problem = (
            (view is None and 'is no path of an image')
            or (view in result and 'occurs twice')
            or (not np.isfinite(pose).all() and 'has a pose that is not finite')
        )
        if problem:
            raise BadFileError(path, f'{image_path!r} {problem}', 'Write it again.')
        result[view] = pose
    return result


def _only_one(path, what, found):
    if len(found) > 1:
        told = ', '.join(map(str, sorted(found)))
        raise OptionError(
            f'{path}: the name tells several {what}s ({told}). Say which it is: --{what}.'
        )
    return next(iter(found), None)
