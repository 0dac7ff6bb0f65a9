import io
import os
import stat
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.errors import RawDataError
from posepile.raw.unpack import unpack

RNG = np.random.default_rng(3)
FILES = {
    'top/a.txt': b'alpha',
    'top/sub/b.bin': RNG.bytes(200_000),
    'top/sub/empty': b'',
    'c.txt': b'gamma' * 1000,
}
TAR_MODES = {'tar': 'w', 'tar.gz': 'w:gz', 'tar.bz2': 'w:bz2', 'tar.xz': 'w:xz'}


def tar_entry(name, content=b'', type=tarfile.REGTYPE, linkname='', mode=0o755):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = len(content), type, linkname, mode
    return info, content


def make_tar(path, entries, mode='w'):
    with tarfile.open(path, mode) as t:
        for info, content in entries:
            t.addfile(info, io.BytesIO(content))
    return str(path)


def make_zip(path, entries):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as z:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            z.writestr(info, content, zipfile.ZIP_DEFLATED)
    return str(path)


def make_archive(folder, kind, files=FILES):
    path = folder / f'archive.{kind}'
    if kind == 'zip':
        return make_zip(path, [(n, c, stat.S_IFREG | 0o755) for n, c in files.items()])
    return make_tar(path, [tar_entry(n, c) for n, c in files.items()], TAR_MODES[kind])


def tree(folder):
    found = {}
    for root, folders, names in os.walk(folder):
        if '.unpacked' in folders:
            folders.remove('.unpacked')
        for n in names:
            path = os.path.join(root, n)
            with open(path, 'rb') as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


@pytest.fixture(params=['zip', *TAR_MODES])
def kind(request):
    return request.param


def test_unpacks(tmp_path, kind):
    archive = make_archive(tmp_path, kind)
    out = tmp_path / 'out'
    assert unpack(archive, out) == list(FILES)
    assert tree(out) == FILES
    assert not os.stat(out / 'top/a.txt').st_mode & 0o111


def test_type_is_told_by_content(tmp_path, kind):
    archive = make_archive(tmp_path, kind)
    os.rename(archive, tmp_path / 'noname')
    unpack(tmp_path / 'noname', tmp_path / 'out')
    assert tree(tmp_path / 'out') == FILES


def test_strip_and_members(tmp_path, kind):
    archive = make_archive(tmp_path, kind)
    assert unpack(archive, tmp_path / 's', strip=1) == ['a.txt', 'sub/b.bin', 'sub/empty']
    assert unpack(archive, tmp_path / 'm', members=['top/sub/*', 'c.*']) == [
        'top/sub/b.bin',
        'top/sub/empty',
        'c.txt',
    ]
    assert set(tree(tmp_path / 'm')) == {'top/sub/b.bin', 'top/sub/empty', 'c.txt'}


def test_second_run_changes_nothing_and_needs_no_archive(tmp_path, kind):
    archive = make_archive(tmp_path, kind)
    out = tmp_path / 'out'
    unpack(archive, out)
    times = {n: os.stat(out / n).st_mtime_ns for n in FILES}
    os.unlink(archive)
    assert unpack(archive, out) == list(FILES)
    assert {n: os.stat(out / n).st_mtime_ns for n in FILES} == times
    os.unlink(out / 'c.txt')
    with pytest.raises(RawDataError, match='there is no such archive'):
        unpack(archive, out)


def test_missing_and_partial_files_are_restored_alone(tmp_path, kind):
    archive = make_archive(tmp_path, kind)
    out = tmp_path / 'out'
    unpack(archive, out)
    kept = os.stat(out / 'top/a.txt').st_ino
    os.unlink(out / 'c.txt')
    with open(out / 'top/sub/b.bin', 'r+b') as f:
        f.truncate(1000)
    unpack(archive, out)
    assert tree(out) == FILES
    assert os.stat(out / 'top/a.txt').st_ino == kept


def test_replaced_archive_is_unpacked_again(tmp_path, kind):
    out = tmp_path / 'out'
    unpack(make_archive(tmp_path, kind), out)
    unpack(make_archive(tmp_path, kind, {'c.txt': b'new', 'd': b'd'}), out)
    assert tree(out) == {**FILES, 'c.txt': b'new', 'd': b'd'}


