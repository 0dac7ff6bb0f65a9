"""HDF5: one file with a table of annotations per split.

``joint_info/`` has ``joint_names``, ``joint_edges`` and mean bone lengths (mm). ``train``, ``val``
and ``test`` are one-dimensional compound data sets (see :func:`row_type`): joints as float16 where
that moves none by more than 1 mm, boxes in whole pixels, no images. ``more/<split>`` has a row for
each of theirs with what that older layout lacks: the exact box, the camera's up direction, names,
body-model parameters, and in 2D data DensePose annotations (see :func:`more_type`).
"""

import io
import os
import zlib
from collections import Counter

import h5py
import numpy as np

from posepile.atomic import replacing
from posepile.export.parameters import LISTS, NUMBERS, TEXTS, split_parameters
from posepile.export.plain import plain_mask
from posepile.export.report import ExportReport
from posepile.export.source import box_of, coords_of, univ_coords_of
from posepile.storage.disk_errors import explain_disk_errors
from posepile.storage.records import encode_camera, encode_skeleton
from posepile.util import SPLIT_NAMES

_ROWS_AT_ONCE = 1000
_TEXT = h5py.string_dtype('utf-8')
_FLOATS = h5py.vlen_dtype(np.float32)
_POSE = {'3d': 'pose3d_world', '2d': 'pose2d_image'}


def write(source, out):
    """Export to the file ``out``; see :func:`posepile.export.export`. It is written as a whole."""
    report = ExportReport('hdf5', os.fspath(out))
    with (
        explain_disk_errors(report.out),
        replacing(out) as partial,
        _DiskFile(partial, 'w+') as disk_file,
    ):
        with h5py.File(disk_file, 'w') as file, source.progress('hdf5') as progress:
            _write_skeleton(file.create_group('joint_info'), source)
            for split in source.splits:
                lost = Counter()
                for n_done in _write_split(file, source, split, lost):
                    disk_file.raise_error()
                    progress.update(n_done)
                report.add(SPLIT_NAMES[split], SPLIT_NAMES[split], source.count(split), 0, lost)
        disk_file.raise_error()
    report.files = [os.path.basename(report.out)]
    return report


class _DiskFile(io.FileIO):
    """A file of which the first failed write is remembered and not told to HDF5.

    The HDF5 library cannot close a file that it could not write, and then crashes at exit.
    """

    error = None

    def write(self, data):
        self._attempt(self._write_all, data)
        return len(data)

    def _write_all(self, data):
        rest = memoryview(data).cast('B')
        while rest:  # a disk that gets full takes a part first
            rest = rest[super().write(rest) :]

    def truncate(self, size=None):
        self._attempt(super().truncate, size)
        return size

    def _attempt(self, function, argument):
        if self.error is None:
            try:
                function(argument)
            except OSError as e:
                self.error = e

    def raise_error(self):
        if self.error is not None:
            raise self.error


def row_type(kind) -> np.dtype:
    """Type of a row of ``train``, ``val`` and ``test``.

    Of the two ``coords`` fields, rows of the valid joints end to end, one is filled;
    ``row_indices`` says which joints they are and is empty if these are all of them. In 2D data
    the pose is called ``pose2d_image``, and examples without a camera have zeros for one.
    """
    pose = [
        ('coords_fp32', _FLOATS),
        ('coords_fp16', h5py.vlen_dtype(np.float16)),
        ('row_indices', h5py.vlen_dtype(np.uint16)),
    ]
    camera = [
        ('rotvec_world_to_camera', np.float32, (3,)),
        ('optical_center', np.float32, (3,)),
        ('intrinsic_matrix', np.float32, (2, 3)),
        ('distortion_coeffs', _FLOATS),
    ]
    return np.dtype(
        [
            ('image_path', _TEXT),
            ('imshape', np.uint16, (2,)),
            ('mask_zipped_runlengths', h5py.vlen_dtype(np.uint8)),
            ('bbox', np.int16, (4,)),
            (_POSE[kind], pose),
            ('camera', camera),
        ]
    )


def more_type(kind) -> np.dtype:
    """Type of a row of ``more/<split>``; empty lists and texts stand for what is not there.

    ``has_pose`` tells examples without joints from those of which no joint is valid. Univ
    coordinates, and points and barycentric coordinates of DensePose, are rows end to end. Missing
    numbers and boxes are NaN.
    """
    common = [('has_pose', np.bool_), ('bbox_fp32', np.float32, (4,))]
    camera = [('has_camera', np.bool_), ('camera_world_up', np.float32, (3,))]
    if kind == '2d':
        densepose = [
            ('imcoords', _FLOATS),
            ('i_faces', h5py.vlen_dtype(np.uint16)),
            ('barycoords', _FLOATS),
        ]
        return np.dtype([*common, *camera, ('densepose', densepose)])
    parameters = [
        *((key, _TEXT) for key in TEXTS),
        *((key, _FLOATS) for key in LISTS),
        *((key, np.float32) for key in NUMBERS),
    ]
    names = [('activity', _TEXT), ('scene', _TEXT)]
    return np.dtype(
        [*common, *camera, *names, ('univ_coords', _FLOATS), ('parameters', parameters)]
    )


