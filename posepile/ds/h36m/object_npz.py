"""npz files that hold dictionaries of arrays, readable by NumPy of any age.

``numpy.savez`` of NumPy 2 names modules in such files that NumPy 1 does not have. Here arrays are
made from ``numpy.ndarray`` and ``numpy.dtype`` alone, whose names have always been the same.
"""

import pickle
import zipfile

import numpy as np

_PROTOCOL = 3  # of Python 3.0 and all later ones
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # so that the time of writing does not change the bytes


def save_objects(path, objects):
    """Write an npz file, to be read with ``numpy.load(path, allow_pickle=True)[name].item()``.

    Args:
        path: the file.
        objects: name -> dictionary, list or other plain object, with arrays in it.
    """
    header = {'descr': '|O', 'fortran_order': False, 'shape': ()}
    with zipfile.ZipFile(path, 'w') as z:
        for name, content in objects.items():
            scalar = np.empty((), object)
            scalar[()] = content
            member = zipfile.ZipInfo(f'{name}.npy', _EARLIEST)
            member.compress_type = zipfile.ZIP_DEFLATED
            with z.open(member, 'w', force_zip64=True) as f:
                np.lib.format.write_array_header_1_0(f, header)
                _Pickler(f, _PROTOCOL).dump(scalar)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj):
        if not isinstance(obj, np.ndarray):
            return NotImplemented
        return np.ndarray, ((0,), 'u1'), obj.__reduce__()[2]
