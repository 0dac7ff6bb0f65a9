"""Is the index of an archive what it should be, and does it account for every byte of the shards?

Nothing here trusts the file: what its schema holds is looked at before any other query.
"""

import glob
import os

from posepile.errors import ArchiveError
from posepile.storage.archive import index_path
from posepile.storage.index_schema import TOTALS, altered_objects, foreign_objects
from posepile.storage.seal import Seal, check_seal
from posepile.storage.stored_files import (
    INDEX_ERRORS,
    WELL_TYPED,
    reading_index,
    shard_path,
)

#: A sum that does not overflow, whatever the sizes claim to be.
_TOTAL_SIZE = 'CAST(TOTAL(size) AS INTEGER)'
_MOST_SHARDS = 100_000  # the five digits of a shard's name


def check_archive_file(path, report):
    """Check the index file as a file: seal, SQLite's own structure, schema.

    Returns:
        Whether it is safe to query it.
    """
    try:
        seal = check_seal(_existing_index(path))
        if seal is Seal.BROKEN:
            report.add('archive', path, 'the index has changed since it was packed')
        elif seal is Seal.NONE:
            message = 'the index has no seal: flipped bits in it may go unnoticed'
            report.warn('archive', path, message)
        for suffix in ('-journal', '-wal', '-shm'):
            if os.path.exists(index_path(path) + suffix):
                message = 'belongs to an archive that is being written, or was when a program died'
                report.add('archive', index_path(path) + suffix, message)
        with reading_index(path) as db:
            foreign = list(foreign_objects(db))
            altered = [] if foreign else list(altered_objects(db))
    except (ArchiveError, *INDEX_ERRORS, OSError) as e:
        report.add('archive', '' if isinstance(e, ArchiveError) else path, str(e))
        return False
    for message in foreign:
        report.add('archive', path, message)
    for message in altered:
        report.warn('archive', path, message)
    return not foreign


def _existing_index(path):
    index = index_path(path)
    if os.path.exists(index):
        return index
    if os.path.exists(f'{path}.partial'):
        raise ArchiveError(
            path,
            'the archive is not complete: there are only the files of its being written',
            'Run the command that makes it again.',
        )
    raise ArchiveError(path, 'there is no such archive')


def check_index(path, archive, report, deep):
    """Check what the tables say, against each other and against the shards.

    Args:
        archive: ``'annotations'`` or ``'images'``, for the report.
        deep: also have SQLite check its pages, and look for gaps and overlaps between files.
    """
    with reading_index(path) as db:
        if deep:
            for (message,) in db.execute('PRAGMA integrity_check(5)'):
                if message != 'ok':
                    report.add('archive', path, f'the index is damaged: {message}')
        _check_rows(db, archive, report)
        _check_shards(db, path, report)
        if deep:
            _check_nesting(db, archive, report)
            _check_layout(db, path, report)
            _check_order(db, path, report)
            _check_totals(db, path, report)


def _check_rows(db, archive, report):
    query = f"SELECT IFNULL(CAST(path AS TEXT), '') FROM files WHERE NOT ({WELL_TYPED})"
    for (key,) in db.execute(query):
        report.add_file(archive, 'archive', key, 'its row of the index holds other things')
    query = f'SELECT path FROM files WHERE crc32c IS NULL AND {WELL_TYPED}'
    for (key,) in db.execute(query):
        report.warn('archive', key, 'has no checksum')
    # A reader that takes a path for that of a file must not leave its folder.
    unsafe = ' OR '.join(
        f"'/' || path || '/' GLOB '{pattern}'" for pattern in ('*/../*', '*/./*', '*//*')
    )
    query = (
        f'SELECT path FROM files WHERE {WELL_TYPED} AND '
        f"({unsafe} OR instr(path, char(0)) OR instr(path, '\\'))"
    )
    for (key,) in db.execute(query):
        report.add_file(archive, 'paths', key, 'is no path of a file below a folder')


def _check_nesting(db, archive, report):
    """A file cannot be a folder as well."""
    query = (
        'SELECT path FROM files AS outer WHERE EXISTS (SELECT 1 FROM files WHERE path > '
        "outer.path || '/' AND path < outer.path || '0')"  # '0' follows '/'
    )
    for (key,) in db.execute(query):
        report.add_file(archive, 'paths', key, 'is a file, but there are others below it')


