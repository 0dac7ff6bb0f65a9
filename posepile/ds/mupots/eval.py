"""The benchmark of MuPoTS-3D: 3D poses of several people in images of 20 sequences.

$ posepile eval mupots --predictions predictions.npz

The file, npz or HDF5, has two arrays: ``image_path`` (N), paths of images such as
``mupots/TS3/img_000012.jpg``, one for each predicted person, and ``coords3d_pred_world``
(N, 17, 3) in mm in camera space, joints in the order of the annotations (htop neck rsho relb rwri
lsho lelb lwri rhip rkne rank lhip lkne lank pelv spin head; with --root-last: spin head pelv at
the end). Predictions are matched to annotated people in the image, with the estimated intrinsics;
of equally good ones, the first in the file. Images without predictions, and people who are not
matched, are named and count as wrong ("all") or not at all ("matched"); predictions of nobody do
not matter.

Printed are PCK (150 mm) by sequence, relative to the pelvis and absolute (A-PCK), of universal
poses and predictions with rescaled bones; all means with and without universal poses, root and
rescaling; seven numbers and a row of 19 metrics of poses in mm without rescaling, the latter over
all matched people together. --official prints the tables of the official evaluation instead, also
for visible and for occluded joints.
"""

import logging
import sys

from posepile.ds.mupots import tree
from posepile.ds.mupots.benchmark import read_ground_truth, read_occluded_joints
from posepile.ds.mupots.official import official_tables
from posepile.ds.mupots.predictions import match_people, read_people
from posepile.ds.mupots.protocols import (
    COMPARISONS,
    SCORE_NAMES,
    Comparison,
    SequenceMeans,
    joint_distances,
    scores,
)
from posepile.ds.tdhp.benchmark import ROOT
from posepile.metrics.command import evaluation_parser, run_evaluation
from posepile.metrics.curves import pck_curves
from posepile.metrics.predictions import paths_of_seeds, some_of
from posepile.metrics.report import Report, over_seeds
from posepile.metrics.summary import SUMMARY_NAMES, summary_row
from posepile.metrics.table import Table

logger = logging.getLogger(__name__)

ALL = 'All'
MEAN = 'Mean'
RELATIVE = Comparison(universal=True, relative=True, rescaled=True)
ABSOLUTE = RELATIVE._replace(relative=False)
_PLAIN_RELATIVE = Comparison(universal=False, relative=True, rescaled=False)
_PLAIN_ABSOLUTE = _PLAIN_RELATIVE._replace(relative=False)
NUMBER_NAMES = ('A-MPJPE14', 'A-MPJPE16', 'MPJPE14', 'MPJPE16', 'A-PCK', 'PCK', 'recall')


def evaluate(raw_folder, predictions, *, official=False, root_last=False, n_seeds=1) -> Report:
    """Compare predictions with the ground truth.

    Args:
        raw_folder: folder of the release.
        predictions: path of the prediction file; with several seeds, that of the first, with
            ``seed1`` in it.
        official: make the tables of the official evaluation.
        root_last: whether predictions are in the order of the product, which ends with the pelvis.
        n_seeds: number of prediction files. With more than one, each row of a table becomes two,
            the mean and the standard deviation (of the population).

    Raises:
        OptionError: several seeds, but no ``seed1`` in the path.
        RawDataError: the ground truth is missing or damaged.
        BadFileError: a prediction file cannot be used; see ``read_people``.
    """
    truth = read_ground_truth(raw_folder)
    is_occluded = read_occluded_joints(raw_folder, truth) if official else None
    reports = []
    for path in paths_of_seeds(predictions, n_seeds):
        people = read_people(path, truth, root_last)
        matches = match_people(people, truth)
        is_matched = matches >= 0
        _warn_of_unmatched(path, truth, is_matched)
        pred = people.poses[matches[is_matched]]
        if official:
            tables = official_tables(truth, is_matched, pred, is_occluded)
        else:
            tables = _tables(truth, is_matched, pred)
        info = dict(
            people=len(matches), matched=int(is_matched.sum()), predictions=len(people.images)
        )
        curves = pck_curves(pred, truth.joints[is_matched], ROOT)
        reports.append(Report(title='MuPoTS-3D', info=info, tables=tables, curves=curves))
    return over_seeds(reports) if n_seeds > 1 else reports[0]


def _warn_of_unmatched(path, truth, is_matched):
    lost = [image for image, found in zip(truth.images, is_matched, strict=True) if not found]
    if lost:
        logger.warning(
            '%s: %d of %d annotated people are matched by no prediction, in %s',
            *(path, len(lost), len(is_matched)),
            some_of(dict.fromkeys(image.image_path for image in lost)),
        )


def _tables(truth, is_matched, pred):
    means = SequenceMeans(truth.sequences, is_matched)
    of = {c: scores(joint_distances(pred, truth, is_matched, c)) for c in COMPARISONS}

    def row(values):
        return [*values, means.final(values)]

    by_sequence = {}
    for name, comparison in (('PCK', RELATIVE), ('A-PCK', ABSOLUTE)):
        rates = of[comparison]['PCK']
        by_sequence[f'{name} all'] = row(means.all(rates))
        by_sequence[f'{name} matched'] = row(means.matched(rates))
    rates = ('PCK', 'AUC')
    finals = {
        str(comparison): [
            *(means.final(means.matched(values[name])) for name in SCORE_NAMES),
            *(means.final(means.all(values[name])) for name in rates),
        ]
        for comparison, values in of.items()
    }
    plain = [
        means.final(means.matched(of[comparison][name]))
        for names in (('MPJPE14', 'MPJPE16'), ('PCK',))
        for comparison in (_PLAIN_ABSOLUTE, _PLAIN_RELATIVE)
        for name in names
    ]
    return {
        'sequences': Table([*map(tree.folder, tree.SEQUENCES), MEAN], by_sequence),
        'means': Table([*SCORE_NAMES, *(f'{name} all' for name in rates)], finals),
        'numbers': Table(NUMBER_NAMES, {ALL: [*plain, means.recall]}),
        'metrics': Table(SUMMARY_NAMES, {ALL: summary_row(pred, truth.joints[is_matched], ROOT)}),
    }


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = evaluation_parser('mupots', __doc__)
    parser.add_argument('--official', action='store_true', help='tables of the official evaluation')
    order = 'joints in the order of the product mupots'
    parser.add_argument('--root-last', action='store_true', help=order)
    return run_evaluation(evaluate, parser, 'mupots', args)


if __name__ == '__main__':
    sys.exit(main())