@pytest.mark.parametrize('share', [0, 0.001, 0.3, 0.5, 0.9, 0.95])
def test_truncated(tmp_path, kind, share):
    archive = make_archive(tmp_path, kind)
    with open(archive, 'r+b') as f:
        f.truncate(int(os.path.getsize(archive) * share))
    with pytest.raises(RawDataError, match='archive.*(delete|Delete) it and download it again'):
        unpack(archive, tmp_path / 'out')
    for name, content in tree(tmp_path / 'out').items():
        assert name.endswith('.unpacking') or content == FILES[name]


def test_tar_cut_between_two_members(tmp_path):
    archive = make_archive(tmp_path, 'tar')
    with tarfile.open(archive) as t:
        offset = t.getmembers()[2].offset
    with open(archive, 'r+b') as f:
        f.truncate(offset)
    with pytest.raises(RawDataError, match='end-of-archive mark is missing'):
        unpack(archive, tmp_path / 'out')


def test_unreadable_header_in_the_middle_of_a_tar(tmp_path):
    archive = make_archive(tmp_path, 'tar')
    with tarfile.open(archive) as t:
        offset = t.getmembers()[2].offset
    with open(archive, 'r+b') as f:
        f.seek(offset + 150)
        f.write(b'!')
    with pytest.raises(RawDataError, match='damaged'):
        unpack(archive, tmp_path / 'out')


