"""Pose sequences in the file formats that ASPset-510 predictions come in: c3d, json, csv, trc."""

import csv
import json
import os
import os.path as osp
from typing import NamedTuple

import numpy as np

from posepile.errors import BadFileError
from posepile.raw.c3d import read_c3d

#: Name of the skeleton, as the files state it, and its joints in order.
SKELETON = 'aspset_17j'
JOINT_NAMES = (
    'right_ankle,right_knee,right_hip,right_wrist,right_elbow,right_shoulder,'
    'left_ankle,left_knee,left_hip,left_wrist,left_elbow,left_shoulder,'
    'head_top,head,neck,spine,pelvis'
).split(',')


class PoseSequence(NamedTuple):
    """Poses at regular times.

    Attributes:
        points: (T, J, 3) float64, mm; NaN where the file says that a point is missing.
        rate: frames per second.
        skeleton: name of the skeleton.
    """

    points: np.ndarray
    rate: float
    skeleton: str


class PredictionIndex:
    """The files below a folder, indexed once by their names without extension."""

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        if not osp.isdir(self.folder):
            raise BadFileError(self.folder, 'no such folder of predictions')
        self._paths = {}
        for parent, dirs, names in os.walk(self.folder):
            dirs.sort()
            for name in sorted(names):
                stem, dot, _ = name.partition('.')
                if dot:
                    self._paths.setdefault(stem, []).append(osp.join(parent, name))

    def find(self, subject, clip, view, is_only_view=False) -> str:
        """Path of the one file ``<subject>-<clip>-<view>.*``.

        Args:
            is_only_view: whether ``<subject>-<clip>.*`` counts as well.

        Raises:
            BadFileError: if there is none, or more than one.
        """
        stems = [f'{subject}-{clip}-{view}'] + [f'{subject}-{clip}'] * is_only_view
        paths = [path for stem in stems for path in self._paths.get(stem, [])]
        if len(paths) == 1:
            return paths[0]
        patterns = ' or '.join(f'{stem}.*' for stem in stems)
        found = 'no file' if not paths else f'{len(paths)} files ({", ".join(paths)})'
        raise BadFileError(
            self.folder,
            f'{found} for {patterns}, where there must be exactly one',
            'Add the prediction, or leave out views without one with --skip-missing.'
            if not paths
            else 'Keep only one of them.',
        )


def read_poses(path) -> PoseSequence:
    """Read a pose sequence; the extension of the file decides on the format.

    * ``.c3d``: needs the parameters POINT:RATE and POINT:SKEL;
    * ``.json``: ``{"rate": Hz, "units": "mm", "skel": name, "points": [frame][joint][xyz]}``;
    * ``.csv``: columns ``t, <joint>_x, <joint>_y, <joint>_z, ...``, times in seconds;
    * ``.trc``: five header rows, then frame number, time and X, Y, Z of each marker, in mm.

    Raises:
        BadFileError: the file is damaged, is in an unknown format, or is not in millimetres.
    """
    extension = osp.splitext(path)[1].lower()
    reader = _READERS.get(extension)
    if reader is None:
        raise BadFileError(
            path, f'unknown extension {extension!r}', f'Known are {", ".join(_READERS)}.'
        )
    try:
        return reader(path)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, csv.Error) as e:
        # The readers index and convert freely: what breaks there is a fault of the file.
        raise BadFileError(
            path, f'not a valid {extension} pose file ({type(e).__name__}: {e})', 'Write it again.'
        ) from e


def read_c3d_poses(path, default_skeleton=None) -> PoseSequence:
    """Read a C3D file; ``default_skeleton`` stands in for a missing POINT:SKEL."""
    c3d = read_c3d(path)
    skeleton = _skeleton_parameter(c3d) or default_skeleton
    if not skeleton:
        raise BadFileError(
            path, 'the parameter POINT:SKEL is missing', f'Write it, with the value {SKELETON}.'
        )
    return _sequence(path, c3d.points, c3d.rate, skeleton, c3d.units)


def _skeleton_parameter(c3d):
    value = c3d.parameters.get('POINT', {}).get('SKEL', '')
    if not isinstance(value, str):
        value = value[0] if len(value) else ''
    return str(value).strip()


def _read_json(path):
    with open(path, encoding='utf-8') as f:
        record = json.load(f)
    return _sequence(path, record['points'], record['rate'], record['skel'], record['units'])


def _read_csv(path):
    with open(path, newline='', encoding='utf-8-sig') as f:
        header, *rows = [row for row in csv.reader(f) if row]
    header = [name.strip() for name in header]
    names = [name[:-2] for name in header[1::3]]
    if header != ['t'] + [f'{name}_{axis}' for name in names for axis in 'xyz']:
        raise ValueError('the header is not t,<joint>_x,<joint>_y,<joint>_z,...')
    values = np.array(rows, np.float64).reshape(-1, len(header))
    return _sequence(
        path, _points(values[:, 1:]), _rate_of_times(values[:, 0]), _skeleton_of_names(names), 'mm'
    )


def _read_trc(path):
    with open(path, encoding='utf-8-sig') as f:
        rows = [line.rstrip('\r\n').split('\t') for line in f if line.strip()]
    if len(rows) < 5:
        raise ValueError('less than five header rows')
    facts = {k.strip(): v.strip() for k, v in zip(rows[1], rows[2], strict=False)}
    names = [name.strip() for name in rows[3][2:] if name.strip()]
    n_columns = 2 + 3 * len(names)
    if any(cell.strip() for row in rows[5:] for cell in row[n_columns:]):
        raise ValueError(f'rows with more than the {n_columns} columns of {len(names)} markers')
    # Writers may end a row with a tab; a cell left empty within a row is a missing coordinate.
    cells = [[cell.strip() or 'nan' for cell in row[:n_columns]] for row in rows[5:]]
    values = np.array(cells, np.float64).reshape(-1, n_columns)
    return _sequence(
        path,
        _points(values[:, 2:]),
        float(facts['DataRate']),
        _skeleton_of_names(names),
        facts['Units'],
    )


_READERS = {'.c3d': read_c3d_poses, '.json': _read_json, '.csv': _read_csv, '.trc': _read_trc}


def _points(values):
    return values.reshape(len(values), -1, 3)


def _rate_of_times(times):
    if len(times) < 2 or not np.all(np.diff(times) > 0):
        raise ValueError('the frame rate needs two or more rows with increasing times t')
    return (len(times) - 1) / (times[-1] - times[0])


def _skeleton_of_names(names):
    return SKELETON if list(names) == JOINT_NAMES else f'of the joints {",".join(names)}'


def _sequence(path, points, rate, skeleton, units):
    points = np.asarray(points, np.float64)
    rate = float(rate)
    if points.ndim != 3 or points.shape[2] != 3:
        raise ValueError(f'points have the shape {points.shape} and not (frames, joints, 3)')
    if str(units).strip().lower() != 'mm':
        raise BadFileError(path, f'points are in {units!r}, expected mm', 'Convert them.')
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f'a frame rate of {rate} Hz')
    if skeleton == SKELETON and points.shape[1] != len(JOINT_NAMES):
        raise ValueError(f'{points.shape[1]} joints, but {SKELETON} has {len(JOINT_NAMES)}')
    return PoseSequence(points, rate, str(skeleton))
