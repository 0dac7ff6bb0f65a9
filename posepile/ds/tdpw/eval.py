"""The benchmark of 3DPW: errors of people in the frames that count.

$ posepile eval tdpw --predictions DIR --testset-only

DIR has a file for each sequence, DIR/<phase>/<sequence>.pkl, a dictionary of arrays of (people,
frames, ...) in the axes of the camera. Which evaluation it gets follows from what is in it, or from
--protocol:

smpl      pose (72), betas (10 or more), trans (3, metres): parameters of the neutral SMPL
points    jointPositions (24, 3), vertices (6890, 3), metres; perhaps uncertainties as 4th number
stream    the same as DIR/<phase>/<sequence>.xz, frame by frame (package bodycompress): joints and
          vertices in mm, joint_uncertainties and vertex_uncertainties in metres
simple    jointPositions (24, 3) alone, metres
official  jointPositions and orientations (9, 3, 3), as in the challenge

Frames count in which the camera is aligned with the person and 2D joints were found. The truth is
the SMPL model of the person's gender (simple: the joints of the release); it needs the official
models, see docs/body-models.md. All people must be predicted in all frames that count.
"""

import logging
import os.path as osp
import sys

import numpy as np

from posepile.arguments import whole_number
from posepile.atomic import replacing
from posepile.bodymodels import load, load_regressor
from posepile.ds.tdpw import prediction_batches as readers
from posepile.ds.tdpw.bodies import Bodies, TrueBodies
from posepile.ds.tdpw.joint_sets import ORIENTED, joint_set
from posepile.ds.tdpw.parametric import models_folder
from posepile.ds.tdpw.predictions import find_files, guess_protocol
from posepile.ds.tdpw.protocols import PROTOCOLS, curves, new_moments, row, scores_of, tables
from posepile.ds.tdpw.scores import Comparison
from posepile.ds.tdpw.sequences import PHASES, list_sequences, read_sequence
from posepile.ds.tdpw.smoothing import smoothed
from posepile.errors import OptionError, RawDataError
from posepile.metrics.command import add_ignored_option, evaluation_parser, run_evaluation
from posepile.metrics.predictions import paths_of_seeds
from posepile.metrics.report import Report, over_seeds
from posepile.metrics.summary import SUMMARY_NAMES, summary_row
from posepile.metrics.table import Table

logger = logging.getLogger(__name__)


def evaluate(raw_folder, predictions, *, n_seeds=1, **options) -> Report:
    """Compare predictions with the ground truth.

    Args:
        raw_folder: folder of the release.
        predictions: folder of predictions; with several seeds, that of the first, with ``seed1``
            in its path.
        n_seeds: number of such folders. With more than one, each row of a table becomes two, of
            mean and standard deviation.
        options: of :class:`Evaluation`.

    Raises:
        OptionError: options that do not go together.
        RawDataError: the ground truth, or a body model, is missing or damaged.
        BadFileError: predictions are missing or cannot be used.
    """
    reports = [
        Evaluation(raw_folder, folder, **options).report()
        for folder in paths_of_seeds(predictions, n_seeds)
    ]
    return over_seeds(reports) if n_seeds > 1 else reports[0]


