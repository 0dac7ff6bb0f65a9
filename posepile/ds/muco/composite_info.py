"""``sampled_dataset_info.mat``: which four moments each composite shows (MATLAB version 7.3).

``composite_info`` is a cell array of N x 4, which HDF5 shows as (4, N) references. Each leads to a
row of seven cells: the moment [subject, sequence, camera, frame], a box, 2D joints, normalised 3D
joints, two tables of parents, and 3D joints.
"""

import os

import numpy as np

from posepile.atomic import replacing
from posepile.ds.muco.studio import Moment
from posepile.errors import RawDataError

VARIABLE = 'composite_info'
PEOPLE = 4
_BOX_MARGIN = 320  # px
_REMEDY = 'Delete it to have it made again.'
_HEADER = b'MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2017'
_USERBLOCK = 512

#: Parent of each of the 21 joints, counted from 1; and the parent of that.
_PARENTS = (2, 16, 2, 3, 4, 2, 6, 7, 15, 9, 10, 15, 12, 13, 15, 15, 2, 5, 8, 11, 14)
_GRANDPARENTS = tuple(_PARENTS[p - 1] for p in _PARENTS)


def write_composite_info(path, pool, quadruples):
    """Write the file; people who are in many composites are stored once.

    Args:
        pool: list of :class:`~posepile.ds.muco.pool.PoolEntry`.
        quadruples: (N, 4) indices into the pool.
    """
    import h5py

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with replacing(path) as partial:
        with h5py.File(partial, 'w', userblock_size=_USERBLOCK, track_order=False) as f:
            store = f.create_group('#refs#')
            parents = [
                _numbers(store, f'parents{i}', np.array([table]))
                for i, table in enumerate((_PARENTS, _GRANDPARENTS))
            ]
            rows = np.array(
                [_row(store, i, e, parents) for i, e in enumerate(pool)], h5py.ref_dtype
            )
            cells = f.create_dataset(VARIABLE, data=rows[np.asarray(quadruples)].T)
            cells.attrs['MATLAB_class'] = np.bytes_('cell')
        with open(partial, 'r+b') as f:
            f.write(_HEADER.ljust(116) + bytes(8) + b'\x00\x02IM')


def _row(store, i, entry, parents):
    """Reference to the seven columns of a moment."""
    import h5py

    low, high = entry.pixels.min(axis=0) - _BOX_MARGIN, entry.pixels.max(axis=0) + _BOX_MARGIN
    contents = [
        np.array([entry.moment]),
        np.array([[*low, *high]]),
        entry.pixels.T,
        entry.univ_joints.T,
        entry.joints.T,
    ]
    moment, box, pixels, univ, joints = (
        _numbers(store, f'{i:x}_{k}', content) for k, content in enumerate(contents)
    )
    columns = np.array([moment, box, pixels, univ, *parents, joints], h5py.ref_dtype)
    row = store.create_dataset(f'{i:x}', data=columns[:, np.newaxis])
    row.attrs['MATLAB_class'] = np.bytes_('cell')
    return row.ref


def _numbers(store, name, array):
    """Reference to a matrix of MATLAB, whose axes HDF5 shows in the opposite order."""
    dataset = store.create_dataset(name, data=np.float64(array).T)
    dataset.attrs['MATLAB_class'] = np.bytes_('double')
    return dataset.ref


class CompositeInfo:
    """Which moments composites show, read one by one; ``len()`` of them.

    Raises:
        RawDataError: from any member, if the file is missing, damaged or something else.
    """

    def __init__(self, path):
        import h5py

        self.path = os.fspath(path)
        if not os.path.isfile(self.path):
            raise RawDataError(self.path, 'there is no such file', 'Run the arrange step.')
        try:
            self._file = h5py.File(self.path, 'r')
            self._cells = self._file[VARIABLE]
            is_right = self._cells.dtype == h5py.ref_dtype and self._cells.shape[0] == PEOPLE
        except (AttributeError, KeyError, IndexError, OSError, RuntimeError) as e:
            problem = f'is no MATLAB 7.3 file with {VARIABLE}, or damaged ({e})'
            raise RawDataError(self.path, problem, _REMEDY) from e
        if not is_right or self._cells.ndim != 2:
            problem = f'{VARIABLE} should be a cell array of N x {PEOPLE}'
            raise RawDataError(self.path, problem, _REMEDY)

    def __len__(self):
        return self._cells.shape[1]

    def moments(self, number) -> list[Moment]:
        """The four :class:`~posepile.ds.muco.studio.Moment` of composite 1, 2, ..."""
        if not 1 <= number <= len(self):
            raise RawDataError(self.path, f'has no composite {number}', _REMEDY)
        return [self._moment(number, reference) for reference in self._cells[:, number - 1]]

    def _moment(self, number, reference):
        try:
            columns = self._file[reference]
            numbers = np.asarray(self._file[columns[0, 0]][()]).ravel()
            moment = Moment(*(int(x) for x in numbers))
        except (AttributeError, IndexError, KeyError, OSError, RuntimeError, TypeError,
                ValueError) as e:  # fmt: skip
            problem = f'composite {number} has no [subject, sequence, camera, frame] ({e})'
            raise RawDataError(self.path, problem, _REMEDY) from e
        if not np.array_equal(numbers, moment):
            problem = f'composite {number} shows {numbers.tolist()}, which is no frame'
            raise RawDataError(self.path, problem, _REMEDY)
        return moment
