"""The benchmark of H3WB: errors of 133 joints of the body, face and hands.

$ posepile eval h3wb --predictions my_2Dto3D.json

A prediction file is the JSON of the official evaluation, {"<sample>": {"keypoints_3d": {"0": {"x":
..., "y": ..., "z": ...}, ... "132": ...}}} in mm, any translation, in the axes of the annotations;
or an npz with image_path (N) and coords3d_pred_world (N, 133, 3) in mm.

The task is told by the file's name (task1 or 2D, task2 or I2D, task3 or RGB) or by --task; its
truth is that of the test set. With cv1 to cv5 in the name, or --fold, it is that fifth of the
training samples, with --split val subject S7. An npz file names images, which makes the task RGB.
"""

import logging
import os.path as osp
import sys

import numpy as np

from posepile.ds.h3wb.annotations import (
    POINTS_JSON,
    POINTS_PARTS,
    TRAINING_JSON,
    find_file,
    iter_samples,
    iter_test,
    iter_training,
    keypoints,
    view_of_sample,
)
from posepile.ds.h3wb.metrics import METRIC_NAMES, whole_body_errors
from posepile.ds.h3wb.predictions import (
    N_FOLDS,
    TASKS,
    fold_of_name,
    is_json,
    read_json_predictions,
    read_npz_predictions,
    task_of_name,
)
from posepile.ds.h3wb.samples import SPLIT_OF_SUBJECT
from posepile.ds.h3wb.skeleton import HIPS
from posepile.ds.h36m.metadata import read_metadata
from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.metrics.command import evaluate_seeds, evaluation_parser, write_report
from posepile.metrics.curves import pck_curves
from posepile.metrics.predictions import some_of
from posepile.metrics.report import Report
from posepile.paths import check_data_root
from posepile.program import run_program
from posepile.util import VALID

logger = logging.getLogger(__name__)

SPLITS = ('test', 'val')


def evaluate(
    data_root, predictions, *, task=None, fold=None, split='test', skip_missing=False
) -> Report:
    """Compare predictions with the truth.

    Args:
        data_root: folder with ``h3wb`` and, for predictions by image, ``h36m`` in it.
        predictions: path of a JSON or npz file.
        task: '2D', 'I2D' or 'RGB'; None: as the name of the file says.
        fold: 1 to 5, fifth of the training samples by their numbers, to be compared with instead
            of the test set; None: as the name of the file says, if it does.
        split: 'test', or 'val' for the training samples of S7.
        skip_missing: leave out samples that were not predicted, instead of refusing the file.

    Returns:
        The :class:`Report` of the six errors in mm. Its info counts the samples compared, those
        left out, and predictions of others, which do not count.

    Raises:
        OptionError: the task is not known, or options contradict one another.
        RawDataError: the truth is missing or damaged.
        BadFileError: the predictions are damaged, or some are missing.
    """
    by_number = is_json(predictions)
    task = task or task_of_name(predictions) or (None if by_number else 'RGB')
    fold = fold or fold_of_name(predictions)
    if task is None:
        raise OptionError(f'{predictions}: the name does not tell the task. Say it: --task.')
    if not by_number and task != 'RGB':
        raise OptionError(f'{predictions}: predictions by image are of the task RGB, not {task}.')
    if fold is not None and split != 'test':
        raise OptionError(f'fold {fold} and the split {split} exclude each other.')
    folder = osp.join(data_root, 'h3wb')
    if by_number:
        pred = read_json_predictions(predictions)
        true = truth_by_number(folder, task, fold, split)
    else:
        pred = read_npz_predictions(predictions)
        metadata = read_metadata(osp.join(data_root, 'h36m', 'Release-v1.2', 'metadata.xml'))
        true = truth_by_image(folder, metadata, fold, split)
    if not true:
        raise RawDataError(folder, f'there are no samples of fold {fold}, split {split}')

    common = [key for key in true if key in pred]
    missing = [_name(key) for key in true if key not in pred]
    extra = [_name(key) for key in pred if key not in true]
    if missing and not (skip_missing and common):
        problem = f'{len(missing)} of {len(true)} samples are missing ({some_of(missing)})'
        if extra:
            problem += f', and {len(extra)} are not of this set ({some_of(extra)})'
        raise BadFileError(predictions, problem, 'Predict all, or check task and fold.')
    for what, names in (('left out', missing), ('of other samples', extra)):
        if names:
            logger.warning('%d predictions %s: %s', len(names), what, some_of(names))
    poses = [np.stack([source[key] for key in common]) for source in (pred, true)]
    values = whole_body_errors(*poses)
    part = f'cross-validation {fold}' if fold else split
    info = dict(task=task, fold=fold, split=None if fold else split)
    info |= dict(poses=len(common), missing=len(missing), extra=len(extra))
    metrics = zip(METRIC_NAMES, values, strict=True)
    curves = pck_curves(*poses, HIPS)
    return Report(metrics, f'H3WB {task}->3D, {part}', info, decimals=1, curves=curves)