class Evaluation:
    """The evaluation of a folder of predictions.

    Args:
        raw_folder: folder of the release.
        predictions: folder of predictions.
        protocol: name of one of ``PROTOCOLS``; None: as the predictions are.
        testset_only: only the test phase, in place of all three.
        joint14, use_h36m_regressor, align_at_hips: see
            :func:`~posepile.ds.tdpw.joint_sets.joint_set`.
        smoothing: ``'causal'``, ``'acausal'`` or None: of the joints of ``simple``.
        batch_size: how many bodies are compared at a time; without effect on the numbers.
        per_sequence: give the numbers of each sequence, too.
        as_published: reproduce errors of public programs: the roles of the 14 joints, uncertainties
            a thousand times too large, causal weights a frame too late.
    """

    def __init__(
        self,
        raw_folder,
        predictions,
        *,
        protocol=None,
        testset_only=False,
        joint14=False,
        use_h36m_regressor=False,
        align_at_hips=False,
        smoothing=None,
        batch_size=64,
        per_sequence=False,
        as_published=False,
    ):
        self.raw_folder, self.folder = raw_folder, predictions
        phases = PHASES[-1:] if testset_only else PHASES
        self.sequences = list_sequences(raw_folder, phases)
        names = [name for _, name in self.sequences]
        self.protocol_name = protocol or guess_protocol(predictions, names)
        self.protocol = PROTOCOLS[self.protocol_name]
        self.testset_only = testset_only
        self.smoothing, self.batch_size = smoothing, batch_size
        self.per_sequence, self.as_published = per_sequence, as_published
        _check_options(self.protocol_name, joint14, use_h36m_regressor, align_at_hips, smoothing)
        self.models = models_folder(raw_folder)
        regressor = load_regressor('h36m', self.models) if use_h36m_regressor else None
        self.joint_set = joint_set(joint14, regressor, align_at_hips, as_published)

    def report(self) -> Report:
        """Evaluate all sequences; leaves files beside the predictions, as the protocol has it."""
        names = [name for _, name in self.sequences]
        files = find_files(self.folder, names, self.protocol.extension, self.testset_only)
        total, rows, pairs, n_poses = new_moments(), {}, [], 0
        for phase, name in self.sequences:
            sequence = read_sequence(self.raw_folder, phase, name)
            moments = new_moments()
            for comparison in self._comparisons(sequence, files[name]):
                moments.add(scores_of(comparison, self.protocol))
                n_poses += len(comparison.pred_joints)
                if self.protocol_name == 'simple':
                    pairs.append((comparison.pred_joints, comparison.true_joints))
            rows[name] = row(self.protocol, moments)
            total.merge(moments)
        if not n_poses:
            problem = 'no person counts in any frame of its sequences'
            raise RawDataError(self.raw_folder, problem, 'Get the release again.')
        result = tables(self.protocol, total, self.joint_set)
        if self.per_sequence:
            result['sequences'] = Table(self.protocol.columns, rows, self.protocol.decimals)
        if pairs:
            pred, true = map(np.concatenate, zip(*pairs, strict=True))
            result['summary'] = Table(SUMMARY_NAMES, {'All': summary_row(pred, true, 0)}, 5)
            self._leave('arrays.npz', lambda path: _save_arrays(path, pred, true))
        info = dict(
            poses=n_poses,
            sequences=len(self.sequences),
            protocol=self.protocol_name,
            joints=list(self.joint_set.names),
            as_published=self.as_published,
        )
        part = 'test set' if self.testset_only else 'all phases'
        title = f'3DPW, {part}, {self.protocol.title}'
        report = Report(title=title, info=info, tables=result, curves=curves(total))
        if self.protocol.has_metrics_file:
            self._leave('metrics', lambda path: _save_text(path, report))
        return report

    def _comparisons(self, sequence, path):
        """Yield a Comparison for each batch of a sequence."""
        batches = readers.Batches(sequence, self.batch_size)
        if self.protocol_name == 'simple':
            joints = [sequence.in_camera(track.joints) for track in sequence.tracks]
            for person, frames, pred in readers.joint_batches(
                path, sequence, batches, self._smooth if self.smoothing else None
            ):
                yield Comparison(pred, Bodies(joints[person][frames]), self.joint_set)
            return
        truth = TrueBodies(self.raw_folder, sequence)
        for person, frames, pred in self._predicted(path, sequence, batches):
            true = truth.of(person, frames, vertices=self.protocol.has_vertices)
            yield Comparison(pred, true, self.joint_set)

    def _predicted(self, path, sequence, batches):
        if self.protocol_name == 'smpl':
            model = load('smpl', 'neutral', self.models)
            return readers.parametric_batches(path, sequence, batches, model)
        if self.protocol_name == 'points':
            scale = 1_000_000 if self.as_published else 1000
            return readers.point_batches(path, sequence, batches, scale)
        if self.protocol_name == 'stream':
            return readers.stream_batches(path, sequence, batches)
        return readers.oriented_batches(path, sequence, batches, ORIENTED)

    def _smooth(self, joints):
        return smoothed(joints, self.smoothing, self.as_published)

    def _leave(self, name, save):
        """Write a file beside the predictions; if that cannot be, the result is still printed."""
        path = osp.join(self.folder, name)
        try:
            with replacing(path) as partial:
                save(partial)
        except OSError as e:
            logger.warning('%s cannot be written: %s', path, e.strerror)


def _check_options(protocol, joint14, use_h36m_regressor, align_at_hips, smoothing):
    if use_h36m_regressor and not joint14:
        raise OptionError('--use-h36m-regressor makes 14 joints: add --joint14.')
    if protocol in ('simple', 'official') and (joint14 or align_at_hips):
        raise OptionError(
            f'Predictions of the kind {protocol} are evaluated at the 24 joints of SMPL, relative '
            'to the pelvis. Leave out --joint14 and --align-at-hips.'
        )
    if smoothing and protocol != 'simple':
        raise OptionError(f'Smoothing is for joints alone (simple), not for {protocol}.')


def _save_arrays(path, pred, true):
    root_relative = {name: p - p[:, :1] for name, p in (('true', true), ('pred', pred))}
    np.savez(path, **root_relative)


def _save_text(path, report):
    table = report.tables['metrics']
    [numbers] = table.rows.values()
    line = ' & '.join(f'{number:.{table.decimals}f}' for number in numbers)
    with open(path, 'w') as f:
        f.write(f'{report.title}\n\n{report}\n\n{line}\n')


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = evaluation_parser('tdpw', __doc__)
    add = parser.add_argument
    add('--protocol', choices=PROTOCOLS, help='by default, as the files are')
    add('--testset-only', action='store_true', help='the test phase only')
    add('--joint14', action='store_true', help='14 joints in place of 24')
    add('--use-h36m-regressor', action='store_true', help='make the 14 joints from the vertices')
    add('--align-at-hips', action='store_true', help='relative to the middle of the hips')
    add('--batch-size', type=whole_number(1), default=64, metavar='N', help='bodies at a time (64)')
    add('--per-sequence', action='store_true', help='the numbers of each sequence, too')
    add('--as-published', action='store_true', help='with the known errors of public programs')
    smoothing = parser.add_mutually_exclusive_group()
    for kind in ('causal', 'acausal'):
        smoothing.add_argument(
            f'--{kind}-smoothing',
            dest='smoothing',
            action='store_const',
            const=kind,
            help='smooth joints along time before',
        )
    add_ignored_option(parser, '--procrustes', 'errors after alignment are always printed')
    logging.basicConfig(format='%(message)s')
    return run_evaluation(evaluate, parser, '3dpw', args)


if __name__ == '__main__':
    sys.exit(main())
