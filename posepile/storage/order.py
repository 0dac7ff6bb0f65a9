"""The order of the files in an archive, as numbers of rows of its index, without listing it.

An archive packed by this program was filled in the order of its paths, so the files of a split are
consecutive rows and two numbers say where they are. Archives made otherwise are listed once;
the result, 8 bytes per file, is kept in ``CACHE_DIR`` and mapped into memory from then on.
"""

import hashlib
import os
import os.path as osp

import numpy as np

from posepile import paths
from posepile.atomic import replacing
from posepile.storage import archive


def ordered_rows(archive_path, folder, n_files=None):
    """Rows of the files below a folder of an archive, in the order of their paths.

    Args:
        folder: a directory in the archive, such as ``'train'``.
        n_files: how many files it has, if the archive's maker says so and added them in order.

    Returns:
        A sequence of integers that takes no memory to speak of: a ``range`` or :class:`RowFile`.

    Raises:
        ArchiveError: if the archive is damaged.
    """
    ends = archive.first_and_last_row(archive_path, folder)
    if ends is None:
        return range(0)
    if n_files is not None and ends[1] - ends[0] + 1 == n_files:
        return range(ends[0], ends[1] + 1)
    return _listed_rows(archive_path, folder)


class RowFile:
    """Numbers in a NumPy file, mapped into memory by each process that reads them."""

    def __init__(self, path):
        self.path = path
        self._numbers = None

    def __len__(self):
        return len(self._mapped())

    def __getitem__(self, index):
        return self._mapped()[index]

    def __getstate__(self):
        return {'path': self.path, '_numbers': None}

    def _mapped(self):
        if self._numbers is None:
            self._numbers = np.load(self.path, mmap_mode='r', allow_pickle=False)
        return self._numbers


def _listed_rows(archive_path, folder):
    index = archive.index_path(os.fspath(archive_path))
    stat = os.stat(index)
    what = f'{osp.realpath(index)} {stat.st_size} {stat.st_mtime_ns} {folder}'
    try:
        cache = osp.join(paths.cache_dir(), 'archive-order')
        os.makedirs(cache, exist_ok=True)
        path = osp.join(cache, f'{hashlib.sha256(what.encode()).hexdigest()[:32]}.npy')
        if not osp.exists(path):
            rows = np.fromiter(archive.list_rows(archive_path, folder), np.int64)
            # Several processes may do this at once, each under a name of its own.
            own = f'{path[:-4]}-{os.getpid()}.npy'
            with replacing(own) as partial:
                np.save(partial, rows)
            os.replace(own, path)
        return RowFile(path)
    except (KeyError, OSError):  # no DATA_ROOT, or no place to write
        return np.fromiter(archive.list_rows(archive_path, folder), np.int64)