def truth_by_number(folder, task, fold=None, split='test') -> dict[int, np.ndarray]:
    """Number of the sample -> (133, 3) joints as annotated; see :func:`evaluate`.

    Raises:
        RawDataError: if the file is missing or damaged.
    """
    if fold is None and split == 'test':
        return _joints_of(_require(folder, f'{task}to3D_test_3d.json'))
    if split == 'val':
        path = _require(folder, TRAINING_JSON)
        return {
            i: keypoints(path, i, entry, 'keypoints_3d', 'xyz')
            for i, entry in iter_samples(path)
            if SPLIT_OF_SUBJECT[view_of_sample(path, i, entry).subject] == VALID
        }
    found = [find_file(folder, name) for name in (TRAINING_JSON, POINTS_JSON)]
    paths = [path for path in found if path][:1]
    paths = paths or [_require(folder, name) for name in POINTS_PARTS]
    joints = {i: pose for path in paths for i, pose in _joints_of(path).items()}
    return {i: joints[i] for i in _fold(joints, fold)}


def truth_by_image(folder, metadata, fold=None, split='test') -> dict:
    """:class:`~posepile.ds.h36m.benchmark.View` -> (133, 3) joints in the world, mm.

    Raises:
        RawDataError: if a file is missing or damaged.
    """
    if fold is None and split == 'test':
        truth = {s.view: s.joints for s in iter_test(folder, metadata)}
        if not truth:
            _require(folder, 'RGBto3D_test_img.json')
            _require(folder, 'RGBto3D_test_3d.json')
        return truth
    samples = iter_training(folder, metadata)
    if split == 'val':
        return {s.view: s.joints for s in samples if SPLIT_OF_SUBJECT[s.view.subject] == VALID}
    joints = {(s.id, s.view): s.joints for s in samples}
    return {key[1]: joints[key] for key in _fold(joints, fold)}


def _joints_of(path):
    return {i: keypoints(path, i, e, 'keypoints_3d', 'xyz') for i, e in iter_samples(path)}


def _fold(keys, fold):
    """One of five contiguous parts of the keys in ascending order."""
    keys = sorted(keys)
    return keys[len(keys) * (fold - 1) // N_FOLDS : len(keys) * fold // N_FOLDS]


def _require(folder, name):
    path = find_file(folder, name)
    if path is None:
        problem = 'the truth of this evaluation is missing'
        remedy = 'Download it: python -m posepile.ds.h3wb.fetch'
        raise RawDataError(osp.join(folder, name), problem, remedy)
    return path


def _name(key):
    return str(key) if isinstance(key, int) else key.image_path


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = evaluation_parser('h3wb', __doc__)
    add = parser.add_argument
    add('--data-root', help='folder with the raw datasets (default: $DATA_ROOT)')
    add('--task', choices=TASKS, help='by default, as the name of the file says')
    add('--fold', type=int, choices=range(1, N_FOLDS + 1), help='of the cross-validation')
    add('--split', choices=SPLITS, default='test', help='test (default), or val: S7')
    add('--skip-missing', action='store_true', help='leave out samples that were not predicted')
    options = parser.parse_args(args)
    logging.basicConfig(format='%(message)s')
    return run_program(_run, options)


def _run(options):
    data_root = options.data_root or check_data_root(to_write=False)

    def evaluate_one(path):
        return evaluate(
            data_root,
            path,
            task=options.task,
            fold=options.fold,
            split=options.split,
            skip_missing=options.skip_missing,
        )

    write_report(evaluate_seeds(options, evaluate_one), options)


if __name__ == '__main__':
    sys.exit(main())
