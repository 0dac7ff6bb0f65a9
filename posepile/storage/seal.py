"""A checksum of an archive's index in the index file itself.

Contents have checksums in the index, but nothing vouches for the index: many of its bytes carry no
meaning for SQLite, and others (a size, a place) only a meaning that no query contradicts. SQLite
leaves two 32-bit numbers of its header to applications. A sealed index has a fixed mark in one
(``application_id``) and in the other (``user_version``) the CRC-32 of the whole file with both
taken as zero. That finds every change that lies within four neighbouring bytes, other damage but
for one case in 2**32. Readers of Barecat archives ignore both numbers; the size stays the same.
"""

import enum
import os
import struct
import zlib

from posepile.errors import ArchiveError

_SQLITE_MAGIC = b'SQLite format 3\0'
_HEADER_SIZE = 100
_USER_VERSION, _APPLICATION_ID = 60, 68  # offsets; see "The Database Header" of sqlite.org
_MARK = struct.unpack('>I', b'PoPi')[0]
_CHUNK = 1 << 20


class Seal(enum.Enum):
    """What the seal says of an index file."""

    INTACT = 'intact'
    BROKEN = 'broken'  #: the file has changed since it was sealed
    NONE = 'none'  #: never sealed: by another program, or an older version of this one


def seal_index(path):
    """Seal the complete, closed SQLite file ``path`` in place; doing so again changes nothing.

    Raises:
        ArchiveError: if it is no SQLite file.
    """
    _, _, checksum = _read(path)
    with open(path, 'r+b') as f:
        for offset, value in ((_USER_VERSION, checksum), (_APPLICATION_ID, _MARK)):
            f.seek(offset)
            f.write(struct.pack('>I', value))


def check_seal(path) -> Seal:
    """Compare an index file with its seal; reads the whole file, without SQLite.

    Raises:
        ArchiveError: if it is no SQLite file.
    """
    mark, stored, checksum = _read(path)
    if mark == stored == 0:
        return Seal.NONE
    return Seal.INTACT if (mark, stored) == (_MARK, checksum) else Seal.BROKEN


def _read(path):
    """Mark and checksum in the header, and the checksum that ought to be there."""
    with open(path, 'rb') as f:
        header = bytearray(f.read(_HEADER_SIZE))
        if len(header) < _HEADER_SIZE or header[: len(_SQLITE_MAGIC)] != _SQLITE_MAGIC:
            raise ArchiveError(
                os.fspath(path),
                'the index of an archive is an SQLite file, and this is none, or its header is '
                'damaged',
                'Pack it again or copy it anew.',
            )
        mark, stored = (
            struct.unpack_from('>I', header, offset)[0]
            for offset in (_APPLICATION_ID, _USER_VERSION)
        )
        for offset in (_APPLICATION_ID, _USER_VERSION):
            struct.pack_into('>I', header, offset, 0)
        checksum = zlib.crc32(header)
        while chunk := f.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return mark, stored, checksum
