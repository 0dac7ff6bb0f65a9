"""What records must be like: keys, types, shapes, finite numbers.

The functions yield ``(check, message)`` pairs, nothing for a good record. See
``posepile.storage.records`` for the layout, and ``posepile.storage.plausibility`` for what the
numbers must say.
"""

import zlib

import numpy as np

from posepile.util import SPLIT_NAMES

_MOST_DISTORTION_COEFFS = 14
_MOST_MASK_PIXELS = 1 << 27
_MOST_MASK_BYTES = 1 << 25
_GENDERS = ('male', 'female', 'neutral')


def metadata_problems(metadata: dict):
    """Check the ``metadata.msgpack`` record of an archive."""
    names = metadata['joint_names']
    edges = metadata['joint_edges']
    if not all(isinstance(name, str) and name for name in names):
        yield 'metadata', 'joint_names are not all texts'
    if len({str(name) for name in names}) < len(names):
        yield 'metadata', 'joint_names repeat'
    if any(len(edge) != 2 or not all(0 <= int(i) < len(names) for i in edge) for edge in edges):
        yield 'metadata', 'joint_edges are not pairs of joint indices'
    for key in ('train_bone_lengths', 'trainval_bone_lengths'):
        lengths = np.asarray(metadata.get(key, []))
        if len(lengths) not in (0, len(edges)):
            yield 'metadata', f'{len(lengths)} {key} for {len(edges)} edges'
        elif np.any(lengths < 0):
            yield 'metadata', f'{key} are negative'
    counts = metadata.get('posepile', {}).get('examples', {})
    if not set(counts) <= set(SPLIT_NAMES):
        yield 'metadata', f'counts for other splits than {", ".join(SPLIT_NAMES)}'


def record_problems(record, kind: str, n_joints: int, image_path: str):
    """Check keys, types and shapes of a decoded record.

    Args:
        kind: ``'3d'`` or ``'2d'``.
        image_path: what ``impath`` must be.
    """
    if not isinstance(record, dict):
        yield 'record', f'a map is expected, not {type(record).__name__}'
        return
    required = ('impath', 'bbox', 'cam') if kind == '3d' else ('impath', 'bbox', 'joints2d')
    for key in required:
        if key not in record:
            yield 'record', f'{key} is missing'
    if 'impath' in record and record['impath'] != image_path:
        yield 'record', f'impath is {record["impath"]!r}'
    yield from _array_problems(record, 'bbox', (4,), 'box')
    for key, n_dims in (('joints3d', 3), ('joints3d_univ', 3), ('joints2d', 2)):
        if key in record:
            yield from _joint_problems(record[key], key, n_joints, n_dims)
    if 'cam' in record:
        yield from _camera_problems(record['cam'])
    if 'mask' in record:
        yield from _mask_problems(record['mask'])
    if 'parameters' in record:
        yield from _parameter_problems(record['parameters'])
    if 'densepose' in record:
        yield from _densepose_problems(record['densepose'])
    for key in ('impath', 'activity', 'scene'):
        if not isinstance(record.get(key, ''), str):
            yield 'record', f'{key} is no text'
    if kind == '3d' and not ('joints3d' in record or 'parameters' in record):
        yield 'record', 'has neither joints nor body-model parameters'


def _array_problems(container, key, shape, check, kinds='iuf'):
    """Check that an entry, if present, is a finite numeric array of a shape (None: any length)."""
    if key not in container:
        return
    array = np.asarray(container[key])
    if array.dtype.kind not in kinds:
        yield check, f'{key} holds {array.dtype}, not numbers'
    elif array.ndim != len(shape) or any(
        n not in (None, m) for n, m in zip(shape, array.shape, strict=True)
    ):
        expected = tuple('any' if n is None else n for n in shape)
        yield check, f'{key} has the shape {array.shape}, not {expected}'
    elif not np.all(np.isfinite(array)):
        yield check, f'{key} is not finite'


