"""What a network found in each image: one file per array task, all of them read as one mapping.

A file is an SQLite database: table ``found`` (key to msgpack value), ``skipped`` (key to the reason
why there is no value) and ``about`` (how the values were made). While its task runs it carries the
suffix ``.partial`` and grows by transactions, so that a killed task goes on where it was; the
finished file is rewritten in the order of the keys, which makes equal contents equal bytes.
"""

import contextlib
import heapq
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
from posepile.storage.disk_errors import explain_disk_errors
from posepile.storage.result_files import (
    ABOUT,
    PARTIAL,
    SETTINGS,
    key_range,
    part_files,
    part_path,
    select,
    settings_of,
    stream,
)

_COMMIT_PERIOD = 2.0  # seconds; a sync for every batch would take longer than the network
_PATIENCE = 10.0  # seconds to wait for another process that reads or writes
_PART = re.compile(r'part-(\d{5})-of-(\d{5})\.sqlite')
_TABLES = """
    CREATE TABLE found (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE skipped (key TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def frame_key(video, index) -> str:
    """Key of a frame of a video."""
    return f'{video}#{index:06d}'


class ResultWriter:
    """Write the results of one task, continuing a file that was begun or finished earlier.

    Args:
        path: see :func:`part_path`.
        settings: JSON-able description of how the values are made. A begun file with other
            settings is discarded; the caller sees to it that a finished one has the same.
        resume: whether to continue at all. If not, what is there is discarded.

    Raises:
        ArchiveError: if the disk is full, the begun file is damaged, or another process is writing
            it.
    """

    def __init__(self, path, settings: dict, resume=True):
        self.path = os.fspath(path)
        self._partial = f'{self.path}{PARTIAL}'
        os.makedirs(osp.dirname(self.path) or '.', exist_ok=True)
        self._lock = threading.RLock()  # threads that load images ask what is known
        with self._explained():
            self._db = sqlite3.connect(
                self._partial, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                self._begin_file(settings, resume)
            except BaseException:
                self._db.close()
                raise
        self._last_commit = time.monotonic()

    def _begin_file(self, settings, resume):
        # Held for as long as we live, so that a second process is turned away.
        self._db.execute('BEGIN IMMEDIATE')
        text = json.dumps(settings, sort_keys=True)
        if not resume or text != _noted_settings(self._db):
            for statement in _TABLES.split(';')[:-1]:
                self._db.execute(f'DROP TABLE IF EXISTS {statement.split()[2]}')
                self._db.execute(statement)
            self._db.execute("INSERT INTO about VALUES ('settings', ?)", (text,))
            if resume and osp.exists(self.path):
                self._copy('found', 'value')
                self._copy('skipped', 'reason')
        self._commit()

    def _copy(self, table, column):
        rows = stream(self.path, table, column)
        self._db.executemany(f'INSERT INTO {table} VALUES (?, ?)', rows)

    def __contains__(self, key):
        """Whether the key has a value or was skipped."""
        query = 'SELECT 1 FROM found WHERE key = ? UNION ALL SELECT 1 FROM skipped WHERE key = ?'
        with self._lock:
            return self._db.execute(query, (key, key)).fetchone() is not None

    def add(self, found: Mapping[str, object]):
        """Store values: anything that :func:`posepile.storage.codec.pack` takes."""
        rows = [(key, codec.pack(value)) for key, value in found.items()]
        self._insert('found', rows)

    def skip(self, key, reason):
        """Note why there is no value for a key; of several reasons, the first one."""
        self._insert('skipped', [(key, reason)], 'IGNORE')

    def counts(self) -> tuple[int, int]:
        """Number of values, and of skipped keys."""
        return tuple(
            self._db.execute(f'SELECT COUNT(*) FROM {table}').fetchone()[0]
            for table in ('found', 'skipped')
        )

    def finish(self):
        """Give the file its final name: the task is done."""
        ordered = f'{self._partial}.ordered'
        with self._explained():
            self._db.execute('COMMIT')
            _remove(ordered)
            self._db.execute('VACUUM main INTO ?', (ordered,))
            self._db.close()
            with open(ordered, 'rb') as f:
                os.fsync(f.fileno())
            os.replace(ordered, self.path)
            _remove(self._partial)

    def close(self):
        """Keep what there is, for a later start to go on."""
        with self._explained():
            try:
                if self._db.in_transaction:  # a full disk ends it
                    self._db.execute('COMMIT')
            finally:
                self._db.close()

    def _insert(self, table, rows, on_conflict='REPLACE'):
        with self._explained():
            self._db.executemany(f'INSERT OR {on_conflict} INTO {table} VALUES (?, ?)', rows)
            if time.monotonic() - self._last_commit > _COMMIT_PERIOD:
                self._commit()
                self._last_commit = time.monotonic()

    def _commit(self):
        self._db.execute('COMMIT')
        self._db.execute('BEGIN IMMEDIATE')

    @contextlib.contextmanager
    def _explained(self):
        try:
            with self._lock, explain_disk_errors(self.path):
                yield
        except sqlite3.DatabaseError as e:
            if 'locked' in str(e):
                raise ArchiveError(
                    self._partial,
                    'is in use by another process, which may do the same work',
                    'Wait for it, or end it.',
                ) from e
            if 'unable to open' in str(e) or 'readonly' in str(e):
                raise ArchiveError(
                    self._partial,
                    f'cannot be written ({e})',
                    'Check the permissions of the file and its folder.',
                ) from e
            raise ArchiveError(
                self._partial, f'cannot be continued ({e})', 'Delete it and run again.'
            ) from e


class Results(Mapping):
    """The results in all files of a folder as one mapping from key to value, sorted by key.

    Only what is looked up is read, and no lock is held or file changed. May be pickled, and used by
    forked processes and threads.

    Args:
        folder: where tasks left their files.
        decode: makes a value of what :meth:`ResultWriter.add` was given.
        unfinished: also look into the files of tasks that are still running, or were killed. What
            they find later appears as well.

    Raises:
        ArchiveError: if there are no files, one is damaged, or they were made with different
            settings.
    """

    def __init__(self, folder, decode: Callable | None = None, unfinished=False):
        self.folder = os.fspath(folder)
        self.decode = decode
        self.files = part_files(self.folder, unfinished)
        if not self.files:
            raise ArchiveError(self.folder, 'holds no results', 'Run the step that makes them.')
        settings = [settings_of(file) for file in self.files]
        for file, other in zip(self.files, settings, strict=True):
            if other != settings[0]:
                raise ArchiveError(
                    file,
                    f'was made with other settings than {osp.basename(self.files[0])} beside it',
                    'Move away the files that you do not want.',
                )
        self.settings = settings[0]
        # Tasks take neighbours, so hardly more than one file can hold a key.
        self._ranges = {
            table: [key_range(file, table) for file in self.files] for table in ('found', 'skipped')
        }

    def __getitem__(self, key):
        for (value,) in self._rows_of('found', 'value', key):
            return self._decoded(value)
        raise KeyError(key)

    def __contains__(self, key):
        return any(True for _ in self._rows_of('found', '1', key))

    def covers(self, key) -> bool:
        """Whether the key has a value or was skipped."""
        return key in self or any(True for _ in self._rows_of('skipped', '1', key))

    def __iter__(self):
        return (key for key, _ in self._merged('found', '1'))

    def __len__(self):
        if len(self.files) == 1:
            return select(self.files[0], 'SELECT COUNT(*) FROM found')[0][0]
        return sum(1 for _ in self)

    def items(self) -> Iterator:
        """(key, value) in the order of the keys, streamed."""
        for key, value in self._merged('found', 'value'):
            yield key, self._decoded(value)

    def items_in(self, file) -> Iterator:
        """(key, value) of what one of the files holds, in the order of the keys."""
        for key, value in stream(file, 'found', 'value'):
            yield key, self._decoded(value)

    def frames_of(self, video) -> Iterator:
        """(frame index, value) of a video, in order."""
        after, before = f'{video}#', f'{video}$'  # '$' follows '#'
        query = 'SELECT DISTINCT LENGTH(key) FROM found WHERE key > ? AND key < ?'
        lengths = {n for file in self.files for (n,) in select(file, query, after, before)}
        for length in sorted(lengths):  # indices of a million and more have more digits
            condition = 'key < ? AND LENGTH(key) = ?'
            for key, value in self._merged('found', 'value', after, condition, before, length):
                index = key[len(after) :]
                if index.isdecimal():  # else something whose name begins like this
                    yield int(index), self._decoded(value)

    def skipped(self) -> dict[str, str]:
        """Keys without a value, and why."""
        return dict(self._merged('skipped', 'reason'))

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

    def _decoded(self, data):
        try:
            value = codec.unpack(data)
        except ValueError as e:
            raise ArchiveError(
                self.folder, f'holds a damaged value ({e})', 'Delete it and run again.'
            ) from e
        return value if self.decode is None else self.decode(value)

    def _rows_of(self, table, column, key):
        query = f'SELECT {column} FROM {table} WHERE key = ?'
        for file, (first, last) in zip(self.files, self._ranges[table], strict=True):
            if first is not None and first <= key <= last:
                yield from select(file, query, key)

    def _merged(self, table, column, *place):
        """(key, value of the column) from all files, sorted by key; of equal keys, the first."""
        previous = None
        streams = [stream(file, table, column, *place) for file in self.files]
        for key, value in heapq.merge(*streams, key=lambda row: row[0]):
            if key != previous:
                yield key, value
            previous = key


def _noted_settings(db):
    """Text of the settings in a file; None in one whose task was killed before it noted them."""
    return db.execute(SETTINGS).fetchone()[0] if db.execute(ABOUT).fetchone() else None


def _remove(path):
    for file in (path, f'{path}-journal'):
        with contextlib.suppress(FileNotFoundError):
            os.remove(file)
