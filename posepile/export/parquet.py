"""Parquet: a row per example, with typed, nested columns and the image file in the row.

``<split>-NNNNN.parquet``. Joints are lists of points, NaN where missing; the skeleton is JSON under
the key ``posepile`` of the file's metadata. Which columns there are depends on the kind of dataset
only; what an example lacks is null.
"""

import json
from collections import Counter

import numpy as np

from posepile.export.folder import ExportFolder, shards
from posepile.export.parameters import split_parameters
from posepile.export.plain import camera_arrays, plain_mask
from posepile.export.source import box_of, coords_of, univ_coords_of
from posepile.storage.records import encode_skeleton
from posepile.util import SPLIT_NAMES

SHARD_SIZE = 10_000
_ROWS_AT_ONCE = 500  # a row group; with images about 15 MB


def write(source, out, images=True, shard_size=SHARD_SIZE):
    """Export to the folder ``out``; see :func:`posepile.export.export`."""
    folder = ExportFolder(out, 'parquet', source, images=images, shard_size=shard_size)
    schema = make_schema(source, images)
    with source.progress('parquet') as progress:
        for split, i_shard, _, start, stop in shards(source, shard_size):
            name = f'{SPLIT_NAMES[split]}-{i_shard:05d}.parquet'
            if not folder.is_done(name):
                with folder.write(name, SPLIT_NAMES[split]) as (partial, count):
                    _write_file(partial, count, source, schema, split, start, stop, images)
            progress.update(stop - start)
    return folder.report()


def make_schema(source, images=True):
    """The :class:`pyarrow.Schema` of all files of an export. Units: mm, px, radians, metres."""
    import pyarrow as pa

    floats = pa.list_(pa.float32())

    def points(n_dims, n=-1):
        return pa.list_(pa.list_(pa.float32(), n_dims), n)

    n_joints = source.joint_info.n_joints or -1  # parametric data: a list of any length
    camera = pa.struct(
        [
            ('rotation', points(3, 3)),
            ('optical_center', pa.list_(pa.float32(), 3)),
            ('intrinsic_matrix', points(3, 3)),
            ('distortion_coeffs', floats),
            ('world_up', pa.list_(pa.float32(), 3)),
        ]
    )
    columns = [('key', pa.string()), ('split', pa.string()), ('image_path', pa.string())]
    if images:
        columns.append(('image', pa.binary()))
    columns += [
        ('bbox', pa.list_(pa.float32(), 4)),
        ('joints', points(int(source.kind[0]), n_joints)),
        ('camera', camera),
        ('mask', pa.struct([('size', pa.list_(pa.int32(), 2)), ('counts', pa.string())])),
    ]
    if source.kind == '2d':
        fields = [('points', points(2)), ('i_faces', pa.list_(pa.uint16()))]
        columns.append(('densepose', pa.struct([*fields, ('barycentric', points(3))])))
    else:
        texts = [(key, pa.string()) for key in ('type', 'gender')]
        lists = [(key, floats) for key in ('pose', 'shape', 'trans', 'expression')]
        numbers = [(key, pa.float32()) for key in ('kid_factor', 'scale')]
        columns += [
            ('univ_joints', points(3, n_joints)),
            ('parameters', pa.struct([*texts, *lists, *numbers])),
            ('activity', pa.string()),
            ('scene', pa.string()),
        ]
    about = dict(kind=source.kind, name=source.name, **encode_skeleton(source.joint_info))
    return pa.schema(columns, metadata={'posepile': json.dumps(about)})


def _write_file(path, count, source, schema, split, start, stop, images):
    import pyarrow as pa
    import pyarrow.parquet as pq

    lost = Counter()
    # JPEGs and coordinates do not shrink by dictionaries; texts do by compression.
    with pq.ParquetWriter(path, schema, compression='zstd', use_dictionary=['split']) as writer:
        rows = []
        for sample in source.samples(split, start, stop):
            row = _row(sample, source.kind, lost)
            row['split'] = SPLIT_NAMES[split]
            if images:
                row['image'] = source.image_bytes(sample.example.image_path)
                count['images'] += 1
            rows.append(row)
            count['examples'] += 1
            if len(rows) == _ROWS_AT_ONCE or count['examples'] == stop - start:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
    count['lost'] = dict(lost)


def _row(sample, kind, lost):
    example = sample.example
    row = dict(
        key=sample.key,
        image_path=example.image_path,
        bbox=box_of(example),
        joints=_list_of(coords_of(example)),
        camera=None,
        mask=None if example.mask is None else plain_mask(example.mask),
    )
    if example.camera is not None:
        row['camera'] = {k: v.tolist() for k, v in camera_arrays(example.camera).items()}
    if kind == '2d':
        if example.densepose is not None:
            names = ('points', 'i_faces', 'barycentric')
            arrays = zip(names, example.densepose, strict=True)
            row['densepose'] = {key: np.asarray(array).tolist() for key, array in arrays}
        return row
    row['univ_joints'] = _list_of(univ_coords_of(example))
    row['activity'], row['scene'] = example.activity_name, example.scene_name
    if example.parameters is not None:
        row['parameters'] = split_parameters(example.parameters, lost)
    return row


def _list_of(array):
    return None if array is None else array.tolist()
