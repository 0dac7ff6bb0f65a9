"""Pickles from strangers, read without letting them run anything.

A pickle is a program whose GLOBAL instructions name what it may call. Here those names are looked
up in a list of harmless ones (NumPy arrays, containers, dates, sparse matrices), extended by the
caller with classes that it knows; any other name is refused before anything is called.
"""

import collections
import datetime
import functools
import io
import os
import pickle
from collections.abc import Iterable, Mapping

import numpy as np

from posepile.errors import RawDataError

#: What damaged pickles make the unpickler, or the allowed classes, raise.
_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)


class _Refused(Exception):
    """A pickle names something that is not allowed."""


def restricted_load(
    path_or_bytes,
    allow: Mapping[tuple[str, str], type] | Iterable[type] = (),
    module_aliases: Mapping[str, str] | None = None,
):
    """The object in a pickle made of plain data.

    Python 2 pickles are read, too; their byte strings become text (latin-1 where not ASCII).

    Args:
        path_or_bytes: path of a pickle file, or its content.
        allow: further classes that may occur: a mapping from (module, name) to the class to use,
            or classes, which are then allowed under their own names. Their instances are made
            without ``__init__``, with ``__setstate__`` if there is one; give only classes for
            which that is harmless with any content.
        module_aliases: today's names of modules that old pickles name differently, for example
            ``{'data': 'posepile'}`` for ``data.joint_info``. The longest prefix applies.

    Raises:
        RawDataError: the file is missing, damaged or no pickle, or names anything not allowed.
    """
    if isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
        name, data = '<bytes>', bytes(path_or_bytes)
    else:
        name = os.fspath(path_or_bytes)
        try:
            with open(name, 'rb') as f:
                data = f.read()
        except (FileNotFoundError, IsADirectoryError) as e:
            raise RawDataError(name, 'there is no such pickle file', 'Put it in place.') from e
    return loads(data, name, allow, module_aliases)


def loads(data: bytes, name, allow=(), module_aliases=None):
    """Like :func:`restricted_load`; ``name`` stands for the source in error messages."""
    if not isinstance(allow, Mapping):
        allow = {(c.__module__, c.__qualname__): c for c in allow}
    try:
        try:
            return _Unpickler(data, allow, module_aliases or {}, 'ASCII').load()
        except UnicodeDecodeError:  # byte strings of Python 2
            return _Unpickler(data, allow, module_aliases or {}, 'latin1').load()
    except _Refused as e:
        raise RawDataError(
            name,
            f'names {e}, which a file of plain data has no use for. It was not loaded, because '
            'loading could run a program hidden in it',
            'Get the file from the source of the dataset.',
        ) from e
    except _DAMAGE as e:
        raise RawDataError(
            name,
            f'is no pickle or a damaged one ({type(e).__name__}: {e})',
            'Delete it and download or make it again.',
        ) from e


class _Unpickler(pickle.Unpickler):
    def __init__(self, data, allow, module_aliases, encoding):
        super().__init__(io.BytesIO(data), encoding=encoding)
        self._allow = allow
        self._module_aliases = module_aliases

    def find_class(self, module, name):
        module = _PYTHON2_MODULES.get(module, module)
        renamed = self._renamed(module)
        for key in ((module, name), (renamed, name)):
            if key in self._allow:
                return self._allow[key]
        found = _plain_data_globals().get((module, name)) or _numpy_or_scipy(module, name)
        if found is None:
            raise _Refused(f'{module}.{name}')
        # Functions are wrapped, for a pickle can set attributes of what it gets.
        return found if isinstance(found, type) else functools.partial(found)

    def persistent_load(self, pid):
        raise _Refused(f'a persistent object {pid!r}')

    def _renamed(self, module):
        parts = module.split('.')
        for n in range(len(parts), 0, -1):
            alias = self._module_aliases.get('.'.join(parts[:n]))
            if alias is not None:
                return '.'.join([alias, *parts[n:]])
        return module


_PYTHON2_MODULES = {'__builtin__': 'builtins', 'copy_reg': 'copyreg'}
_SPARSE = {f'{f}_{k}' for f in ('csr', 'csc', 'coo', 'bsr', 'dia') for k in ('matrix', 'array')}


@functools.cache
def _plain_data_globals():
    builtin = (set, frozenset, complex, bytearray, slice, range, object, list, dict, tuple)
    builtin += (int, float, bool, str, bytes)
    found = {('builtins', c.__name__): c for c in builtin}
    found |= {
        ('builtins', 'long'): int,
        ('builtins', 'unicode'): str,
        ('collections', 'OrderedDict'): collections.OrderedDict,
        ('collections', 'defaultdict'): collections.defaultdict,
        ('collections', 'deque'): collections.deque,
        ('_codecs', 'encode'): _encode,
        ('copyreg', '_reconstructor'): _reconstruct_object,
    }
    for c in ('datetime', 'date', 'time', 'timedelta', 'timezone'):
        found['datetime', c] = getattr(datetime, c)
    # The functions that arrays and scalars are pickled with moved between modules over time.
    reconstruct = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    for core in ('numpy.core', 'numpy._core'):
        found[f'{core}.multiarray', '_reconstruct'] = reconstruct
        found[f'{core}.multiarray', 'scalar'] = scalar
        found[f'{core}.numeric', '_frombuffer'] = from_buffer
    return found


def _numpy_or_scipy(module, name):
    if module == 'numpy':
        found = getattr(np, name, None) if name in np.__all__ else None
        # Not all arrays are harmless: np.memmap opens files.
        if found in (np.ndarray, np.dtype, np.recarray, np.record):
            return found
        return found if isinstance(found, type) and issubclass(found, np.generic) else None
    if module.startswith('scipy.sparse.') and name in _SPARSE:
        import scipy.sparse

        return getattr(scipy.sparse, name)
    return None


def _encode(text, encoding):
    """How pickles of protocol 2 and below write bytes."""
    if encoding != 'latin1':
        raise _Refused(f'the codec {encoding!r}')
    return text.encode('latin1')


def _reconstruct_object(cls, base, state):
    """How pickles of protocol 1 and below make instances of plain classes."""
    if base is not object:
        raise _Refused(f'an instance of {cls!r} made from {base!r}')
    return object.__new__(cls)
