"""The files of an archive in the order of storage, read without trust in what the index says."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

import crc32c as crc32c_lib

from posepile.storage.archive import index_path

_MOST_BYTES = 1 << 28  # no image or record is larger; a wrong size must not fill the memory
_BATCH_FILES = 128
_BATCH_BYTES = 1 << 25


class StoredFile(NamedTuple):
    """A row of the index."""

    key: str
    shard: int
    offset: int
    size: int
    crc32c: int | None


#: What reading a damaged index raises: SQLite's own messages may quote bytes that are no text.
INDEX_ERRORS = (sqlite3.Error, UnicodeDecodeError)
#: The columns of the index that a :class:`StoredFile` is read from, in its order.
COLUMNS = ('path', 'shard', 'offset', 'size', 'crc32c')
#: Condition for a row whose values have the types that they should have.
WELL_TYPED = (
    "typeof(path) = 'text' AND typeof(shard) = 'integer' AND typeof(offset) = 'integer' "
    "AND typeof(size) = 'integer' AND typeof(crc32c) IN ('integer', 'null')"
)


@contextlib.contextmanager
def reading_index(path) -> Iterator[sqlite3.Connection]:
    """Open the index of an archive to read it, and nothing else.

    ``immutable`` keeps SQLite from rolling back a journal that lies beside it, and functions in
    the schema of an untrusted file are not called. Text that is not UTF-8 comes with its odd bytes
    as escapes, so that a damaged path can be named.
    """
    uri = f'file:{quote(os.path.abspath(index_path(path)))}?mode=ro&immutable=1'
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        db.text_factory = lambda text: text.decode('utf-8', 'backslashreplace')
        db.execute('PRAGMA trusted_schema = OFF')
        yield db


def stored_files(db) -> Iterator[StoredFile]:
    """All files of an opened index, in the order of storage."""
    query = f'SELECT {", ".join(COLUMNS)} FROM files WHERE {WELL_TYPED} ORDER BY shard, offset'
    yield from map(StoredFile._make, db.execute(query))


def in_batches(files: Iterable[StoredFile]) -> Iterator[list[StoredFile]]:
    """Lists of neighbours, bounded in number and size."""
    batch, n_bytes = [], 0
    for file in files:
        if batch and (len(batch) == _BATCH_FILES or n_bytes + file.size > _BATCH_BYTES):
            yield batch
            batch, n_bytes = [], 0
        batch.append(file)
        n_bytes += max(file.size, 0)
    if batch:
        yield batch


class ShardReader:
    """Reads contents from the shards of one archive; each process needs its own."""

    def __init__(self, path):
        self._path = os.fspath(path)
        self._shards = {}

    def read(self, file: StoredFile) -> bytes:
        """Contents of a file, compared with the checksum if there is one.

        Raises:
            ValueError: says what is wrong with them.
        """
        descriptor, shard_size = self._open(file.shard)
        if file.offset < 0 or file.size < 0 or file.offset + file.size > shard_size:
            there = min(max(shard_size - file.offset, 0), max(file.size, 0))
            raise ValueError(f'only {there} of {file.size} bytes are there')
        if file.size > _MOST_BYTES:
            raise ValueError(f'has {file.size} bytes; no image or record is that large')
        data = os.pread(descriptor, file.size, file.offset)
        if len(data) < file.size:
            raise ValueError(f'only {len(data)} of {file.size} bytes could be read')
        if file.crc32c is not None and crc32c_lib.crc32c(data) != file.crc32c:
            raise ValueError('the contents do not match their checksum (CRC-32C)')
        return data

    def _open(self, shard):
        if shard not in self._shards:
            try:
                descriptor = os.open(shard_path(self._path, shard), os.O_RDONLY)
            except OSError as e:
                raise ValueError(f'its shard cannot be opened ({e})') from e
            self._shards[shard] = descriptor, os.fstat(descriptor).st_size
        return self._shards[shard]

    def close(self):
        for descriptor, _ in self._shards.values():
            os.close(descriptor)
        self._shards.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def shard_path(path, shard: int) -> str:
    """Where shard number ``shard`` of an archive lies."""
    return f'{os.fspath(path)}-shard-{shard:05d}'
