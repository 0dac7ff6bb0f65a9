"""Archives appear whole or not at all, and their bytes depend on the content only."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap

import barecat
import pytest

from posepile.errors import ArchiveError
from posepile.storage import archive
from tests.digests import digests

#: What sorts beside the files below train/ without being one.
OTHERS = ['trai', 'train-old/a', 'train.msgpack', 'train0']
FILES = {f'train/x/{i:04d}.msgpack': bytes([i % 256]) * (i % 50) for i in range(300)}


def write(path, files=None):
    with archive.ArchiveWriter(path) as writer:
        for key, data in (FILES if files is None else files).items():
            writer.add(key, data)
    return str(path)


def run_python(code, *args, **kwargs):
    return subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
        **kwargs,
    )


WRITE_IN_ANOTHER_PROCESS = """
    import os, sys, time
    from posepile.storage.archive import ArchiveWriter
    os.umask(0o077)
    with ArchiveWriter(sys.argv[1]) as writer:
        for i in range(300):
            writer.add(f'train/x/{i:04d}.msgpack', bytes([i % 256]) * (i % 50))
            if i == 150:
                time.sleep(1.1)
"""


def test_same_content_gives_same_bytes(tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
    write(tmp_path / 'a' / 'x.barecat')
    # At another time, with pauses, other permissions, in another session.
    run_python(WRITE_IN_ANOTHER_PROCESS, tmp_path / 'b' / 'x.barecat', check=True)
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')
    assert set(digests(tmp_path / 'a')) == {'x.barecat', 'x.barecat-shard-00000'}


def test_an_archive_is_one_for_barecat_itself(tmp_path):
    path = write(tmp_path / 'x.barecat')
    with barecat.Barecat(path) as reader:
        assert dict(reader.items()) == FILES
        assert reader.verify_integrity()


def test_reading(tmp_path):
    path = write(tmp_path / 'x.barecat', {**FILES, **dict.fromkeys(OTHERS, b''), 'val/y': b'v'})
    assert archive.read_file(path, 'val/y') == b'v'
    assert list(archive.list_files(path, 'train')) == sorted(FILES)
    assert archive.count_files(path, 'train') == len(FILES)
    assert list(archive.list_files(path, 'test')) == []
    with pytest.raises(KeyError):
        archive.read_file(path, 'val/z')


def test_leftovers_of_a_killed_process_do_not_matter(tmp_path):
    """Killed while writing, and while the index was being rewritten."""
    for name in 'ab':
        (tmp_path / name).mkdir()
    for suffix in ('', '-shard-00000', '-shard-00001', '-journal', '.index', '.index-journal'):
        (tmp_path / f'a/x.barecat.partial{suffix}').write_bytes(b'half of it')
    write(tmp_path / 'a/x.barecat')
    write(tmp_path / 'b/x.barecat')
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')


def test_query_statistics_leave_no_trace(tmp_path):
    """SQLite may gather them whenever it closes an index."""
    for name in 'ab':
        (tmp_path / name).mkdir()
    write(tmp_path / 'a/x.barecat')
    with archive.ArchiveWriter(tmp_path / 'b/x.barecat') as writer:
        for key, data in FILES.items():
            writer.add(key, data)
        writer._barecat.index.conn.execute('ANALYZE')
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')


def test_listing_is_sorted_whatever_the_order_of_adding(tmp_path):
    path = write(tmp_path / 'x.barecat', dict(reversed(FILES.items())))
    assert list(archive.list_files(path, 'train')) == sorted(FILES)


def test_shards_of_a_larger_predecessor_are_removed(tmp_path):
    path = write(tmp_path / 'x.barecat')
    (tmp_path / 'x.barecat-shard-00001').write_bytes(b'more')
    write(path)
    assert set(digests(tmp_path)) == {'x.barecat', 'x.barecat-shard-00000'}


def test_a_file_cannot_be_added_twice(tmp_path):
    with pytest.raises(FileExistsError), archive.ArchiveWriter(tmp_path / 'x.barecat') as writer:
        writer.add('a', b'1')
        writer.add('a', b'2')
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_old_archive(tmp_path):
    path = write(tmp_path / 'x.barecat')
    before = digests(tmp_path)
    with pytest.raises(ZeroDivisionError), archive.ArchiveWriter(path) as writer:
        writer.add('new', b'n' * 1000)
        raise ZeroDivisionError
    assert digests(tmp_path) == before


def test_a_kill_leaves_the_old_archive_and_the_next_writer_cleans_up(tmp_path):
    path = write(tmp_path / 'x.barecat')
    before = digests(tmp_path)
    killed = run_python(
        """
        import os, signal, sys
        from posepile.storage.archive import ArchiveWriter
        with ArchiveWriter(sys.argv[1]) as writer:
            for i in range(2000):
                writer.add(f'new/{i}', b'n' * 1000)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
    )
    assert killed.returncode == -signal.SIGKILL
    assert before.items() <= digests(tmp_path).items()
    write(path, {'newer': b''})
    assert sorted(p.name for p in tmp_path.iterdir()) == ['x.barecat', 'x.barecat-shard-00000']
    assert list(archive.open_reader(path)) == ['newer']


def test_replacing_an_archive_is_seen_by_open_readers(tmp_path):
    path = write(tmp_path / 'x.barecat', {'a': b'old'})
    assert archive.read_file(path, 'a') == b'old'
    write(path, {'a': b'new', 'b': b'longer'})
    assert archive.read_file(path, 'a') == b'new'
    assert archive.read_file(path, 'b') == b'longer'