def test_changed_bytes_are_noticed_by_checksums(tmp_path):
    for kind in ('zip', 'tar.gz', 'tar.xz', 'tar.bz2'):
        archive = make_archive(tmp_path, kind)
        with open(archive, 'r+b') as f:
            f.seek(os.path.getsize(archive) // 2)
            f.write(b'changed')
        with pytest.raises(RawDataError, match='damaged|can be read'):
            unpack(archive, tmp_path / f'out-{kind}')


def test_run_after_a_damaged_archive_was_replaced(tmp_path, kind):
    archive = make_archive(tmp_path, kind)
    whole = open(archive, 'rb').read()
    with open(archive, 'wb') as f:
        f.write(whole[: len(whole) // 2])
    with pytest.raises(RawDataError):
        unpack(archive, tmp_path / 'out')
    with open(archive, 'wb') as f:
        f.write(whole)
    unpack(archive, tmp_path / 'out')
    assert tree(tmp_path / 'out') == FILES


EVIL_NAMES = ['../evil', 'a/../../evil', '/tmp/evil', '..', 'C:\\evil', 'a/..']


@pytest.mark.parametrize('name', EVIL_NAMES)
def test_names_outside_are_refused(tmp_path, name):
    z = make_zip(tmp_path / 'z.zip', [('ok', b'1', 0), (name, b'evil', stat.S_IFREG | 0o644)])
    t = make_tar(tmp_path / 't.tar', [tar_entry('ok', b'1'), tar_entry(name, b'evil')])
    for archive in (z, t):
        with pytest.raises(RawDataError, match='not safe to unpack.*outside of the folder'):
            unpack(archive, tmp_path / 'x' / 'out')
    assert not os.path.exists(tmp_path / 'x' / 'evil')
    assert not os.path.exists('/tmp/evil')


def test_backslashes_cannot_climb_in_a_zip(tmp_path):
    archive = make_zip(tmp_path / 'z.zip', [('a\\..\\..\\evil', b'evil', 0)])
    with pytest.raises(RawDataError, match='not safe'):
        unpack(archive, tmp_path / 'out')
    archive = make_zip(tmp_path / 'w.zip', [('folder\\file', b'windows', 0)])
    assert unpack(archive, tmp_path / 'out') == ['folder/file']


EVIL_LINKS = [
    ('link', '..'),
    ('link', '/etc'),
    ('a/link', '../../x'),
    ('a/link', 'b/../../../x'),
    ('link', 'other/..'),
]


@pytest.mark.parametrize('name, target', EVIL_LINKS)
def test_links_that_leave_are_refused(tmp_path, name, target):
    z = make_zip(tmp_path / 'z.zip', [(name, target.encode(), stat.S_IFLNK | 0o777)])
    t = make_tar(tmp_path / 't.tar', [tar_entry(name, type=tarfile.SYMTYPE, linkname=target)])
    for archive in (z, t):
        with pytest.raises(RawDataError, match='leads outside'):
            unpack(archive, tmp_path / 'out')
    assert not os.path.lexists(tmp_path / 'out' / name)


def test_link_that_leaves_only_after_stripping(tmp_path):
    entries = [tar_entry('p/q/link', type=tarfile.SYMTYPE, linkname='../../x')]
    archive = make_tar(tmp_path / 't.tar', entries)
    unpack(archive, tmp_path / 'whole')
    with pytest.raises(RawDataError, match='leads outside'):
        unpack(archive, tmp_path / 'stripped', strip=2)


def test_file_below_a_link_is_refused(tmp_path):
    entries = [
        tar_entry('dir/x', b'x'),
        tar_entry('link', type=tarfile.SYMTYPE, linkname='dir'),
        tar_entry('link/x', b'evil'),
    ]
    archive = make_tar(tmp_path / 't.tar', entries)
    with pytest.raises(RawDataError, match='which is a link'):
        unpack(archive, tmp_path / 'out')
    assert tree(tmp_path / 'out') == {'dir/x': b'x'}


def test_links_of_two_archives_cannot_be_combined_to_leave(tmp_path):
    out = tmp_path / 'x' / 'out'
    first = [tar_entry('b', type=tarfile.DIRTYPE)]
    first.append(tar_entry('p/q/a', type=tarfile.SYMTYPE, linkname='../../b'))
    unpack(make_tar(tmp_path / '1.tar', first), out)
    second = [tar_entry('p/q/a/l', type=tarfile.SYMTYPE, linkname='../../../')]
    with pytest.raises(RawDataError, match='folder that is a link'):
        unpack(make_tar(tmp_path / '2.tar', second), out)
    assert not os.path.lexists(out / 'b' / 'l')


def test_inner_links_work(tmp_path):
    entries = [
        tar_entry('a/x', b'content'),
        tar_entry('b/link', type=tarfile.SYMTYPE, linkname='../a/./x'),
        tar_entry('c/hard', type=tarfile.LNKTYPE, linkname='a/x'),
    ]
    archive = make_tar(tmp_path / 't.tar', entries)
    for _ in range(2):
        unpack(archive, tmp_path / 'out')
        assert open(tmp_path / 'out/b/link', 'rb').read() == b'content'
        assert open(tmp_path / 'out/c/hard', 'rb').read() == b'content'
    assert os.readlink(tmp_path / 'out/b/link') == '../a/x'


@pytest.mark.parametrize('target', ['/etc/passwd', '../secret', 'not/unpacked'])
def test_hard_links_to_elsewhere_are_refused(tmp_path, target):
    (tmp_path / 'secret').write_text('secret')
    entries = [tar_entry('hard', type=tarfile.LNKTYPE, linkname=target)]
    with pytest.raises(RawDataError, match='not safe'):
        unpack(make_tar(tmp_path / 't.tar', entries), tmp_path / 'out')
    assert tree(tmp_path / 'out') == {}


@pytest.mark.parametrize('type', [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path, type):
    archive = make_tar(tmp_path / 't.tar', [tar_entry('dev', type=type)])
    with pytest.raises(RawDataError, match='neither a file nor a folder nor a link'):
        unpack(archive, tmp_path / 'out')
    archive = make_zip(tmp_path / 'z.zip', [('dev', b'', stat.S_IFCHR | 0o644)])
    with pytest.raises(RawDataError, match='neither a file nor a folder nor a link'):
        unpack(archive, tmp_path / 'out')


def test_existing_link_is_replaced_not_followed(tmp_path):
    (tmp_path / 'victim').write_bytes(b'precious')
    out = tmp_path / 'out'
    out.mkdir()
    os.symlink(tmp_path / 'victim', out / 'c.txt')
    unpack(make_archive(tmp_path, 'tar'), out)
    assert (tmp_path / 'victim').read_bytes() == b'precious'
    assert tree(out) == FILES


def test_name_that_occurs_twice_means_the_later_content(tmp_path):
    archive = make_tar(tmp_path / 't.tar', [tar_entry('a', b'old'), tar_entry('a', b'new')])
    unpack(archive, tmp_path / 'out')
    assert tree(tmp_path / 'out') == {'a': b'new'}


def test_more_than_fits_is_told_before_writing(tmp_path):
    """Ten thousand files in a small zip that claim nearly 4 GiB each."""
    archive = make_zip(tmp_path / 'bomb.zip', [(f'{i}', b'x', 0) for i in range(10_000)])
    content = bytearray(open(archive, 'rb').read())
    at = -1
    while (at := content.find(b'PK\1\2', at + 1)) >= 0:
        struct.pack_into('<I', content, at + 24, 0xFFFFFFF0)  # uncompressed size
    (tmp_path / 'bomb.zip').write_bytes(content)
    with pytest.raises(RawDataError, match='does not fit.*42,949,672,800,000 bytes are needed'):
        unpack(tmp_path / 'bomb.zip', tmp_path / 'out')
    assert tree(tmp_path / 'out') == {}


def test_wrong_size_in_a_zip(tmp_path):
    archive = make_zip(tmp_path / 'a.zip', [('x', b'content', 0)])
    content = bytearray(open(archive, 'rb').read())
    struct.pack_into('<I', content, content.index(b'PK\1\2') + 24, 70)
    (tmp_path / 'a.zip').write_bytes(content)
    with pytest.raises(RawDataError, match='damaged'):
        unpack(archive, tmp_path / 'out')


def test_sparse_tar_bomb(tmp_path):
    """A header that declares more than the disk has, as sparse files can with no data at all."""
    info, _ = tar_entry('bomb')
    info.size = 10**17
    archive = tmp_path / 't.tar'
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(RawDataError, match='does not fit.*Make room'):
        unpack(archive, tmp_path / 'out')


def test_something_in_the_way(tmp_path):
    (tmp_path / 'out' / 'c.txt').mkdir(parents=True)
    with pytest.raises(RawDataError, match='Move what is in the way'):
        unpack(make_archive(tmp_path, 'tar'), tmp_path / 'out')


@pytest.mark.parametrize('content', [b'', b'x', b'<html>login</html>' * 100, b'PK', b'\x1f\x8b'])
def test_not_an_archive(tmp_path, content):
    (tmp_path / 'x.zip').write_bytes(content)
    with pytest.raises(RawDataError, match='x.zip'):
        unpack(tmp_path / 'x.zip', tmp_path / 'out')


def test_encrypted_zip(tmp_path):
    archive = make_archive(tmp_path, 'zip')
    content = bytearray(open(archive, 'rb').read())
    for magic, at in ((b'PK\3\4', 6), (b'PK\1\2', 8)):
        content[content.index(magic) + at] |= 1
    (tmp_path / 'e.zip').write_bytes(content)
    with pytest.raises(RawDataError, match='password required.*by hand'):
        unpack(tmp_path / 'e.zip', tmp_path / 'out')


PARTS = st.sampled_from(['a', 'b', '.', '..', '', 'c d', '/', 'l'])
NAMES = st.lists(PARTS, min_size=1, max_size=5).map('/'.join)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])


@settings(max_examples=150, deadline=None)
@given(
    archives=st.lists(
        st.lists(st.tuples(NAMES, KINDS, NAMES), min_size=1, max_size=6), min_size=1, max_size=3
    ),
    strip=st.integers(0, 2),
)
def test_nothing_ever_leaves_the_folder(tmp_path_factory, archives, strip):
    base = tmp_path_factory.mktemp('t')
    dest = base / '1' / '2' / '3' / 'out'
    for i, entries in enumerate(archives):
        archive = make_tar(
            base / f'{i}.tar',
            [tar_entry(n, b'x' * (k == tarfile.REGTYPE), k, to) for n, k, to in entries],
        )
        try:
            unpack(archive, dest, strip=strip)
        except RawDataError:
            pass
    outside = [
        os.path.join(root, n)
        for root, folders, names in os.walk(base)
        for n in names + folders
        if not os.path.join(root, n).startswith(str(dest))
    ]
    allowed = {str(base / f'{i}.tar') for i in range(3)} | {str(p) for p in dest.parents}
    assert set(outside) <= allowed
    for root, folders, names in os.walk(dest):
        for n in names + folders:
            real = os.path.realpath(os.path.join(root, n))
            assert real == str(dest) or real.startswith(str(dest) + '/')
