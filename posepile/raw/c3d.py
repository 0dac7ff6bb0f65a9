"""Motion capture files in the C3D format (https://www.c3d.org/HTML/): marker trajectories.

Reading is done here rather than by ezc3d, which hangs or crashes the process on some damaged
files; here every length is checked before it is used. Writing is done by ezc3d.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from posepile.errors import RawDataError
from posepile.raw.c3d_header import C3DFormatError, Header, read_header

_REMEDY = 'Delete it and get it again from the raw release.'


@dataclasses.dataclass
class C3DMotion:
    """Trajectories of points.

    Attributes:
        points: float32 (n_frames, n_points, 3) in ``units``; NaN where a point was not seen.
        labels: names of the points.
        rate: frames per second.
        units: unit of length as in the file, for example 'mm'; empty if not given.
        parameters: group name -> parameter name -> list of str, or array.
    """

    points: np.ndarray
    labels: list[str]
    rate: float
    units: str
    parameters: dict[str, dict]


def read_c3d(path) -> C3DMotion:
    """Read the points of a C3D file of any byte order, with float or integer storage.

    Raises:
        RawDataError: the file is missing, truncated, damaged or no C3D file.
    """
    try:
        with open(path, 'rb') as f:
            data = f.read()
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such C3D file', 'Put it in place.') from e
    try:
        header = read_header(data)
        points = _points(data, header)
    except C3DFormatError as e:
        raise RawDataError(path, f'is no C3D file or a damaged one: {e}', _REMEDY) from e
    point = header.parameters.get('POINT', {})
    labels = _numbered(point, 'LABELS')[: header.n_points]
    labels += [f'*{i}' for i in range(len(labels), header.n_points)]
    units = _numbered(point, 'UNITS')
    return C3DMotion(points, labels, header.rate, units[0] if units else '', header.parameters)


def _points(data, header: Header):
    per_frame = header.n_points * 4 + header.n_analog_per_frame
    itemsize = 4 if header.is_float else 2
    n_expected = header.data_start + header.n_frames * per_frame * itemsize
    if len(data) < n_expected:
        raise C3DFormatError(
            f'it ends after {len(data):,} bytes, but {header.n_frames} frames of '
            f'{header.n_points} points take {n_expected:,}'
        )
    content = data[header.data_start : n_expected]
    values = header.floats(content) if header.is_float else header.int16s(content)
    values = values.reshape(header.n_frames, per_frame)[:, : header.n_points * 4]
    values = values.reshape(header.n_frames, header.n_points, 4)
    points = values[..., :3].astype(np.float32)
    if not header.is_float:
        points = (values[..., :3] * np.float64(header.scale)).astype(np.float32)
    points[values[..., 3] < 0] = np.nan
    return points


def _numbered(group: Mapping, name):
    """Values of NAME, NAME2, NAME3, ..., which hold up to 255 each."""
    values = []
    for suffix in ['', *map(str, range(2, 258))]:
        part = group.get(name + suffix)
        if not isinstance(part, list):
            break
        values += part
    return values


def write_c3d(
    path,
    points: np.ndarray,
    labels: Sequence[str],
    rate: float,
    units='mm',
    parameters: Mapping[str, Mapping] | None = None,
):
    """Write points as a C3D file with float storage, which appears when it is complete.

    Reading it gives the same float32 values.

    Args:
        path: of the file. Folders are created.
        points: (n_frames, n_points, 3), at least one frame and point. A point with a NaN
            coordinate is marked as not seen.
        labels: n_points names.
        rate: frames per second.
        units: unit of the points.
        parameters: further parameters: group name -> parameter name -> text, number, or list.
    """
    import ezc3d

    points = np.asarray(points, np.float32)
    if points.ndim != 3 or points.shape[2] != 3 or 0 in points.shape:
        raise ValueError(f'Points of shape (n_frames, n_points, 3) expected, not {points.shape}')
    if len(labels) != points.shape[1]:
        raise ValueError(f'{len(labels)} labels for {points.shape[1]} points')
    n_frames, n_points, _ = points.shape
    homogeneous = np.ones((4, n_points, n_frames))
    homogeneous[:3] = points.transpose(2, 1, 0)
    is_missing = np.isnan(homogeneous).any(axis=0)
    homogeneous[:3, is_missing] = np.nan

    c3d = ezc3d.c3d()
    point = c3d['parameters']['POINT']
    point['RATE']['value'] = [float(rate)]
    point['LABELS']['value'] = list(labels)
    c3d.add_parameter('POINT', 'UNITS', [units])
    if n_frames > 0xFFFF:  # more than the fields made for it can count
        c3d.add_parameter('TRIAL', 'ACTUAL_START_FIELD', [1, 0])
        c3d.add_parameter('TRIAL', 'ACTUAL_END_FIELD', _words(n_frames))
    for group, values in (parameters or {}).items():
        for name, value in values.items():
            is_single = isinstance(value, str) or np.ndim(value) == 0
            c3d.add_parameter(group, name, [value] if is_single else list(value))
    c3d['data']['points'] = homogeneous
    c3d['data']['meta_points']['residuals'] = np.where(is_missing, -1.0, 0.0)[np.newaxis]
    c3d['data']['meta_points']['camera_masks'] = np.zeros((7, n_points, n_frames), bool)

    path = os.fspath(path)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    tmp = f'{path}.{os.getpid()}.tmp.c3d'  # ezc3d adds the extension otherwise
    try:
        c3d.write(tmp)
        os.replace(tmp, path)
    finally:
        if os.path.exists(tmp):
            os.unlink(tmp)


def _words(n):
    """The low and the high 16 bits, as signed numbers."""
    return np.array([n & 0xFFFF, n >> 16], np.uint16).view(np.int16).tolist()
