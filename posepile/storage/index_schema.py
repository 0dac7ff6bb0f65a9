"""Is what calls itself the index of an archive made of Barecat's tables, and of nothing else?"""

import contextlib
import functools
import importlib.resources
import sqlite3

#: Columns of the table of folders that sum up what is below a folder.
TOTALS = ('num_subdirs', 'num_files', 'num_files_tree', 'size_tree')
_COLUMNS = {
    'files': ('path', 'shard', 'offset', 'size', 'crc32c'),
    'dirs': ('path', *TOTALS),
    'config': ('key', 'value_int'),
}
_VERSION = "SELECT key, value_int FROM config WHERE key LIKE 'schema_version%' ORDER BY key"


def foreign_objects(db):
    """Yield, as sentences, what a schema holds that Barecat did not put there.

    Views, triggers and computed columns are programs that a query may run: ask nothing else of an
    index for which there is any.

    Args:
        db: connection to the index.
    """
    expected = _expected_schema()
    rows = db.execute('SELECT type, name, sql FROM sqlite_master')
    found = {(kind, name): str(sql) for kind, name, sql in rows}
    for table in _COLUMNS:
        sql = found.get(('table', table))
        if sql is None or not sql.upper().startswith('CREATE TABLE'):
            yield f'its index has no ordinary table {table}; it is no Barecat archive'
            return
    for table, columns in _COLUMNS.items():
        is_computed = {row[1]: row[6] for row in db.execute(f'PRAGMA table_xinfo({table})')}
        for column in columns:
            if is_computed.get(column, True):  # stored columns have a zero there
                yield f'its table {table} has no ordinary column {column}'
                return
    for kind, name in found:
        if (kind, name) not in expected and not str(name).startswith('sqlite_'):
            if kind in ('view', 'trigger') or 'VIRTUAL TABLE' in found[kind, name].upper():
                yield f'its index has the {kind} {name}, which no Barecat archive has'


def altered_objects(db):
    """Yield, as sentences, how Barecat's tables and triggers differ from the installed version's.

    Other versions of it may have made them, so this is no proof of anything. Reading runs none of
    it, but writing would.
    """
    expected = _expected_schema()
    version = db.execute(_VERSION).fetchall()
    for kind, name, sql in db.execute('SELECT type, name, sql FROM sqlite_master'):
        if version == _expected_version() and kind in ('table', 'trigger'):
            if expected.get((kind, name), sql) != sql:
                yield f'its index has another {kind} {name} than archives of this version have'


@functools.lru_cache(1)
def _expected_schema():
    """(type, name) to SQL statement, as the installed Barecat makes an index."""
    with _new_index() as db:
        rows = db.execute('SELECT type, name, sql FROM sqlite_master')
        return {(kind, name): sql for kind, name, sql in rows}


@functools.lru_cache(1)
def _expected_version():
    with _new_index() as db:
        return db.execute(_VERSION).fetchall()


@contextlib.contextmanager
def _new_index():
    folder = importlib.resources.files('barecat') / 'sql'
    with contextlib.closing(sqlite3.connect(':memory:')) as db:
        for name in ('schema', 'indexes', 'triggers'):
            db.executescript((folder / f'{name}.sql').read_text())
        yield db
