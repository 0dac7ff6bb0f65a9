"""Indexes that are damaged, foreign or malicious: said clearly, and nothing of theirs is run."""

import contextlib
import os
import shutil
import sqlite3

import pytest

from posepile.storage import archive
from posepile.storage.findings import VerifyReport
from posepile.storage.index_check import check_archive_file, check_index
from posepile.storage.seal import seal_index

FILES = {f'a/{name}': bytes(10) for name in ('p/x', 'p/y', 'q/z')} | {'metadata.msgpack': b'm'}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp('written') / 'x.barecat'
    with archive.ArchiveWriter(path) as writer:
        for key, data in FILES.items():
            writer.add(key, data)
    seal_index(path)
    return path


@pytest.fixture
def path(written, tmp_path):
    for file in written.parent.iterdir():
        shutil.copy(file, tmp_path)
    return str(tmp_path / written.name)


def edit(path, *statements):
    """Change the index as a program that Barecat knows nothing of would, and seal it again."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE config SET value_int = 0 WHERE key = 'use_triggers'")
        for statement in statements:
            db.execute(statement)
        db.execute("UPDATE config SET value_int = 1 WHERE key = 'use_triggers'")
        db.commit()
    seal_index(path)


def check(path):
    report = VerifyReport(path, None, True)
    if check_archive_file(path, report):
        check_index(path, 'annotations', report, deep=True)
    return report


def messages(path, kind='problems'):
    found = getattr(check(path), kind).values()
    return [text for problem in found for text in problem.instances]


def test_a_sound_index(path):
    report = check(path)
    assert report.ok and not report.warnings


@pytest.mark.parametrize(
    'statement, expected',
    [
        ("UPDATE files SET offset = 9 WHERE path = 'a/p/y'", 'a/p/y overlaps the files before'),
        ("UPDATE files SET offset = 0 WHERE path = 'a/q/z'", 'overlaps the files before'),
        ("DELETE FROM files WHERE path = 'a/p/x'", '10 bytes before a/p/y belong to no file'),
        ("DELETE FROM files WHERE path = 'metadata.msgpack'", '1 bytes at its end belong to no'),
        ("UPDATE files SET size = 9 WHERE path = 'a/p/y'", '1 bytes before a/q/z belong to no'),
        ("UPDATE files SET size = 1 << 60 WHERE path = 'a/p/y'", 'bytes too short'),
        ('UPDATE files SET size = 9223372036854775807', 'bytes too short'),
        ("UPDATE files SET offset = -5 WHERE path = 'a/p/y'", 'negative positions'),
        ("UPDATE files SET shard = 7 WHERE path = 'a/p/y'", 'x.barecat-shard-00007: the file is'),
        ("UPDATE files SET shard = -1 WHERE path = 'a/p/y'", 'a shard number -1'),
        ("UPDATE files SET shard = 1 << 40 WHERE path = 'a/p/y'", 'a shard number 1099511627776'),
        ("UPDATE files SET size = 'many' WHERE path = 'a/p/y'", 'row of the index holds other'),
        ("UPDATE files SET path = x'00ff' WHERE path = 'a/p/y'", 'row of the index holds other'),
        ("UPDATE files SET path = '../../y' WHERE path = 'a/p/y'", 'is no path of a file below'),
        ("UPDATE files SET path = '/etc/y' WHERE path = 'a/p/y'", 'is no path of a file below'),
        ("UPDATE files SET path = 'a/./y' WHERE path = 'a/p/y'", 'is no path of a file below'),
        ("UPDATE files SET path = 'a\\..\\y' WHERE path = 'a/p/y'", 'is no path of a file below'),
        ("UPDATE files SET path = 'a/p' WHERE path = 'a/q/z'", 'is a file, but there are others'),
        ("UPDATE dirs SET num_files = 3 WHERE path = 'a/p'", 'totals of the folder a/p are not'),
        ("UPDATE dirs SET size_tree = 3 WHERE path = ''", 'the totals of the folder / are not'),
        ("UPDATE dirs SET num_files_tree = 'x' WHERE path = 'a'", 'totals of the folder a are not'),
        ("UPDATE dirs SET num_subdirs = 0 WHERE path = 'a'", 'the totals of the folder a are not'),
        ("DELETE FROM dirs WHERE path = 'a/q'", 'the totals of the folder a/q are not'),
        ("INSERT INTO dirs (path) VALUES ('b')", 'the totals of the folder b are not'),
    ],
)
def test_tables_that_contradict_the_shards_or_each_other(path, statement, expected):
    edit(path, statement)
    assert any(expected in message for message in messages(path)), messages(path)


def test_files_without_a_checksum_are_unusual(path):
    edit(path, "UPDATE files SET crc32c = NULL WHERE path = 'a/p/y'")
    report = check(path)
    assert report.ok and report.warnings['archive'].instances == ['a/p/y: has no checksum']


def test_another_order_is_unusual(tmp_path):
    path = str(tmp_path / 'x.barecat')
    with archive.ArchiveWriter(path) as writer:
        for key in ('b', 'a', 'c'):
            writer.add(key, b'.')
    seal_index(path)
    report = check(path)
    assert report.ok and report.warnings['order'].count == 1


def test_without_a_seal_there_is_a_warning(path):
    with open(path, 'r+b') as f:
        for offset in (60, 68):
            f.seek(offset)
            f.write(bytes(4))
    report = check(path)
    assert report.ok and 'has no seal' in report.warnings['archive'].instances[0]


def test_a_shard_that_nobody_knows(path):
    with open(f'{path}-shard-00001', 'wb') as f:
        f.write(b'hidden')
    assert any('no file of the index lies in it' in message for message in messages(path))


@pytest.mark.parametrize('suffix', ['-journal', '-wal'])
def test_a_journal_is_told_and_not_played_back(path, suffix):
    with open(path + suffix, 'wb') as f:
        f.write(os.urandom(5000))
    before = open(path, 'rb').read()
    assert any('is being written' in message for message in messages(path))
    assert open(path, 'rb').read() == before and os.path.exists(path + suffix)


ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT'


@pytest.mark.parametrize(
    'statements, expected',
    [
        (
            [
                'DROP TABLE files',
                f"CREATE VIEW files AS {ENDLESS} 'a' AS path, 0 AS shard, 0 AS offset, "
                '1 AS size, 0 AS crc32c, i FROM n',
            ],
            'no ordinary table files',
        ),
        (
            [
                'DROP TABLE config',
                f'CREATE VIEW config AS {ENDLESS} i AS key, i AS value_int FROM n',
            ],
            'no ordinary table config',
        ),
        (['DROP TABLE dirs'], 'no ordinary table dirs'),
        (
            ['CREATE TRIGGER evil AFTER INSERT ON files BEGIN DELETE FROM files; END'],
            'has the trigger evil',
        ),
        ([f'CREATE VIEW more AS {ENDLESS} i FROM n'], 'has the view more'),
        (['CREATE VIRTUAL TABLE words USING fts5(x)'], 'has the table words'),
        (
            [
                'ALTER TABLE files RENAME TO old',
                'CREATE TABLE files (path TEXT, shard INTEGER, offset INTEGER, crc32c INTEGER, '
                'size INTEGER AS (length(zeroblob(900000000))))',
            ],
            'no ordinary column size',
        ),
        (['ALTER TABLE files RENAME COLUMN crc32c TO crc'], 'no ordinary column crc32c'),
    ],
)
def test_programs_in_the_schema_are_told_before_anything_is_asked_of_it(path, statements, expected):
    with contextlib.closing(sqlite3.connect(path)) as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (trigger,) in triggers:
            if 'TRIGGER' not in statements[0]:  # they would keep tables from being replaced
                db.execute(f'DROP TRIGGER {trigger}')
        for statement in statements:
            db.execute(statement)
        db.commit()
    seal_index(path)
    assert any(expected in message for message in messages(path)), messages(path)


@pytest.mark.parametrize(
    'statements, expected',
    [
        (
            [
                'DROP TRIGGER add_file',
                'CREATE TRIGGER add_file AFTER INSERT ON files BEGIN DELETE FROM files; END',
            ],
            'another trigger add_file',
        ),
        (['ALTER TABLE files ADD COLUMN more'], 'another table files'),
    ],
)
def test_what_writing_would_run_is_told(path, statements, expected):
    edit(path, *statements)
    assert check(path).ok
    [message] = messages(path, 'warnings')
    assert expected in message
    edit(path, "UPDATE config SET value_int = 4 WHERE key = 'schema_version_minor'")
    assert messages(path, 'warnings') == []  # another version may have it so


@pytest.mark.parametrize('content', [b'', b'SQLite format 3\0', b'PK\3\4' + bytes(300)])
def test_other_files(path, content):
    with open(path, 'wb') as f:
        f.write(content)
    [message] = messages(path)
    assert 'is an SQLite file, and this is none' in message and path in message


def test_other_databases(path):
    os.remove(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute('CREATE TABLE t (a)')
    assert any('it is no Barecat archive' in message for message in messages(path))


def test_half_written_archives(path):
    os.rename(path, f'{path}.partial')
    [message] = messages(path)
    assert 'the archive is not complete' in message


@pytest.mark.parametrize('n_pages', [1, 3, 10])
def test_truncated_indexes(path, n_pages):
    os.truncate(path, 4096 * n_pages)
    assert messages(path)


def test_unused_indexes_of_sqlite_must_agree_with_the_tables(path):
    """A path that can be found in one way and not in the other."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        ((root,),) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'idx_files_path'")
    content = bytearray(open(path, 'rb').read())
    place = content.index(b'a/p/y', (root - 1) * 4096)
    content[place : place + 5] = b'a/p/w'
    with open(path, 'wb') as f:
        f.write(content)
    seal_index(path)
    assert any('the index is damaged' in message for message in messages(path))


def test_control_characters_do_not_reach_the_terminal(path):
    edit(path, "UPDATE files SET path = 'a/' || char(27) || '[2J/../y' WHERE path = 'a/p/y'")
    assert any('a/\\x1b[2J/../y' in message for message in messages(path))
    assert '\x1b' not in ''.join(messages(path))
