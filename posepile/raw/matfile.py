"""MATLAB files of version 5 and earlier, as nested dictionaries and lists."""

import struct
import zlib

import numpy as np

from posepile.errors import RawDataError


class AttributeDict(dict):
    """A dictionary whose items are attributes as well: ``d.name`` is ``d['name']``."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as e:
            raise AttributeError(name) from e

    def __setattr__(self, name, value):
        self[name] = value


def load_mat(path) -> AttributeDict:
    """The variables in a MATLAB file.

    Structs become attribute dictionaries, 1-D arrays lists, and so on within them. Dimensions of
    size 1 are dropped. Arrays of two or more dimensions stay arrays as they are; if they are of
    structs, their elements have the fields as attributes.

    Raises:
        RawDataError: the file is missing, damaged, or of version 7.3 (which is HDF5).
    """
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        with open(path, 'rb') as f:
            content = scipy.io.loadmat(f, struct_as_record=False, squeeze_me=True)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such file', 'Put it in place.') from e
    except NotImplementedError as e:
        raise RawDataError(
            path, 'is a MATLAB file of version 7.3; version 5 is expected', 'Open it with h5py.'
        ) from e
    except (
        MatReadError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as e:
        problem = f'is no MATLAB file or a damaged one ({type(e).__name__}: {e})'
        raise RawDataError(path, problem, 'Delete it and download it again.') from e
    return AttributeDict((k, _plain(v)) for k, v in content.items())


def _plain(value):
    from scipy.io.matlab import mat_struct

    if isinstance(value, mat_struct):
        return AttributeDict((k, _plain(getattr(value, k))) for k in value._fieldnames)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return [_plain(v) for v in value]
    return value
