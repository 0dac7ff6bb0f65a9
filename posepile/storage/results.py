"""What a network found in each image: one file per array task, all of them read as one mapping.

A file is an SQLite database: table ``found`` (key to msgpack value), ``skipped`` (key to the reason
why there is no value) and ``about`` (how the values were made). While its task runs it carries the
suffix ``.partial`` and grows by transactions, so that a killed task goes on where it was; the
finished file is rewritten in the order of the keys, which makes equal contents equal bytes.
"""

import contextlib
import glob
import json
import os
import os.path as osp
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from posepile.errors import ArchiveError
from posepile.storage import codec
from posepile.storage.archive import explain_disk_errors

_COMMIT_PERIOD = 2.0  # seconds; a sync for every batch would take longer than the network
_PART = re.compile(r'part-(\d{5})-of-(\d{5})\.sqlite')
_TABLES = """
    CREATE TABLE found (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE skipped (key TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def part_path(folder, i_task=0, n_tasks=1) -> str:
    """File of one task's results."""
    return osp.join(folder, f'part-{i_task:05d}-of-{n_tasks:05d}.sqlite')


def frame_key(video, index) -> str:
    """Key of a frame of a video."""
    return f'{video}#{index:06d}'


class ResultWriter:
    """Write the results of one task, continuing a file that was begun earlier.

    Args:
        path: see :func:`part_path`.
        settings: JSON-able description of how the values are made. A begun file with other
            settings is discarded.

    Raises:
        ArchiveError: if the disk is full, or the begun file is damaged.
    """

    def __init__(self, path, settings: dict):
        self.path = os.fspath(path)
        self._partial = f'{self.path}.partial'
        os.makedirs(osp.dirname(self.path) or '.', exist_ok=True)
        with explain_disk_errors(self.path):
            if osp.exists(self._partial) and _settings(self._partial) != settings:
                _remove(self._partial)
            # Threads that load images ask what is known; SQLite itself lets one in at a time.
            self._db = sqlite3.connect(self._partial, isolation_level=None, check_same_thread=False)
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
                _create(self._db, settings)
            self._db.execute('BEGIN')
        self._last_commit = time.monotonic()

    def __contains__(self, key):
        """Whether the key has a value or was skipped."""
        query = 'SELECT 1 FROM found WHERE key = ? UNION ALL SELECT 1 FROM skipped WHERE key = ?'
        return self._db.execute(query, (key, key)).fetchone() is not None

    def add(self, found: Mapping[str, object]):
        """Store values: anything that :func:`posepile.storage.codec.pack` takes."""
        rows = [(key, codec.pack(value)) for key, value in found.items()]
        self._insert('found', rows)

    def skip(self, key, reason):
        """Note why there is no value for a key."""
        self._insert('skipped', [(key, reason)])

    def counts(self) -> tuple[int, int]:
        """Number of values, and of skipped keys."""
        return tuple(
            self._db.execute(f'SELECT COUNT(*) FROM {table}').fetchone()[0]
            for table in ('found', 'skipped')
        )

    def finish(self):
        """Give the file its final name: the task is done."""
        ordered = f'{self._partial}.ordered'
        with explain_disk_errors(self.path):
            self._db.execute('COMMIT')
            _remove(ordered)
            self._db.execute('VACUUM INTO ?', (ordered,))
            self._db.close()
            with open(ordered, 'rb') as f:
                os.fsync(f.fileno())
            os.replace(ordered, self.path)
            _remove(self._partial)

    def close(self):
        """Keep what there is, for a later start to go on."""
        with explain_disk_errors(self.path):
            self._db.execute('COMMIT')
            self._db.close()

    def _insert(self, table, rows):
        with explain_disk_errors(self.path):
            self._db.executemany(f'INSERT OR REPLACE INTO {table} VALUES (?, ?)', rows)
            if time.monotonic() - self._last_commit > _COMMIT_PERIOD:
                self._db.execute('COMMIT')
                self._db.execute('BEGIN')
                self._last_commit = time.monotonic()


