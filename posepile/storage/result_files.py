"""The files in which tasks leave results: their names, and reading them; see
:mod:`posepile.storage.results`."""

import glob
import json
import os
import os.path as osp
import sqlite3
import sys
import threading
from collections import OrderedDict
from urllib.parse import quote

from posepile.errors import ArchiveError

PARTIAL = '.partial'  # suffix of the file of a task that is still running, or was killed
_MOST_ROWS = 256  # that are read at a time
_MOST_OPEN = 64  # files per thread: there can be more tasks than a process may have files open

ABOUT = "SELECT 1 FROM main.sqlite_master WHERE name = 'about'"
SETTINGS = "SELECT value FROM main.about WHERE key = 'settings'"


def part_path(folder, i_task=0, n_tasks=1) -> str:
    """File of one task's results."""
    return osp.join(folder, f'part-{i_task:05d}-of-{n_tasks:05d}.sqlite')


def part_files(folder, unfinished=False) -> list[str]:
    """Paths of the result files in a folder, sorted."""
    pattern = osp.join(glob.escape(os.fspath(folder)), 'part-*-of-*.sqlite')
    # In this order, a file that is being finished is seen at least once.
    partial = glob.glob(f'{pattern}{PARTIAL}') if unfinished else []
    found = glob.glob(pattern)
    done = set(found)
    found += [p for p in partial if p.removesuffix(PARTIAL) not in done and _is_begun(p)]
    return sorted(found)


def settings_of(path) -> dict:
    """How the values in a file were made."""
    return json.loads(select(path, SETTINGS)[0][0])


def _is_begun(path):
    return bool(select(path, ABOUT))


def key_range(path, table):
    """First and last key in a table, (None, None) if it is empty; all of a file that may grow."""
    if path.endswith(PARTIAL):
        return '', chr(sys.maxunicode)
    # Asked for separately, SQLite looks at the ends only.
    ends = [f'(SELECT {end}(key) FROM {table})' for end in ('MIN', 'MAX')]
    return select(path, f'SELECT {", ".join(ends)}')[0]


def stream(path, table, column, after='', condition='1', *arguments):
    """Rows (key, column) by key, in pages: between them, nothing is locked or kept open."""
    query = f'SELECT key, {column} FROM {table} WHERE key > ? AND {condition} ORDER BY key LIMIT ?'
    size = 1  # of many files, most come into play much later
    while True:
        rows = select(path, query, after, *arguments, size)
        yield from rows
        if len(rows) < size:
            return
        after = rows[-1][0]
        size = min(2 * size, _MOST_ROWS)


def select(path, query, *arguments):
    """All rows that an SQL query gives; ArchiveError if the file is missing or damaged."""
    try:
        return _connection(path).execute(query, arguments).fetchall()
    except (FileNotFoundError, sqlite3.Error) as e:
        if path.endswith(PARTIAL) and not osp.exists(path):  # its task has finished meanwhile
            return select(path.removesuffix(PARTIAL), query, *arguments)
        if isinstance(e, FileNotFoundError):
            raise ArchiveError(path, 'there is no such file of results') from None
        raise ArchiveError(
            path, f'is no file of results, or a damaged one ({e})', 'Delete it and run again.'
        ) from e


_local = threading.local()


def _connection(path):
    """A connection for reading, of this process and thread; a forked child opens its own."""
    if getattr(_local, 'pid', None) != os.getpid():
        _local.pid, _local.connections = os.getpid(), OrderedDict()
    stat = os.stat(path)
    identity = (stat.st_ino, stat.st_dev)
    known, connection = _local.connections.pop(path, (None, None))
    if known != identity:
        # What a killed task was writing has to be undone before its file can be read.
        uri = _uri(path, 'rw' if path.endswith(PARTIAL) else 'ro')
        connection = sqlite3.connect(uri, uri=True, timeout=60)
        connection.execute('PRAGMA query_only = ON')
    _local.connections[path] = identity, connection
    if len(_local.connections) > _MOST_OPEN:
        _local.connections.popitem(last=False)[1][1].close()
    return connection


def _uri(path, mode):
    return f'file:{quote(osp.abspath(path))}?mode={mode}'
