"""The benchmark of Human3.6M: errors of 3D poses on every 64th frame of S9 and S11.

$ posepile eval h36m --predictions predictions.npz

The file, npz or HDF5, has two arrays: ``image_path`` (N), paths of images below DATA_ROOT such as
``h36m/S9/Images/Greeting 1.54138969/frame_000064.jpg``, in any order, and
``coords3d_pred_world`` (N, J, 3) in mm: 17 joints beginning with the pelvis (with --root-last:
ending with it), or the 25 of ``h36m_alljoints``. Printed are the protocol table, mean joint errors
by activity, and a row of 19 metrics over all poses.
"""

import sys

import numpy as np

from posepile.ds.h36m.benchmark import ACTIVITIES, TEST_SUBJECTS, read_ground_truth
from posepile.ds.h36m.predictions import match_predictions
from posepile.metrics.alignment import root_relative, similarity_aligned
from posepile.metrics.command import evaluation_parser, run_evaluation
from posepile.metrics.curves import joined_curves, pck_curves
from posepile.metrics.errors import mpjpe
from posepile.metrics.predictions import paths_of_seeds
from posepile.metrics.report import Report
from posepile.metrics.summary import SUMMARY_NAMES, summary_row
from posepile.metrics.table import Table

AVERAGE = 'Average'
_I_ROOT = 0

METRIC_NAMES = SUMMARY_NAMES


def evaluate(
    raw_folder,
    predictions,
    *,
    only_s11=False,
    procrustes=False,
    root_last=False,
    corrected=False,
    n_seeds=1,
    per_action=False,
) -> Report:
    """Compare predictions with the ground truth.

    Args:
        raw_folder: folder of the release.
        predictions: path of the prediction file; with several seeds, that of the first, with
            ``seed1`` in it.
        only_s11: leave out S9.
        procrustes: align each pose by rotation, translation and scale in the protocol table.
        root_last: whether predictions of 17 joints end with the pelvis.
        corrected: compare with the poses of S9 whose known shift is taken away.
        n_seeds: number of prediction files. With more than one, mean and standard deviation (of
            the population) of the protocol table's numbers are all there is.
        per_action: give the 19 metrics for each activity, too.

    Raises:
        OptionError: several seeds, but no ``seed1`` in the path.
        RawDataError: the ground truth is missing or damaged.
        BadFileError: a prediction file cannot be used; see ``match_predictions``.
    """
    paths = paths_of_seeds(predictions, n_seeds)
    subjects = (11,) if only_s11 else TEST_SUBJECTS
    truth = read_ground_truth(raw_folder, subjects, corrected)
    views = list(truth)
    true = np.array(list(truth.values()))
    activities = np.array([view.activity for view in views])

    numbers, curves = [], []
    for path in paths:
        pred = match_predictions(path, views, subjects, root_last)
        numbers.append(protocol_numbers(pred, true, activities, procrustes))
        curves.append((pck_curves(pred, true, _I_ROOT), 1))
    columns = [*ACTIVITIES, AVERAGE]
    if n_seeds == 1:
        rows = {'PA-MPJPE' if procrustes else 'MPJPE': numbers[0]}
    else:
        rows = {'Mean': np.mean(numbers, axis=0), 'Std': np.std(numbers, axis=0)}
    tables = {'protocol': Table(columns, rows, decimals=1)}
    if n_seeds == 1:
        rows = {}
        if per_action:
            present = [a for a in ACTIVITIES if np.any(activities == a)]
            rows = {a: metric_row(pred[activities == a], true[activities == a]) for a in present}
        rows[AVERAGE] = metric_row(pred, true)
        tables['metrics'] = Table(METRIC_NAMES, rows, decimals=2)

    info = dict(
        poses=len(views),
        subjects=list(subjects),
        procrustes=procrustes,
        corrected=corrected,
        seeds=n_seeds,
    )
    title = 'Human3.6M, ' + ' and '.join(f'S{s}' for s in subjects)
    return Report(title=title, info=info, tables=tables, curves=joined_curves(curves))


def protocol_numbers(pred, true, activities, procrustes=False) -> np.ndarray:
    """Mean joint errors relative to the root: of each of ``ACTIVITIES``, then of all poses.

    Args:
        pred, true: (N, 17, 3) in mm, root first.
        activities: (N) names.
        procrustes: align each pose first.

    Returns:
        (16,) in mm; NaN for an activity without poses.
    """
    pred, true = root_relative(pred, _I_ROOT), root_relative(true, _I_ROOT)
    errors = mpjpe(procrustes_aligned(pred, true) if procrustes else pred, true)
    chosen = [errors[activities == name] for name in ACTIVITIES] + [errors]
    return np.array([e.mean() if e.size else np.nan for e in chosen])


def metric_row(pred, true) -> list[float]:
    """The 19 metrics named in ``METRIC_NAMES`` over (N, 17, 3) poses in mm, root first."""
    return summary_row(pred, true, _I_ROOT, procrustes_aligned)


def procrustes_aligned(pred, true) -> np.ndarray:
    """Aligned predictions; a pose whose joints are all in one place stays as it is.

    The benchmark's program has no transformation for such a pose.
    """
    is_point = np.all(pred == pred[:, :1], axis=(1, 2), keepdims=True)
    return np.where(is_point, pred, similarity_aligned(pred, true))


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = evaluation_parser('h36m', __doc__)
    add = parser.add_argument
    add('--only-S11', dest='only_s11', action='store_true', help='leave out S9')
    add('--procrustes', action='store_true', help='align each pose in the table by activity')
    add('--root-last', action='store_true', help='17 joints end with the pelvis')
    add('--corrected', action='store_true', help="without the known shift of three of S9's takes")
    add('--per-action', action='store_true', help='all metrics by activity')
    return run_evaluation(evaluate, parser, 'h36m', args)


if __name__ == '__main__':
    sys.exit(main())
