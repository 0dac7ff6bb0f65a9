"""msgpack with NumPy arrays, as the ``msgpack-numpy`` package lays them out, without its pickle.

An array is the map ``{b'nd': True, b'type': '<f4', b'kind': b'', b'shape': [..], b'data': raw}``,
a NumPy scalar ``{b'nd': False, b'type': '<f4', b'data': raw}``. ``msgpack-numpy`` also unpickles
arrays of Python objects, which would let an archive run code: those are refused here.
"""

import functools
import re

import msgpack
import numpy as np

_PLAIN_KINDS = 'biufcSU'  # bool, integers, floats, complex, fixed-length bytes and text
_PLAIN_DTYPE = re.compile(rf'[<>|][{_PLAIN_KINDS}]\d{{1,9}}')


def pack(obj) -> bytes:
    """Serialise nested dicts, lists, text, numbers and NumPy arrays. Same input, same bytes."""
    return msgpack.packb(obj, default=_encode, use_bin_type=True)


def unpack(data: bytes):
    """Inverse of :func:`pack`. The arrays are fresh and writable.

    Raises:
        ValueError: if the bytes are no such record, or hold anything but plain arrays.
    """
    try:
        return msgpack.unpackb(data, object_hook=_decode, raw=False, strict_map_key=False)
    except (msgpack.UnpackException, LookupError, TypeError, AttributeError) as e:
        raise ValueError(f'not a msgpack record: {e!r}') from e


def _encode(obj):
    if isinstance(obj, np.ndarray):
        if obj.dtype.kind not in _PLAIN_KINDS:
            raise TypeError(f'arrays of dtype {obj.dtype} cannot be stored')
        return {
            b'nd': True,
            b'type': obj.dtype.str,
            b'kind': b'',
            b'shape': list(obj.shape),
            b'data': np.ascontiguousarray(obj).tobytes(),
        }
    if isinstance(obj, np.generic):
        return {b'nd': False, b'type': obj.dtype.str, b'data': obj.tobytes()}
    raise TypeError(f'{type(obj).__name__} cannot be stored in a record')


def _decode(obj):
    is_array = obj.get(b'nd')
    if is_array is None:
        return obj
    if obj.get(b'kind', b'') not in (b'', ''):
        raise ValueError(f'array of kind {obj[b"kind"]!r} refused: only plain numbers and text')
    dtype = _plain_dtype(obj[b'type'])
    if not is_array:
        return np.frombuffer(obj[b'data'], dtype)[0]
    # Of a bytearray, because the view of bytes would be read-only.
    return np.frombuffer(bytearray(obj[b'data']), dtype).reshape(obj[b'shape'])


@functools.lru_cache(maxsize=64)
def _plain_dtype(text):
    # Checked as text, because NumPy evaluates some of what it takes for a dtype.
    if not _PLAIN_DTYPE.fullmatch(text):
        raise ValueError(f'array of dtype {text!r} refused: only plain numbers and text')
    return np.dtype(text)