def _write_skeleton(group, source):
    skeleton = encode_skeleton(source.joint_info)
    group.create_dataset('joint_names', data=skeleton['joint_names'], dtype=_TEXT)
    edges = np.array(skeleton['joint_edges'], np.int32).reshape(-1, 2)
    group.create_dataset('joint_edges', data=edges)
    for key, attribute in (
        ('train_bone_lengths', 'train_bones'),
        ('trainval_bone_lengths', 'trainval_bones'),
    ):
        bones = getattr(source.dataset, attribute, None)
        if bones is not None:
            group.create_dataset(key, data=np.asarray(bones, np.float32))


def _write_split(file, source, split, lost):
    """Write the tables of a split; yields the numbers of examples that have been written."""
    n, name = source.count(split), SPLIT_NAMES[split]
    options = dict(shape=(n,), chunks=(min(n, _ROWS_AT_ONCE),), track_times=False)
    tables = [
        (file.create_dataset(name, dtype=row_type(source.kind), **options), _row),
        (file.create_dataset(f'more/{name}', dtype=more_type(source.kind), **options), _more),
    ]
    for start in range(0, n, _ROWS_AT_ONCE):
        examples = [s.example for s in source.samples(split, start, start + _ROWS_AT_ONCE)]
        for table, make_row in tables:
            rows = np.empty(len(examples), table.dtype)
            for i, example in enumerate(examples):
                rows[i] = make_row(example, source, lost)
            table[start : start + len(examples)] = rows
        yield len(examples)


def _row(example, source, lost):
    width, height = source.image_size(example)
    mask = b''
    if example.mask is not None:
        mask = zlib.compress(plain_mask(example.mask)['counts'].encode())
    box = box_of(example)
    box = np.zeros(4) if box is None else np.clip(np.round(box), -(2**15), 2**15 - 1)
    camera = _NO_CAMERA if example.camera is None else encode_camera(example.camera)
    return (
        example.image_path,
        (height, width),
        np.frombuffer(mask, np.uint8),
        box.astype(np.int16),
        _pose(coords_of(example)),
        (
            camera['rotvec_w2c'],
            camera['loc'],
            camera['intr'],
            camera.get('distcoef', _NOTHING),
        ),
    )


_NOTHING = np.zeros(0, np.float32)
_NO_CAMERA = dict(rotvec_w2c=np.zeros(3), loc=np.zeros(3), intr=np.zeros((2, 3)))


def _pose(coords):
    """(float32 rows, float16 rows, indices), one of the former two empty."""
    if coords is None:
        coords = np.zeros((0, 3), np.float32)
    is_valid = ~np.any(np.isnan(coords), axis=1)
    rows = coords[is_valid].ravel()
    indices = np.zeros(0) if np.all(is_valid) else np.flatnonzero(is_valid)
    with np.errstate(over='ignore'):
        half = rows.astype(np.float16)
        is_precise = np.all(np.abs(half.astype(np.float32) - rows) <= 1)
    if is_precise:
        return _NOTHING, half, indices.astype(np.uint16)
    return rows, half[:0], indices.astype(np.uint16)


def _more(example, source, lost):
    coords, box = coords_of(example), box_of(example)
    has_camera = example.camera is not None
    row = (
        coords is not None,
        np.full(4, np.nan) if box is None else box,
        has_camera,
        np.asarray(example.camera.world_up) if has_camera else np.zeros(3),
    )
    if source.kind == '2d':
        densepose = example.densepose or (_NOTHING, _NOTHING, _NOTHING)
        types = (np.float32, np.uint16, np.float32)
        return *row, tuple(np.asarray(a, t).ravel() for a, t in zip(densepose, types, strict=True))
    univ_coords = univ_coords_of(example)
    parameters = split_parameters(example.parameters or {}, lost)
    missing = {**dict.fromkeys(TEXTS, ''), **dict.fromkeys(LISTS, _NOTHING)}
    missing.update(dict.fromkeys(NUMBERS, np.nan))
    return (
        *row,
        example.activity_name,
        example.scene_name,
        _NOTHING if univ_coords is None else univ_coords.ravel(),
        tuple(missing[k] if value is None else value for k, value in parameters.items()),
    )
