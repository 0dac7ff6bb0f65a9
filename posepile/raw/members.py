"""The members of zip and tar archives, one after the other, in one shape.

What an archive says about itself is not trusted here: every name is checked to stay below the
folder it is unpacked to, links included, and anything but files, folders and links is refused.
"""

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import os
import posixpath
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from posepile.errors import RawDataError

#: What the standard library raises for damaged archives, beside OSError without an errno.
DAMAGE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    struct.error,
    OverflowError,
    ValueError,
)
_MAX_LINK_LENGTH = 4096
_ABSOLUTE = re.compile(r'/|[A-Za-z]:[/\\]')


class UnsafeMember(Exception):
    """A member of an archive would get out of the folder, or is no file, folder or link."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: relative path with forward slashes, without ``.`` and ``..``.
        kind: 'file', 'folder', 'symlink' (to ``target`` as written, relative to its folder) or
            'hardlink' (to the member named ``target``).
        size: bytes of a file.
        open: opens the content of a file.
    """

    name: str
    kind: str
    size: int = 0
    target: str = ''
    open: Callable[[], IO[bytes]] | None = None


@contextlib.contextmanager
def opened(path) -> Iterator[Iterable[Member]]:
    """Open a zip or tar (plain, gzip, bzip2, xz) archive, told apart by content, not by name.

    Yields:
        A list of the members of a zip, which has a directory; an iterator over those of a tar,
        of which each has to be read before going on to the next one.

    Raises:
        RawDataError: it is neither.
        DAMAGE: it is damaged; also raised by the iterator and by reading.
        UnsafeMember: see there; also raised by the iterator.
    """
    with open(path, 'rb') as f:
        magic = f.read(6)
        f.seek(0)
        if magic.startswith(b'PK'):
            with zipfile.ZipFile(f) as z:
                yield list(_zip_members(z))
            return
        with _decompressed(f, magic) as tape:
            last = _LastRead(tape)
            try:
                tar = tarfile.open(fileobj=last, mode='r:')
            except tarfile.ReadError as e:
                raise RawDataError(
                    path,
                    f'is not a zip or tar archive that can be read ({e})',
                    'If it should be one, delete it and download it again. Unpack other kinds of '
                    'archives by hand.',
                ) from e
            with tar:
                yield _tar_members(tar, last)


def _decompressed(file, magic):
    if magic.startswith(b'\x1f\x8b'):
        return gzip.GzipFile(fileobj=file)
    if magic.startswith(b'BZh'):
        return bz2.BZ2File(file)
    if magic == b'\xfd7zXZ\0':
        return lzma.LZMAFile(file)
    return contextlib.nullcontext(file)


def _zip_members(archive):
    for info in archive.infolist():
        # Some Windows programs write backslashes, which no other system takes for separators.
        name = _checked_name(info.filename.replace('\\', '/'))
        mode = info.external_attr >> 16
        if info.is_dir() or stat.S_ISDIR(mode):
            yield Member(name, 'folder')
        elif stat.S_ISLNK(mode):
            if info.file_size > _MAX_LINK_LENGTH:
                raise UnsafeMember(f'the link {name} has a target of {info.file_size} bytes')
            target = os.fsdecode(archive.read(info))
            yield Member(name, 'symlink', target=_checked_target(name, target))
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise UnsafeMember(f'{name} is neither a file nor a folder nor a link')
        else:
            yield Member(name, 'file', info.file_size, open=lambda info=info: archive.open(info))


def _tar_members(archive, last):
    while (info := archive.next()) is not None:
        archive.members.clear()  # else it remembers all of them, however many millions
        name = _checked_name(info.name)
        if info.isreg():
            yield Member(name, 'file', info.size, open=lambda info=info: archive.extractfile(info))
        elif info.isdir():
            yield Member(name, 'folder')
        elif info.issym():
            yield Member(name, 'symlink', target=_checked_target(name, info.linkname))
        elif info.islnk():
            yield Member(name, 'hardlink', target=_checked_name(info.linkname))
        else:
            raise UnsafeMember(f'{name} is neither a file nor a folder nor a link')
    # tarfile takes a header that is missing or unreadable for the end; the real end has zeros.
    if last.data != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError('the end-of-archive mark is missing')
    while last.read(1 << 20):  # checksums of compressed streams come at the very end
        pass


class _LastRead:
    """A file that remembers what was read from it last."""

    def __init__(self, file):
        self._file = file
        self.data = b''
        self.seek = file.seek
        self.tell = file.tell

    def read(self, n=-1):
        self.data = self._file.read(n)
        return self.data


def _checked_name(name):
    parts = name.split('/')
    if _ABSOLUTE.match(name) or '..' in parts or '\0' in name:
        raise UnsafeMember(f'{name!r} lies outside of the folder')
    return '/'.join(p for p in parts if p not in ('', '.'))


def _checked_target(name, target):
    """Refuse links that leave the folder, whatever other links there are.

    Going up is allowed at the start of the target only: there it leaves real folders. After the
    name of another link, ``..`` would leave wherever that one points to.
    """
    parts = [p for p in target.split('/') if p not in ('', '.')]
    n_up = next((i for i, p in enumerate(parts) if p != '..'), len(parts))
    depth = name.count('/')
    if target.startswith('/') or '\0' in target or n_up > depth or '..' in parts[n_up:]:
        raise UnsafeMember(f'the link {name} -> {target} leads outside of the folder')
    return posixpath.join(*parts) if parts else '.'