def test_names_with_special_characters(tmp_path):
    folder = tmp_path / 'with [brackets] and *'
    path = write(folder / 'x y.barecat', {'ü [1]/a b.jpg': b'1'})
    assert archive.read_file(path, 'ü [1]/a b.jpg') == b'1'
    assert archive.archive_size(path) > 1
    archive.remove_archive(path)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize('name', ['a?b', 'a#b', 'a%20b'])
def test_paths_that_barecat_cannot_open_are_refused(tmp_path, name):
    for use in (archive.ArchiveWriter, archive.open_reader):
        with pytest.raises(ArchiveError, match='must not contain'):
            use(tmp_path / name / 'x.barecat')
    assert list(tmp_path.iterdir()) == []


DISK_FULL = """
    import os, resource, signal, sys
    from posepile.errors import ArchiveError
    from posepile.storage.archive import ArchiveWriter
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing beyond the limit fails with EFBIG
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        with ArchiveWriter(sys.argv[1]) as writer:
            for i in range(3000):
                writer.add(f'new/{i:06d}', os.urandom(int(sys.argv[3])))
    except ArchiveError as e:
        print(e)
"""


@pytest.mark.parametrize(
    'limit, file_size',
    [
        (200_000, 1000),  # the shard runs full
        (200_000, 0),  # the index does
        (20_000, 0),  # at the very beginning
    ],
)
def test_a_full_disk_is_told_and_leaves_the_old_archive(tmp_path, limit, file_size):
    path = write(tmp_path / 'x.barecat')
    before = digests(tmp_path)
    result = run_python(DISK_FULL, path, limit, file_size)
    assert result.returncode == 0, result.stderr
    assert 'no space is left' in result.stdout and path in result.stdout
    assert digests(tmp_path) == before


def test_the_limit_of_the_test_above_is_what_stops_it(tmp_path):
    result = run_python(DISK_FULL, tmp_path / 'x.barecat', resource.RLIM_INFINITY, 0)
    assert result.stdout == '' and (tmp_path / 'x.barecat').exists(), result.stderr


def damage(path, offset, data):
    with open(path, 'r+b') as f:
        f.seek(offset)
        f.write(data)


def read_all(path):
    for key in archive.list_files(path, 'train'):
        archive.read_file(path, key)


@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='needs a folder without files')
def test_where_nothing_can_be_written():
    with pytest.raises(ArchiveError, match='opened for writing.*permissions'):
        archive.ArchiveWriter('/proc/self/x.barecat')


def test_missing_archive(tmp_path):
    with pytest.raises(ArchiveError, match='no such archive'):
        archive.open_reader(tmp_path / 'x.barecat')


def test_missing_shard(tmp_path):
    path = write(tmp_path / 'x.barecat')
    os.remove(f'{path}-shard-00000')
    with pytest.raises(ArchiveError, match='shard file is missing'):
        read_all(path)


def test_changed_shard(tmp_path):
    path = write(tmp_path / 'x.barecat')
    damage(f'{path}-shard-00000', 1000, b'?')
    with pytest.raises(ArchiveError, match='contents of .* are damaged'):
        read_all(path)


def test_truncated_shard(tmp_path):
    path = write(tmp_path / 'x.barecat')
    os.truncate(f'{path}-shard-00000', 2000)
    with pytest.raises(ArchiveError, match='contents of .* are damaged'):
        read_all(path)


@pytest.mark.parametrize('content', [b'', b'no database at all' * 100])
def test_an_index_that_is_none(tmp_path, content):
    path = write(tmp_path / 'x.barecat')
    (tmp_path / 'x.barecat').write_bytes(content)
    with pytest.raises(ArchiveError):
        read_all(path)


@pytest.mark.parametrize('share', [0.1, 0.3, 0.5, 0.7, 0.9])
def test_damaged_pages_of_the_index(tmp_path, share):
    path = write(tmp_path / 'x.barecat', {f'train/{"y" * 50}/{i:05d}': b'1' for i in range(2000)})
    size = os.path.getsize(path)
    damage(path, int(share * size) // 4096 * 4096, b'\xa5' * (size // 3))
    with pytest.raises(ArchiveError):
        read_all(path)
        pytest.fail('the damage was not noticed')


def test_truncated_index(tmp_path):
    path = write(tmp_path / 'x.barecat', {f'train/{i:05d}': b'1' for i in range(2000)})
    os.truncate(path, os.path.getsize(path) // 2)
    with pytest.raises(ArchiveError):
        read_all(path)


def test_index_that_holds_programs_is_refused_at_once(tmp_path):
    """A view in the place of a table could make any query slow, or lie."""
    path = write_archive(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute('CREATE TRIGGER mine AFTER INSERT ON files BEGIN SELECT 1; END')
        db.commit()
    with pytest.raises(ArchiveError, match='trigger mine.*Do not use it'):
        archive.read_file(path, 'a')


@pytest.mark.parametrize('size', [2**62, -5])
def test_hostile_sizes_are_damage(tmp_path, size):
    path = write_archive(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE config SET value_int = 0 WHERE key = 'use_triggers'")
        db.execute('UPDATE files SET size = ?', (size,))
        db.commit()
    with pytest.raises(ArchiveError, match='damaged'):
        archive.read_file(path, 'a')
    with pytest.raises(ArchiveError, match='damaged'):
        archive.read_row(path, 1)


def write_archive(folder):
    path = str(folder / 'small.barecat')
    with archive.ArchiveWriter(path) as writer:
        writer.add('a', b'content')
    return path
