"""The benchmark of MPI-INF-3DHP: errors of 3D poses in the valid frames of TS1 to TS6.

$ posepile eval tdhp --predictions predictions.npz --universal-skeleton

The file, npz or HDF5, has two arrays: ``image_path`` (N), paths of images such as
``3dhp/TS3/imageSequence/img_000012.jpg``, in any order, and ``coords3d_pred_world`` (N, 17, 3) in
mm, joints in the order of the test annotations (htop neck rsho relb rwri lsho lelb lwri rhip rkne
rank lhip lkne lank pelv spin head; with --root-last: spin head pelv at the end). Printed are PCK
(150 mm) by activity and scene with AUC and MPJPE, the same by sequence, PCK by group of joints for
each sequence and activity, and a row of 38 metrics. The official protocol takes the universal
skeleton.
"""

import sys

import numpy as np

from posepile.ds.tdhp.benchmark import ACTIVITIES, JOINT_GROUPS, ROOT, SCENES, read_ground_truth
from posepile.ds.tdhp.predictions import match_predictions
from posepile.ds.tdhp.protocols import (
    METRIC_NAMES,
    OVERALL,
    PROTOCOL_COLUMNS,
    group_row,
    joint_distances,
    metric_row,
    overall_row,
    protocol_row,
)
from posepile.metrics.command import (
    add_ignored_option,
    evaluation_parser,
    run_evaluation,
)
from posepile.metrics.curves import joined_curves, pck_curves
from posepile.metrics.predictions import paths_of_seeds
from posepile.metrics.report import Report
from posepile.metrics.table import Table

ALL = 'All'


def evaluate(
    raw_folder, predictions, *, universal=False, procrustes=False, root_last=False, n_seeds=1
) -> Report:
    """Compare predictions with the ground truth.

    Args:
        raw_folder: folder of the release.
        predictions: path of the prediction file; with several seeds, that of the first, with
            ``seed1`` in it.
        universal: compare with the height-normalised skeleton.
        procrustes: align each pose by rotation, translation and scale; not for the row of metrics.
        root_last: whether predictions are in the order of the product, which ends with the pelvis.
        n_seeds: number of prediction files. With more than one, mean and standard deviation (of
            the population) of the protocol's row are all there is.

    Raises:
        OptionError: several seeds, but no ``seed1`` in the path.
        RawDataError: the ground truth is missing or damaged.
        BadFileError: a prediction file cannot be used; see ``match_predictions``.
    """
    truth = read_ground_truth(raw_folder, universal)
    rows, curves = [], []
    for path in paths_of_seeds(predictions, n_seeds):
        pred = match_predictions(path, truth.frames, root_last)
        distances = joint_distances(pred, truth.poses, procrustes)
        rows.append(protocol_row(distances, truth.activities, truth.scenes))
        curves.append((pck_curves(pred, truth.poses, ROOT), 1))
    if n_seeds > 1:
        named = {'Mean': np.mean(rows, axis=0), 'Std': np.std(rows, axis=0)}
        tables = {'protocol': Table(PROTOCOL_COLUMNS, named)}
    else:
        tables = _tables(rows[0], distances, pred, truth)
    info = dict(
        poses=len(truth.frames),
        universal_skeleton=universal,
        procrustes=procrustes,
        seeds=n_seeds,
    )
    return Report(title='MPI-INF-3DHP', info=info, tables=tables, curves=joined_curves(curves))


def _tables(row, distances, pred, truth):
    parts = {f'TS{i}': truth.sequences == i for i in np.unique(truth.sequences)}
    by_sequence = {name: overall_row(distances[rows]) for name, rows in parts.items()}
    for i in np.unique(truth.activities):
        parts[ACTIVITIES[i - 1]] = truth.activities == i
    parts[ALL] = np.ones(len(distances), bool)
    is_outdoor = truth.scenes == SCENES.index('outdoor')
    return {
        'protocol': Table(PROTOCOL_COLUMNS, {ALL: row}),
        'sequences': Table(OVERALL, by_sequence),
        'joints': Table(JOINT_GROUPS, {n: group_row(distances[rows]) for n, rows in parts.items()}),
        'metrics': Table(METRIC_NAMES, {ALL: metric_row(pred, truth.poses, is_outdoor)}),
    }


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = evaluation_parser('tdhp', __doc__)
    add = parser.add_argument
    universal = 'height-normalised truth (official)'
    add('--universal-skeleton', dest='universal', action='store_true', help=universal)
    add('--procrustes', action='store_true', help='align each pose in the tables of PCK')
    add('--root-last', action='store_true', help='joints in the order of the product tdhp')
    add_ignored_option(
        parser, '--corrected-TS6', 'the annotations of TS6 are corrected in the release'
    )
    return run_evaluation(evaluate, parser, '3dhp', args)


if __name__ == '__main__':
    sys.exit(main())