class Results(Mapping):
    """The results in all files of a folder as one mapping from key to value, sorted by key.

    Only what is looked up is read. May be pickled, and used by forked processes and threads.

    Args:
        folder: where tasks left their files.
        decode: makes a value of what :meth:`ResultWriter.add` was given.
        unfinished: also look into the files of tasks that are still running, or were killed.

    Raises:
        ArchiveError: if there are no files, one is damaged, or they were made with different
            settings.
    """

    def __init__(self, folder, decode: Callable = lambda value: value, unfinished=False):
        self.folder = os.fspath(folder)
        self.decode = decode
        self.files = part_files(self.folder, unfinished)
        if not self.files:
            raise ArchiveError(self.folder, 'holds no results', 'Run the step that makes them.')
        settings = [_settings(file) for file in self.files]
        for file, other in zip(self.files, settings, strict=True):
            if other != settings[0]:
                raise ArchiveError(
                    file,
                    f'was made with other settings than {osp.basename(self.files[0])} beside it',
                    'Move away the files that you do not want.',
                )
        self.settings = settings[0]
        # Tasks take neighbours, so hardly more than one file can hold a key.
        self._ranges = [
            _query(file, 'SELECT MIN(key), MAX(key) FROM found')[0] for file in self.files
        ]

    def __getitem__(self, key):
        for file, (first, last) in zip(self.files, self._ranges, strict=True):
            if first is not None and first <= key <= last:
                rows = _query(file, 'SELECT value FROM found WHERE key = ?', key)
                if rows:
                    return self.decode(codec.unpack(rows[0][0]))
        raise KeyError(key)

    def __contains__(self, key):
        return any(
            _query(file, 'SELECT 1 FROM found WHERE key = ?', key)
            for file, (first, last) in zip(self.files, self._ranges, strict=True)
            if first is not None and first <= key <= last
        )

    def covers(self, key) -> bool:
        """Whether the key has a value or was skipped."""
        query = 'SELECT 1 FROM skipped WHERE key = ?'
        return key in self or any(_query(file, query, key) for file in self.files)

    def __iter__(self):
        return (key for key, _ in self._rows('SELECT key, 0 FROM found ORDER BY key'))

    def __len__(self):
        if len(self.files) == 1:
            return _query(self.files[0], 'SELECT COUNT(*) FROM found')[0][0]
        return sum(1 for _ in self)

    def items(self) -> Iterator:
        """(key, value) in the order of the keys, streamed."""
        for key, value in self._rows('SELECT key, value FROM found ORDER BY key'):
            yield key, self.decode(codec.unpack(value))

    def items_in(self, file) -> Iterator:
        """(key, value) of what one of the files holds, in the order of the keys."""
        for key, value in _stream(file, 'SELECT key, value FROM found ORDER BY key', ()):
            yield key, self.decode(codec.unpack(value))

    def frames_of(self, video) -> Iterator:
        """(frame index, value) of a video, in order."""
        rows = self._rows(
            'SELECT key, value FROM found WHERE key > ? AND key < ? ORDER BY LENGTH(key), key',
            f'{video}#', f'{video}$', order=lambda row: (len(row[0]), row[0]),
        )  # fmt: skip
        for key, value in rows:
            yield int(key.rpartition('#')[2]), self.decode(codec.unpack(value))

    def skipped(self) -> dict[str, str]:
        """Keys without a value, and why."""
        return dict(self._rows('SELECT key, reason FROM skipped ORDER BY key'))

    def missing_parts(self) -> list[str]:
        """Names of the files that have yet to be made for any one division of the work to be
        complete; empty if all is there."""
        parts = [_PART.fullmatch(osp.basename(file)) for file in self.files]
        found = {(int(p[1]), int(p[2])) for p in parts if p}
        divisions = []
        for n_tasks in {n for _, n in found}:
            paths = [part_path('', i, n_tasks) for i in range(n_tasks) if (i, n_tasks) not in found]
            divisions.append(paths)
        return min(divisions, key=len, default=[part_path('')])

    def _rows(self, query, *arguments, order=lambda row: row[0]):
        import heapq

        rows = [_stream(file, query, arguments) for file in self.files]
        previous = None
        for row in heapq.merge(*rows, key=order):
            if row[0] != previous:
                yield row
            previous = row[0]


def part_files(folder, unfinished=False) -> list[str]:
    """Paths of the result files in a folder, sorted."""
    folder = glob.escape(os.fspath(folder))
    found = glob.glob(osp.join(folder, 'part-*-of-*.sqlite'))
    if unfinished:
        done = set(found)
        partial = glob.glob(osp.join(folder, 'part-*-of-*.sqlite.partial'))
        found += [p for p in partial if p.removesuffix('.partial') not in done and _is_begun(p)]
    return sorted(found)


def _create(db, settings):
    db.execute('BEGIN')
    for statement in _TABLES.split(';')[:-1]:
        db.execute(statement)
    db.execute("INSERT INTO about VALUES ('settings', ?)", (_settings_text(settings),))
    db.execute('COMMIT')


def _settings_text(settings):
    return json.dumps(settings, sort_keys=True)


def _settings(path):
    """Settings in a file; None in one whose task was killed before it noted them."""
    if not _is_begun(path):
        return None
    return json.loads(_query(path, "SELECT value FROM about WHERE key = 'settings'")[0][0])


def _is_begun(path):
    return bool(_query(path, "SELECT 1 FROM sqlite_master WHERE name = 'about'"))


_local = threading.local()


def _connection(path):
    """A read-only connection, one per process and thread; a forked child opens its own."""
    if getattr(_local, 'pid', None) != os.getpid():
        _local.pid, _local.connections = os.getpid(), {}
    try:
        stat = os.stat(path)
        identity = (stat.st_ino, stat.st_dev)
        known, connection = _local.connections.get(path, (None, None))
        if known != identity:
            uri = 'file:' + _uri_path(osp.abspath(path)) + '?mode=ro'
            connection = sqlite3.connect(uri, uri=True, timeout=60)
            _local.connections[path] = (identity, connection)
        return connection
    except FileNotFoundError:
        raise ArchiveError(path, 'there is no such file of results') from None


def _uri_path(path):
    from urllib.parse import quote

    return quote(path)


def _query(path, query, *arguments):
    return list(_stream(path, query, arguments))


def _stream(path, query, arguments):
    try:
        yield from _connection(path).execute(query, arguments)
    except sqlite3.Error as e:
        raise ArchiveError(
            path, f'is no file of results, or a damaged one ({e})', 'Delete it and run again.'
        ) from e


def _remove(path):
    for file in (path, f'{path}-journal'):
        with contextlib.suppress(FileNotFoundError):
            os.remove(file)
