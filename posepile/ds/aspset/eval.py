"""The benchmark of ASPset-510: errors of 3D pose sequences in world space.

$ posepile eval aspset --predictions my_predictions --split test

A prediction is one file per clip and view, ``<subject>-<clip>-<view>`` with the extension c3d,
json, csv or trc (see ``predictions.py``), anywhere below the given folder: 17 joints in world
coordinates, mm. The numbers are those of the dataset's own evaluation program.
"""

import logging
import os.path as osp
import sys

import numpy as np

from posepile.ds.aspset.predictions import (
    JOINT_NAMES,
    SKELETON,
    PredictionIndex,
    read_c3d_poses,
    read_poses,
)
from posepile.ds.aspset.splits import SPLITS, load_clips
from posepile.errors import BadFileError, OptionError, PosePileError, RawDataError
from posepile.metrics.alignment import root_relative, similarity_aligned
from posepile.metrics.command import evaluate_seeds, evaluation_parser, write_report
from posepile.metrics.curves import curves_of_distances, joined_curves
from posepile.metrics.errors import joint_errors, mpjpe
from posepile.metrics.rates import pck
from posepile.metrics.report import Report
from posepile.paths import check_data_root
from posepile.program import run_program

logger = logging.getLogger(__name__)

METRIC_NAMES = (
    'MPJPE',
    'Root-relative MPJPE',
    'Procrustes-aligned MPJPE',
    'PCK',
    'Root-relative PCK',
    'Procrustes-aligned PCK',
)
SPLIT_PARTS = {s: (s,) for s in SPLITS} | {'trainval': ('train', 'val'), 'all': SPLITS}

_I_ROOT = JOINT_NAMES.index('pelvis')
_UNIVERSAL_LENGTH = 910  # mm, of thigh and trunk together
_UNIVERSAL_BONES = ('left_knee', 'left_hip'), ('spine', 'pelvis'), ('neck', 'spine')
# Rates computed from time stamps are off by rounding.
_RATE_TOLERANCE = 1e-4


def evaluate(data_dir, predictions_dir, split='test', univ=False, skip_missing=False) -> Report:
    """Compare predictions with the ground truth of a split.

    Poses of all clips, views and frames are pooled. The test split is evaluated at 10 Hz, the
    others at 50 Hz. An empty set of poses has the value 0 in every metric.

    Args:
        data_dir: folder with ``splits.csv``, ``trainval/`` and ``test/``.
        predictions_dir: folder below which the prediction files lie.
        split: 'train', 'val', 'trainval', 'test' or 'all'.
        univ: scale the ground truth to a skeleton of universal size (the predictions are
            expected in that size and are not scaled).
        skip_missing: leave out views whose prediction cannot be found or read.

    Returns:
        The :class:`Report` of six metrics: mean joint errors in mm and fractions of joints within
        150 mm, each absolute, relative to the pelvis, and after Procrustes alignment.

    Raises:
        OptionError: unknown split.
        RawDataError: the ground truth is missing or damaged, or the split has no clips.
        BadFileError: a prediction is missing or damaged (unless ``skip_missing``), or it does not
            fit the ground truth in skeleton, frame rate or number of frames.
    """
    clips = _clips_of_split(osp.join(data_dir, 'splits.csv'), split)
    index = PredictionIndex(predictions_dir)
    rate = 10 if split == 'test' else 50
    totals = np.zeros(len(METRIC_NAMES))
    curves = []
    n_poses = n_views = n_skipped = 0

    for clip in clips:
        true = None
        for view in clip.views:
            try:
                path = index.find(clip.subject, clip.clip, view, len(clip.views) == 1)
                prediction = read_poses(path)
            except (PosePileError, OSError) as e:
                if not skip_missing:
                    raise
                logger.warning('Skipped %s-%s-%s: %s', clip.subject, clip.clip, view, e)
                n_skipped += 1
                continue
            if true is None:
                true = _read_ground_truth(data_dir, clip, rate, univ)
            pred = _decimated(path, prediction, rate)
            if len(pred) != len(true):
                raise BadFileError(
                    path,
                    f'{len(pred)} frames at {rate} Hz, but the ground truth has {len(true)}',
                    'Predict every frame of the clip, and state the right frame rate.',
                )
            totals += pose_metrics(pred, true).sum(axis=1)
            distances = [joint_errors(*pair) for pair in _pairs(pred, true)]
            named = dict(zip(METRIC_NAMES[3:], distances, strict=True))
            curves.append((curves_of_distances(named), true[..., 0].size))
            n_poses += len(true)
            n_views += 1

    info = dict(split=split, univ=univ, rate=rate, poses=n_poses, views=n_views, skipped=n_skipped)
    values = [float(value) for value in totals / max(n_poses, 1)]
    metrics = zip(METRIC_NAMES, values, strict=True)
    return Report(metrics, f'ASPset-510 {split}', info, curves=joined_curves(curves))


