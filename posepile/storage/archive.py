"""Barecat archives: written whole or not at all, with bytes that depend on the content alone.

An archive is ``<path>`` (SQLite index) and ``<path>-shard-00000`` ... (contents end to end).
"""

import contextlib
import glob
import math
import os
import sqlite3
import threading
import time
from typing import NamedTuple

import barecat
from crc32c import crc32c

from posepile.errors import ArchiveError
from posepile.storage.disk_errors import explain_disk_errors
from posepile.storage.index_schema import foreign_objects
from posepile.storage.seal import seal_index


class ArchiveWriter:
    """Write an archive under a temporary name; it appears at ``path`` when closed without error.

    As a context manager it discards everything if the block raises. Files must be added in an
    order that depends on the content only: then equal contents give equal bytes (times, owners
    and SQLite's edit history are left out).

    Args:
        path: where the archive shall be. An archive already there stays untouched until the new
            one is complete.

    Raises:
        ArchiveError: if the disk is full, or the path has one of the characters ``? # %``.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self._partial = f'{self.path}.partial'
        _check_path(self.path)
        remove_archive(self._partial)
        os.makedirs(os.path.dirname(self.path) or '.', exist_ok=True)
        with explain_disk_errors(self.path):
            try:
                self._barecat = barecat.Barecat(self._partial, readonly=False)
            except BaseException:
                remove_archive(self._partial)
                raise

    def add(self, key: str, data: bytes):
        """Append the file ``key``. Raises FileExistsError if it is there already."""
        with explain_disk_errors(self.path):
            try:
                self._barecat.add(key, data=data)
            except barecat.FileExistsBarecatError as e:
                raise FileExistsError(f'{key} is already in {self.path}') from e

    def close(self):
        """Complete the archive and put it in place, replacing an earlier one."""
        with explain_disk_errors(self.path):
            self._barecat.close()
            clean_index = f'{self._partial}.index'
            _rewrite_index(self._partial, clean_index)
            seal_index(clean_index)
            shards = sorted(glob.glob(f'{glob.escape(self._partial)}-shard-*'))
            for file in [*shards, clean_index]:
                _sync_to_disk(file)  # a power failure must not leave an index without contents
            # The index is what makes an archive, so it goes first and comes back last: a reader
            # never sees an index over the contents of another archive.
            remove_archive(self.path)
            for shard in shards:
                os.replace(shard, self.path + shard[len(self._partial) :])
            os.replace(clean_index, self.path)
            os.remove(self._partial)

    def discard(self):
        """Remove what has been written."""
        with contextlib.suppress(OSError, sqlite3.Error):  # closing flushes: the disk may be full
            self._barecat.close()
        remove_archive(self._partial)

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc, traceback):
        if exc_type is not None:
            self.discard()
            return
        try:
            self.close()
        except BaseException:
            self.discard()
            raise


def remove_archive(path):
    """Delete the archive at ``path`` (index first) and its temporary files, if there are any."""
    escaped = glob.escape(os.fspath(path))
    _readers().pop(os.fspath(path), None)
    for file in [path, *glob.glob(f'{escaped}-*'), *glob.glob(f'{escaped}.index*')]:
        with contextlib.suppress(FileNotFoundError):
            os.remove(file)


def archive_size(path) -> int:
    """Bytes of the index and all shards."""
    shards = glob.glob(f'{glob.escape(os.fspath(path))}-shard-*')
    return sum(os.path.getsize(p) for p in [index_path(path), *shards])


_local = threading.local()

#: What reading from a damaged, or a malicious, index may raise.
_READ_ERRORS = (ValueError, sqlite3.Error, OSError, IndexError, OverflowError, MemoryError)


def open_reader(path) -> barecat.Barecat:
    """A read-only handle of the archive, one per process and thread, reused by later calls.

    A forked child opens its own: file positions and database handles must not be shared.

    Raises:
        ArchiveError: if there is no archive, or its index cannot be read.
    """
    path = os.fspath(path)
    _check_path(path)
    readers = _readers()
    try:
        stat = os.stat(index_path(path))
        signature = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        reader, known_signature, _ = readers.get(path, (None, None, None))
        if signature != known_signature:
            # SQLite need not lock the index for every query: what changes one puts a new file in
            # its place. Only a writer of another kind that was killed leaves changes beside it.
            reader = barecat.Barecat(
                path, readonly=True, readonly_is_immutable=not _has_pending_changes(path)
            )
            for problem in foreign_objects(reader.index.conn):
                raise ArchiveError(path, problem, 'Do not use it: it may run code of its maker.')
            reader.index.fetch_one('SELECT 1 FROM files LIMIT 1')
            _ = reader.sharder.shard_files
        readers[path] = reader, signature, time.monotonic()
        return reader
    except FileNotFoundError as e:
        if os.path.exists(index_path(path)):
            raise ArchiveError(
                path,
                f'the index is there, but a shard file is missing ({e.filename})',
                'Copy the -shard-NNNNN files beside it, or pack the dataset again.',
            ) from None
        raise ArchiveError(path, 'there is no such archive') from None
    except (sqlite3.Error, barecat.BarecatError, RuntimeError, ValueError) as e:
        raise _damaged_index(path, e) from e


def _has_pending_changes(path):
    try:
        return os.path.getsize(f'{index_path(path)}-wal') > 0
    except FileNotFoundError:
        return False


def _readers() -> dict:
    """{path: (handle, what its index file was like, when that was looked at)} of this thread."""
    if getattr(_local, 'pid', None) != os.getpid():
        _local.pid, _local.readers = os.getpid(), {}
    return _local.readers


def _reader_at_hand(path):
    """As :func:`open_reader`, but whether the file is still the same is asked once a second.

    Asking takes as long as finding a record does. Until then an archive that another process has
    replaced is read as it was, index and contents.
    """
    reader, _, time_seen = _readers().get(path, (None, None, -math.inf))
    return reader if time.monotonic() - time_seen < 1 else open_reader(path)


def _check_path(path):
    # Barecat makes a URI of the path without quoting it: a file elsewhere would be opened.
    if set('?#%') & set(path):
        raise ArchiveError(
            path,
            'the path of an archive must not contain any of the characters ? # %',
            'Rename the folder or set DATA_ROOT to another one.',
        )


def index_path(path):
    """The SQLite file of an archive; archives of 2024 have it under another name."""
    return path if os.path.exists(path) else f'{path}-sqlite-index'


def _damaged_index(path, e):
    return ArchiveError(
        path, f'not a readable Barecat archive ({e})', 'Pack it again or copy it anew.'
    )


def _damaged_contents(path, key, e):
    return ArchiveError(
        path, f'the contents of {key} are damaged ({e})', 'Pack it again or copy it anew.'
    )


class StoredFile(NamedTuple):
    """Where a file of an archive lies. Its contents may be read later, from the same archive."""

    archive_path: str
    key: str
    reader: barecat.Barecat
    shard: int
    offset: int
    size: int
    checksum: int | None

    def read(self) -> bytes:
        """The contents, checked against their checksum. Raises ArchiveError."""
        try:
            return _contents(*self[2:])
        except _READ_ERRORS as e:
            raise _damaged_contents(self.archive_path, self.key, e) from e


def find_file(path, key: str) -> StoredFile:
    """Look up the file ``key`` of the archive ``path``.

    Raises:
        KeyError: if the archive has no such file.
        ArchiveError: if the archive is damaged.
    """
    reader = _reader_at_hand(path)
    query = 'SELECT shard, offset, size, crc32c FROM files WHERE path = ?'
    try:
        place = reader.index.conn.execute(query, (key,)).fetchone()
    except _READ_ERRORS as e:
        raise _damaged_contents(path, key, e) from e
    if place is None:
        raise KeyError(key)
    return StoredFile(path, key, reader, *place)


def read_file(path, key: str) -> bytes:
    """Contents of the file ``key`` of the archive ``path``, checked against its checksum.

    Raises:
        KeyError: if the archive has no such file.
        ArchiveError: if the archive or the file is damaged.
    """
    return find_file(path, key).read()


def _contents(reader, shard, offset, size, checksum) -> bytes:
    # Not through the buffer of a file object: examples are read at random.
    data = os.pread(reader.sharder.shard_files[shard].fileno(), size, offset)
    if len(data) != size:
        raise ValueError(f'{len(data)} of {size} bytes are there')
    if checksum is not None and crc32c(data) != checksum:
        raise ValueError('their checksum is another one')
    return data


def read_row(path, row: int) -> tuple[str, bytes]:
    """Path and contents of the file in a row of the index, checked against its checksum.

    Raises:
        KeyError: if the index has no such row.
        ArchiveError: if the archive or the file is damaged.
    """
    reader = _reader_at_hand(path)
    key = f'row {row}'
    try:
        found = reader.index.conn.execute(
            'SELECT path, shard, offset, size, crc32c FROM files WHERE rowid = ?', (int(row),)
        ).fetchone()
        if found is None:
            raise KeyError(key)
        key = found[0]
        return key, _contents(reader, *found[1:])
    except _READ_ERRORS as e:
        raise _damaged_contents(path, key, e) from e


def path_in_row(path, row: int) -> str:
    """Path of the file in a row of the index.

    Raises:
        KeyError: if the index has no such row.
        ArchiveError: if the index is damaged.
    """
    query = 'SELECT path FROM files WHERE rowid = ?'
    try:
        found = _reader_at_hand(path).index.conn.execute(query, (int(row),)).fetchone()
    except sqlite3.Error as e:
        raise _damaged_index(path, e) from e
    if found is None:
        raise KeyError(f'row {row}')
    return found[0]


def first_and_last_row(path, prefix: str):
    """Rows of the first and of the last path below the directory ``prefix``; None if empty."""
    ends = []
    for order in ('ORDER BY path LIMIT 1', 'ORDER BY path DESC LIMIT 1'):
        ends += [row for (row,) in _select(path, 'rowid', prefix, order)]
    return tuple(ends) or None


def list_rows(path, prefix: str):
    """Yield the rows of the files below the directory ``prefix``, in the order of their paths."""
    for (row,) in _select(path, 'rowid', prefix, 'ORDER BY path'):
        yield row


def list_files(path, prefix=''):
    """Yield the paths in the archive, sorted: all, or those below the directory ``prefix``.

    Raises:
        ArchiveError: if the archive or its index is damaged.
    """
    for (file_path,) in _select(path, 'path', prefix, 'ORDER BY path'):
        yield file_path


def count_files(path, prefix: str) -> int:
    """How many paths :func:`list_files` yields."""
    ((n_files,),) = _select(path, 'COUNT(*)', prefix)
    return n_files


def _select(path, columns, prefix, order=''):
    # '0' follows '/'
    condition, place = 'path >= ? AND path < ?', (f'{prefix}/', f'{prefix}0')
    if not prefix:
        condition, place = 'TRUE', ()
    query = f'SELECT {columns} FROM files WHERE {condition} {order}'
    try:
        yield from open_reader(path).index.conn.execute(query, place)
    except sqlite3.Error as e:
        raise _damaged_index(path, e) from e


def _sync_to_disk(path):
    with open(path, 'rb') as f:
        os.fsync(f.fileno())


def _rewrite_index(index_path, out_path):
    """Copy the index without what depends on when and by whom it was made."""
    with contextlib.closing(sqlite3.connect(index_path)) as db:
        db.execute("UPDATE config SET value_int = 0 WHERE key = 'use_triggers'")
        for table in ('files', 'dirs'):
            db.execute(f'UPDATE {table} SET mode=NULL, uid=NULL, gid=NULL, mtime_ns=NULL')
        db.execute("UPDATE config SET value_int = 1 WHERE key = 'use_triggers'")
        # Query statistics that SQLite may or may not have gathered on closing.
        has_statistics = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'")
        if has_statistics.fetchone():
            db.execute('DROP TABLE sqlite_stat1')
        db.commit()
        db.execute('VACUUM INTO ?', (out_path,))