def _joint_problems(encoded, key, n_joints, n_dims):
    if not isinstance(encoded, dict) or not {'rows', 'i_rows'} <= set(encoded):
        yield 'joints', f'{key} lacks rows or i_rows'
        return
    problems = [
        *_array_problems(encoded, 'rows', (None, n_dims), 'joints'),
        *_array_problems(encoded, 'i_rows', (None,), 'joints', kinds='iu'),
    ]
    yield from problems
    if problems:
        return
    rows, i_rows = np.asarray(encoded['rows']), np.asarray(encoded['i_rows'])
    if len(i_rows) == 0:
        if len(rows) not in (0, n_joints):
            yield 'joints', f'{key} has {len(rows)} rows for {n_joints} joints, and no i_rows'
    elif len(i_rows) != len(rows):
        yield 'joints', f'{key} has {len(rows)} rows but {len(i_rows)} i_rows'
    elif len(set(i_rows.tolist())) < len(i_rows) or not (
        0 <= i_rows.min() and i_rows.max() < n_joints
    ):
        yield 'joints', f'i_rows of {key} repeat or are not below {n_joints}'


def _camera_problems(encoded):
    if not isinstance(encoded, dict):
        yield 'camera', 'cam is no map'
        return
    shapes = {'rotvec_w2c': (3,), 'loc': (3,), 'intr': (2, 3)}
    for key in shapes:
        if key not in encoded:
            yield 'camera', f'{key} is missing'
    problems = []
    for key, shape in {**shapes, 'up': (3,), 'distcoef': (None,)}.items():
        problems += _array_problems(encoded, key, shape, 'camera')
    yield from problems
    if problems or 'intr' not in encoded:
        return
    intrinsics = np.asarray(encoded['intr'])
    if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
        yield 'camera', f'the focal length is {intrinsics[0, 0]:g}, {intrinsics[1, 1]:g} px'
    if not np.any(encoded.get('up', 1)):
        yield 'camera', 'up is the zero vector'
    n_coeffs = len(encoded.get('distcoef', ()))
    if n_coeffs > _MOST_DISTORTION_COEFFS:
        yield 'camera', f'there are {n_coeffs} distortion coefficients'


def _mask_problems(rle):
    is_rle = isinstance(rle, dict) and {'counts', 'zcounts', 'ucounts'} & set(rle)
    if not is_rle or len(rle.get('size', ())) != 2 or not all(n > 0 for n in rle['size']):
        yield 'mask', 'it is no run-length encoding with a size'
        return
    height, width = rle['size']
    if height * width > _MOST_MASK_PIXELS:
        yield 'mask', f'it has {width} x {height} px; no image is that large'
    elif 'zcounts' in rle:
        # Bounded: a few bytes can stand for gigabytes.
        stream = zlib.decompressobj()
        stream.decompress(rle['zcounts'], _MOST_MASK_BYTES)
        if not stream.eof:
            yield 'mask', 'it is cut short, or is far too large when decompressed'


def _densepose_problems(densepose):
    if not isinstance(densepose, dict) or not {'imcoords', 'i_faces', 'barycoords'} <= set(
        densepose
    ):
        yield 'densepose', 'it lacks imcoords, i_faces or barycoords'
        return
    n_points = len(np.asarray(densepose['imcoords']))
    problems = [
        *_array_problems(densepose, 'imcoords', (n_points, 2), 'densepose'),
        *_array_problems(densepose, 'i_faces', (n_points,), 'densepose', kinds='iu'),
        *_array_problems(densepose, 'barycoords', (n_points, 3), 'densepose'),
    ]
    yield from problems
    if problems:
        return
    if np.any(np.abs(np.sum(np.float64(densepose['barycoords']), axis=1) - 1) > 0.05):
        yield 'densepose', 'barycentric coordinates do not add up to 1'
    if np.min(densepose['i_faces'], initial=0) < 0:
        yield 'densepose', 'indices of faces are negative'


def _parameter_problems(parameters):
    if not isinstance(parameters, dict):
        yield 'parameters', 'they are no map'
        return
    for key in ('type', 'pose'):
        if key not in parameters:
            yield 'parameters', f'{key} is missing'
    if not isinstance(parameters.get('type', ''), str):
        yield 'parameters', 'type is no text'
    if parameters.get('gender', 'neutral') not in _GENDERS:
        yield 'parameters', f'gender is none of {", ".join(_GENDERS)}'
    for key in ('pose', 'shape', 'trans', 'expression', 'kid_factor', 'scale'):
        value = np.asarray(parameters.get(key, 0))
        if value.dtype.kind not in 'iuf' or not np.all(np.isfinite(value)):
            yield 'parameters', f'{key} holds other things than finite numbers'
        elif key == 'pose' and value.size % 3:
            yield 'parameters', f'pose has {value.size} numbers, which are not rotation vectors'
