"""Writes pickles as Python 2 did, with objects of libraries that need not be there.

Python 3 cannot: its byte strings and names of modules differ, and it imports what it names. The
instructions are described in the module ``pickletools`` of the standard library.
"""

import struct

import numpy as np


class Instance:
    """An object to be written: an instance of a class, by name, with saved attributes."""

    def __init__(self, module, name, **attributes):
        self.module, self.name, self.attributes = module, name, attributes


def dumps(value) -> bytes:
    """The pickle (protocol 2) of a value made of dictionaries, lists, tuples, texts, numbers,
    arrays of numbers and :class:`Instance` s.

    Texts become Python 2's ``str``; they must be ASCII.
    """
    parts = [b'\x80\x02']
    _write(value, parts.append)
    parts.append(b'.')
    return b''.join(parts)


def _write(value, put):
    if value is None:
        put(b'N')
    elif isinstance(value, bool):
        put(b'\x88' if value else b'\x89')
    elif isinstance(value, int):
        put(b'J' + struct.pack('<i', value))
    elif isinstance(value, float):
        put(b'G' + struct.pack('>d', value))
    elif isinstance(value, str):
        _write_bytes(value.encode('ascii'), put)
    elif isinstance(value, bytes):
        _write_bytes(value, put)
    elif isinstance(value, tuple):
        put(b'(')
        for item in value:
            _write(item, put)
        put(b't')
    elif isinstance(value, list):
        put(b'](')
        for item in value:
            _write(item, put)
        put(b'e')
    elif isinstance(value, dict):
        put(b'}(')
        for key, item in value.items():
            _write(key, put)
            _write(item, put)
        put(b'u')
    elif isinstance(value, np.ndarray):
        _write_array(value, put)
    elif isinstance(value, Instance):
        _write_name(value.module, value.name, put)
        put(b')\x81')
        _write(value.attributes, put)
        put(b'b')
    else:
        raise TypeError(f'{type(value).__name__} cannot be written to a pickle of Python 2.')


def _write_bytes(data, put):
    if len(data) < 256:
        put(b'U' + struct.pack('<B', len(data)) + data)
    else:
        put(b'T' + struct.pack('<i', len(data)))
        put(data)


def _write_name(module, name, put):
    put(f'c{module}\n{name}\n'.encode('ascii'))


def _write_array(array, put):
    _write_name('numpy.core.multiarray', '_reconstruct', put)
    put(b'(')
    _write_name('numpy', 'ndarray', put)
    _write((0,), put)
    _write('b', put)
    put(b'tR(')
    _write(1, put)
    _write(array.shape, put)
    _write_name('numpy', 'dtype', put)
    _write((array.dtype.str[1:], 0, 1), put)
    put(b'R')
    _write((3, array.dtype.str[0], None, None, None, -1, -1, 0), put)
    put(b'b')
    _write(False, put)  # in C order
    _write_bytes(array.tobytes(), put)
    put(b'tb')
