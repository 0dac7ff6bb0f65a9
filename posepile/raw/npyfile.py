"""NumPy files (npy, npz), including those with Python objects, without running what is in them."""

import os
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from posepile.errors import RawDataError
from posepile.raw import unpickle

_REMEDY = 'Delete it and download or make it again.'


def load_npy(path, allow=(), module_aliases=None) -> np.ndarray:
    """The array in an npy file; objects in it are read by :func:`unpickle.restricted_load`.

    A single pickled object, such as a dictionary, comes as an array of no dimensions: use
    ``.item()``.

    Raises:
        RawDataError: the file is missing, damaged, no npy file, or names anything not allowed.
    """
    path = os.fspath(path)
    try:
        with open(path, 'rb') as f:
            return _read(f, path, allow, module_aliases)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such npy file', 'Put it in place.') from e


def load_npz(path, allow=(), module_aliases=None) -> Mapping[str, np.ndarray]:
    """All arrays of an npz file by name; see :func:`load_npy`."""
    path = os.fspath(path)
    arrays = {}
    try:
        with zipfile.ZipFile(path) as z:
            for name in z.namelist():
                with z.open(name) as f:
                    key = name.removesuffix('.npy')
                    arrays[key] = _read(f, f'{path}:{key}', allow, module_aliases)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such npz file', 'Put it in place.') from e
    except (zipfile.BadZipFile, zlib.error, EOFError) as e:
        raise RawDataError(path, f'is no npz file or a damaged one ({e})', _REMEDY) from e
    return arrays


def _read(file, name, allow, module_aliases):
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f'version {version}')
        shape, is_fortran, dtype = read_header(file)
        content = file.read()
        if dtype.hasobject:
            array = unpickle.loads(content, name, allow, module_aliases)
            if not isinstance(array, np.ndarray) or array.shape != shape:
                raise ValueError('the objects do not have the announced shape')
            return array
        array = np.frombuffer(bytearray(content), dtype)
        return array.reshape(shape, order='F' if is_fortran else 'C')
    except (ValueError, EOFError, OverflowError, zipfile.BadZipFile, zlib.error) as e:
        raise RawDataError(name, f'is no npy file or a damaged one ({e})', _REMEDY) from e
