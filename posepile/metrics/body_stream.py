"""Files of bodies frame by frame, as the package ``bodycompress`` writes them.

Such a file is a stream of msgpack objects, compressed with xz: perhaps a header with the places of
the others, metadata, and a dictionary for each frame. Coordinates may be stored as differences of
whole numbers (keys ``qd_joints`` and so on), and vertices in another order, which the header names.

The package itself restores pickled arrays, which could run a program; here, only plain data is
read.
"""

import functools
import importlib.util
import lzma
import os.path as osp

import msgpack
import numpy as np

from posepile.errors import BadFileError
from posepile.raw.npyfile import load_npy
from posepile.storage import codec

_XZ_MAGIC = b'\xfd7zXZ\x00'
_REMEDY = 'Write it again with bodycompress.BodyCompressor(path, compression="xz").'
# Axis of the points in arrays that may be stored as differences.
_POINT_AXES = dict(vertices=-2, joints=-2, vertex_uncertainties=-1, joint_uncertainties=-1)
_USUAL_ORDERS = {6890: 'smpl', 10475: 'smplx'}
_MOST_BYTES_OF_FRAME = 1 << 28
_CHUNK = 1 << 16
_DAMAGE = (lzma.LZMAError, EOFError, ValueError, LookupError, TypeError, msgpack.UnpackException)


def read_body_stream(path):
    """Yield the dictionary of each frame, in order.

    Arrays come as they were given to the writer (rounded, if it did): ``vertices`` and ``joints``
    (..., 3), ``vertex_uncertainties`` and ``joint_uncertainties`` (...).

    Raises:
        BadFileError: if the file is missing, damaged, or none of this kind.
    """
    try:
        with open(path, 'rb') as f:
            if f.read(len(_XZ_MAGIC)) != _XZ_MAGIC:
                raise BadFileError(path, 'is not compressed with xz', _REMEDY)
            yield from _frames(path, f)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise BadFileError(path, 'there is no such file', 'Check its path.') from e
    except _DAMAGE as e:
        raise BadFileError(path, f'is a damaged stream of bodies ({e!r:.200})', _REMEDY) from e


def _frames(path, file):
    first = next(_objects(file, 0), None)
    order = None
    if isinstance(first, dict) and '__bodycompress_version__' in first:
        if first.get('compression', 'xz') != 'xz':
            raise BadFileError(path, f'is compressed with {first["compression"]}', _REMEDY)
        if first.get('data_start') is None:
            raise BadFileError(path, 'was never finished by its writer', _REMEDY)
        objects = _objects(file, int(first['data_start']))
        order = first.get('vertex_order')
    else:  # the oldest files have no header, and metadata before the first frame
        objects = _objects(file, 0)
        if not _is_frame(first):
            next(objects, None)
    for frame in objects:
        if not _is_frame(frame):
            raise ValueError('a frame is no dictionary of arrays')
        yield _decoded(path, frame, order)


def _objects(file, start):
    """The msgpack objects in the xz streams from a place of the file on."""
    file.seek(start)
    unpacker = msgpack.Unpacker(max_buffer_size=_MOST_BYTES_OF_FRAME)
    pending, n_done = bytearray(), 0
    with lzma.LZMAFile(file) as stream:
        while chunk := stream.read(_CHUNK):
            unpacker.feed(chunk)
            pending += chunk
            while (end := _end_of_next(unpacker)) is not None:
                yield codec.unpack(bytes(pending[: end - n_done]))
                del pending[: end - n_done]
                n_done = end
    if pending:
        raise EOFError('it ends in the middle of a frame')


def _end_of_next(unpacker):
    """Where the next object ends, in bytes from the start; None if that is not there yet."""
    try:
        unpacker.skip()
    except msgpack.OutOfData:
        return None
    return unpacker.tell()


def _is_frame(value):
    names = {*_POINT_AXES, *(f'qd_{name}' for name in _POINT_AXES)}
    return isinstance(value, dict) and bool(names & value.keys())


def _decoded(path, frame, order):
    frame = dict(frame)
    for name, axis in _POINT_AXES.items():
        if f'qd_{name}' in frame:
            differences, factor = frame.pop(f'qd_{name}')
            whole = np.cumsum(np.asarray(differences), axis=axis, dtype=np.int64)
            frame[name] = whole / float(factor)
        elif name in frame:
            frame[name] = np.asarray(frame[name])
    if order is not None and 'vertices' in frame:
        place_of = _places(path, order, frame['vertices'].shape[-2])
        frame['vertices'] = np.take(frame['vertices'], place_of, axis=-2)
        if 'vertex_uncertainties' in frame:
            frame['vertex_uncertainties'] = np.take(frame['vertex_uncertainties'], place_of, -1)
    return frame


def _places(path, order, n_vertices):
    """Where each vertex stands in a frame; ``order`` is a permutation or the name of one."""
    if not isinstance(order, str):
        return np.argsort(np.asarray(order))
    name = _USUAL_ORDERS.get(n_vertices) if order == 'auto' else order
    if name is None:
        return np.arange(n_vertices)
    place_of = _known_order(name)
    if place_of is None or len(place_of) != n_vertices:
        raise BadFileError(
            path,
            f'has its {n_vertices} vertices in the order {name!r} of the package bodycompress, '
            'which is not there',
            'Install it (pip install bodycompress), or write with vertex_order=None.',
        )
    return place_of


@functools.cache
def _known_order(name):
    """An order that comes as data with the package, which need not be imported; None if not."""
    package = importlib.util.find_spec('bodycompress')
    for folder in package.submodule_search_locations if package else ():
        path = osp.join(folder, 'data', f'{osp.basename(name)}_vertex_order.npy')
        if osp.exists(path):
            return np.argsort(load_npy(path))
    return None