def _check_shards(db, path, report):
    """The shards must be as long as the files in them together."""
    known = set()
    ends = db.execute(
        f'SELECT shard, MAX(offset + size), {_TOTAL_SIZE}, MIN(offset), MIN(size) FROM files '
        f'WHERE {WELL_TYPED} GROUP BY shard'
    )
    for i_shard, end, total, first_offset, smallest_size in ends.fetchall():
        if not 0 <= i_shard < _MOST_SHARDS:
            report.add('shards', path, f'the index names a shard number {i_shard}')
            continue
        shard = shard_path(path, i_shard)
        known.add(shard)
        if not os.path.exists(shard):
            if end > 0:
                report.add('shards', shard, 'the file is missing')
            continue
        size = os.path.getsize(shard)
        if first_offset < 0 or smallest_size < 0:
            report.add('shards', shard, 'the index gives negative positions in it')
        elif size < end:
            report.add('shards', shard, f'the file is {end - size} bytes too short')
        elif size > end:
            report.add('shards', shard, f'{size - end} bytes at its end belong to no file')
        elif total != end:
            report.add('shards', shard, f'it has {end} bytes, its files have {total} together')
    for shard in sorted(glob.glob(f'{glob.escape(os.fspath(path))}-shard-*')):
        if shard not in known and os.path.getsize(shard) > 0:
            report.add('shards', shard, 'no file of the index lies in it')


def _check_layout(db, path, report):
    """Each file must begin where the one before it ends."""
    rows = db.execute(
        'SELECT shard, path, offset, IFNULL(MAX(offset + size) OVER (PARTITION BY shard '
        'ORDER BY offset, size, rowid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) '
        f'AS free FROM files WHERE {WELL_TYPED}'
    )
    query_of_misplaced = ((s, key, o, free) for s, key, o, free in rows if o != free)
    for shard, key, offset, free in query_of_misplaced:
        where = shard_path(path, shard)
        if offset > free:
            report.add('shards', where, f'{offset - free} bytes before {key} belong to no file')
        else:
            report.add('shards', where, f'{key} overlaps the files before it')


def _check_order(db, path, report):
    """Files that are not stored in the order of their paths are slow to read one after another."""
    rows = db.execute(
        'SELECT COUNT(*) FROM (SELECT path, LAG(path) OVER (ORDER BY shard, offset, rowid) AS '
        "previous FROM files WHERE path != 'metadata.msgpack') WHERE path < previous"
    )
    ((n_misplaced,),) = rows
    if n_misplaced:
        report.warn('order', path, f'{n_misplaced} files are stored before others of lower path')


def _check_totals(db, path, report):
    """The numbers that the table of folders holds must be those of the files below them."""
    columns = ', '.join(('path', *TOTALS))
    found = {key: totals for key, *totals in db.execute(f'SELECT {columns} FROM dirs')}
    expected = {'': [0, 0, 0, 0]}
    query = (
        "SELECT rtrim(rtrim(path, replace(path, '/', '')), '/') AS folder, "
        f'COUNT(*), {_TOTAL_SIZE} '
        f'FROM files WHERE {WELL_TYPED} GROUP BY folder'
    )
    for folder, n_files, n_bytes in db.execute(query):
        for ancestor in _with_ancestors(folder, expected):
            expected[ancestor][2] += n_files
            expected[ancestor][3] += n_bytes
        expected[folder][1] += n_files
    for folder in sorted(found.keys() | expected.keys(), key=str):
        if found.get(folder) != expected.get(folder):
            message = f'the totals of the folder {folder or "/"} are not those of its files'
            report.add('archive', path, message)


def _with_ancestors(folder, totals):
    """The folder and all above it; folders not in ``totals`` yet are added and counted there."""
    chain = [folder]
    while chain[-1]:
        chain.append(chain[-1].rpartition('/')[0])
    for parent, child in zip(chain[:0:-1], chain[-2::-1], strict=True):
        if child not in totals:
            totals[child] = [0, 0, 0, 0]
            totals[parent][0] += 1
    return chain