def pose_metrics(pred, true, i_root=_I_ROOT, pck_threshold=150) -> np.ndarray:
    """The six metrics of each of T poses.

    Args:
        pred, true: (T, J, 3) in mm.
        i_root: index of the root joint.
        pck_threshold: distance in mm up to which a joint counts as correct, inclusive.

    Returns:
        (6, T) in the order of ``METRIC_NAMES``.
    """
    pairs = _pairs(pred, true, i_root)
    errors = [mpjpe(p, t) for p, t in pairs]
    return np.array(errors + [pck(p, t, pck_threshold) for p, t in pairs])


def _pairs(pred, true, i_root=_I_ROOT):
    """Predictions and truth: as they are, relative to the root, and aligned."""
    # The official program keeps the scale of the reflected solution when it forbids a reflection.
    aligned = similarity_aligned(pred, true, unflipped_scale=True)
    return [
        (pred, true),
        (root_relative(pred, i_root), root_relative(true, i_root)),
        (aligned, true),
    ]


def universal_scale(poses) -> np.ndarray:
    """Factors (T,) that bring (T, 17, 3) poses to a thigh and trunk of 910 mm together."""
    ends = np.array([[JOINT_NAMES.index(name) for name in bone] for bone in _UNIVERSAL_BONES])
    lengths = np.linalg.norm(poses[:, ends[:, 0]] - poses[:, ends[:, 1]], axis=-1)
    return _UNIVERSAL_LENGTH / lengths.sum(axis=-1)


def _clips_of_split(csv_path, split):
    if split not in SPLIT_PARTS:
        raise OptionError(f'Unknown split {split!r}. Known are {", ".join(SPLIT_PARTS)}.')
    clips = load_clips(csv_path)
    for part in SPLIT_PARTS[split]:
        if not any(clip.split == part for clip in clips):
            raise RawDataError(csv_path, f'no clip of the split {part}', 'Check the file.')
    return [clip for part in SPLIT_PARTS[split] for clip in clips if clip.split == part]


def _read_ground_truth(data_dir, clip, rate, univ):
    folder = 'test' if clip.split == 'test' else 'trainval'
    name = f'{clip.subject}-{clip.clip}.c3d'
    path = osp.join(data_dir, folder, 'joints_3d', clip.subject, name)
    if not osp.exists(path):
        archive = f'aspset510_v1_{folder}-joints_3d.tar.gz'
        raise RawDataError(
            path,
            'the ground truth is missing',
            f'Download https://archive.org/download/aspset510/{archive} and unpack it there.',
        )
    true = _decimated(path, read_c3d_poses(path, default_skeleton=SKELETON), rate)
    return true * universal_scale(true)[:, np.newaxis, np.newaxis] if univ else true


def _decimated(path, sequence, rate):
    if sequence.skeleton != SKELETON:
        raise BadFileError(
            path, f'unknown skeleton {sequence.skeleton}', f'Convert the poses to {SKELETON}.'
        )
    step = round(sequence.rate / rate)
    if step < 1 or abs(sequence.rate / rate - step) > _RATE_TOLERANCE * step:
        raise BadFileError(
            path,
            f'{sequence.rate:g} frames per second, which is no multiple of the {rate} Hz of '
            'this evaluation',
            'Resample the poses to 50 Hz.',
        )
    points = sequence.points[::step]
    if not np.isfinite(points).all():
        i_frame = step * int(np.argmin(np.isfinite(points).all(axis=(1, 2))))
        raise BadFileError(
            path, f'a joint is missing in frame {i_frame}', 'Give all 17 joints in every frame.'
        )
    return points


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = evaluation_parser('aspset', __doc__)
    parser.add_argument('--data-dir', help='raw dataset (default: $DATA_ROOT/aspset/data)')
    parser.add_argument('--split', default='test', choices=SPLIT_PARTS)
    parser.add_argument('--univ', action='store_true', help='ground truth of universal size')
    parser.add_argument(
        '--skip-missing', action='store_true', help='leave out views without a readable prediction'
    )
    options = parser.parse_args(args)
    logging.basicConfig(format='%(message)s')
    return run_program(_run, options)


def _run(options):
    data_dir = options.data_dir
    if data_dir is None:
        data_dir = osp.join(check_data_root(to_write=False), 'aspset', 'data')

    def evaluate_one(path):
        return evaluate(data_dir, path, options.split, options.univ, options.skip_missing)

    write_report(evaluate_seeds(options, evaluate_one), options)


if __name__ == '__main__':
    sys.exit(main())
