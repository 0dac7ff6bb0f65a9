"""Safe unpacking of zip and tar archives that come from strangers.

Nothing is written outside of the folder, no link in an archive is followed while writing, and
neither permissions nor owners are taken over. Every file appears under its name only when it is
complete, so a run that was killed is continued, and one that was finished is recognised.
"""

import contextlib
import errno
import fnmatch
import json
import os
import os.path as osp
import shutil
import stat
from collections.abc import Iterable

from posepile.atomic import replacing
from posepile.errors import RawDataError
from posepile.raw import members as archive_members
from posepile.raw.locks import open_locked

_CHUNK = 1 << 20


def unpack(archive, dest, strip=0, members: Iterable[str] | None = None) -> list[str]:
    """Unpack ``archive`` (zip, tar, tar.gz, tar.bz2, tar.xz) into the folder ``dest``.

    Files that are there in their full size stay as they are; others are replaced. What was
    unpacked is recorded in ``dest/.unpacked``, so a second call only looks whether all of it is
    still there, which also works when the archive was deleted.

    Args:
        archive: path of the archive.
        dest: folder, created if needed.
        strip: number of leading folders to cut off the names; members with no more than these
            are left out.
        members: if given, only members whose full name in the archive matches one of these
            patterns, as in ``fnmatch`` (``*`` also matches slashes), are unpacked.

    Returns:
        Paths of the files relative to ``dest``, in the order of the archive.

    Raises:
        RawDataError: the archive is missing, damaged, encrypted, of an unknown kind, holds names
            or links that lead out of ``dest``, or needs more space than there is.
    """
    archive, dest = os.fspath(archive), os.fspath(dest)
    patterns = None if members is None else sorted(members)
    os.makedirs(dest, exist_ok=True)
    record = _Record(archive, dest, strip, patterns)
    if record.is_complete():
        return list(record.sizes)
    if not osp.isfile(archive):
        raise RawDataError(archive, 'there is no such archive', 'Download it to this place.')
    with _alone(record.path + '.lock'):
        record.load()
        if not record.is_complete():  # nobody else has done it while we waited
            _unpack(archive, dest, strip, patterns, record)
    return list(record.sizes)


def _unpack(archive, dest, strip, patterns, record):
    record.sizes = {}
    links = {}
    try:
        with archive_members.opened(archive) as found:
            if isinstance(found, list):
                _check_room(found, dest, strip, patterns)
            for m in found:
                if _is_wanted(m, patterns):
                    _unpack_member(m, dest, strip, links, record.sizes)
        # Links come last, so that no file is ever written through one of them.
        for path, target in links.items():
            _make_link(dest, path, target)
    except archive_members.UnsafeMember as e:
        raise RawDataError(
            archive,
            f'is not safe to unpack: {e}',
            'It may be forged. Get it from the source of the dataset again.',
        ) from e
    except archive_members.DAMAGE as e:
        raise _damaged(archive, e) from e
    except RuntimeError as e:  # zipfile: password, compression method
        raise RawDataError(
            archive, f'cannot be unpacked: {e}', f'Unpack it by hand (for example 7z x) to {dest}.'
        ) from e
    except OSError as e:
        if e.errno in (None, errno.EINVAL):  # the decompressors; a seek to a forged position
            raise _damaged(archive, e) from e
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _too_big(archive, dest, e.strerror) from e
        raise RawDataError(
            archive, f'cannot be unpacked to {dest}: {e}', 'Move what is in the way and run again.'
        ) from e
    record.save()


def _is_wanted(m, patterns):
    return patterns is None or any(fnmatch.fnmatchcase(m.name, p) for p in patterns)


def _check_room(found, dest, strip, patterns):
    missing = sum(
        m.size
        for m in found
        if _is_wanted(m, patterns)
        and not _has_size(osp.join(dest, _stripped(m.name, strip)), m.size)
    )
    free = shutil.disk_usage(dest).free
    if missing > free:
        raise OSError(errno.ENOSPC, f'{missing:,} bytes are needed, {free:,} are free')


def _unpack_member(m, dest, strip, links, sizes):
    path = _stripped(m.name, strip)
    if not path:
        return
    _check_no_link_above(path, links)
    full = osp.join(dest, path)
    if m.kind == 'folder':
        os.makedirs(full, exist_ok=True)
    elif m.kind == 'symlink':
        if strip and m.target.split('/').count('..') > path.count('/'):
            raise archive_members.UnsafeMember(
                f'the link {m.name} -> {m.target} leads outside of the folder'
            )
        links[path] = m.target
    elif m.kind == 'hardlink':
        source = _stripped(m.target, strip)
        if source not in sizes:
            raise archive_members.UnsafeMember(f'{m.name} repeats {m.target}, not unpacked before')
        with open(osp.join(dest, source), 'rb') as f:
            _write(f, full, sizes[source])
        sizes[path] = sizes[source]
    else:
        # A name that occurs twice means the later content, as with tar -r.
        if path in sizes or not _has_size(full, m.size):
            with m.open() as f:
                _write(f, full, m.size)
        sizes[path] = m.size


def _write(source, path, size):
    """Copy exactly ``size`` bytes from ``source`` to a file that appears when complete."""
    folder = osp.dirname(path)
    os.makedirs(folder, exist_ok=True)
    if size > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f'{size:,} bytes are needed for {path}')
    tmp = osp.join(folder, f'.{osp.basename(path)[:200]}.unpacking')
    left = size
    with open(tmp, 'wb') as f:
        while left and (chunk := source.read(min(_CHUNK, left))):
            f.write(chunk)
            left -= len(chunk)
        if left or source.read(1):
            raise EOFError(f'{osp.basename(path)} does not have the {size:,} bytes it should have')
    os.replace(tmp, path)


def _stripped(name, strip):
    return '/'.join(name.split('/')[strip:])


def _check_no_link_above(path, links):
    above = osp.dirname(path)
    while above:
        if above in links:
            raise archive_members.UnsafeMember(f'{path} lies below {above}, which is a link')
        above = osp.dirname(above)


def _make_link(dest, path, target):
    full = osp.join(dest, path)
    folder = osp.dirname(full)
    os.makedirs(folder, exist_ok=True)
    if osp.realpath(folder) != osp.normpath(osp.join(osp.realpath(dest), osp.dirname(path))):
        # From there, a target that is harmless by name could lead anywhere.
        raise archive_members.UnsafeMember(f'the link {path} lies in a folder that is a link')
    tmp = full + '.unpacking'
    with contextlib.suppress(FileNotFoundError):
        os.unlink(tmp)
    os.symlink(target, tmp)
    os.replace(tmp, full)


def _has_size(path, size):
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


class _Record:
    """``dest/.unpacked/<archive>.json``: the files of an archive with their sizes."""

    def __init__(self, archive, dest, strip, patterns):
        folder = osp.join(dest, '.unpacked')
        self.path = osp.join(folder, f'{osp.basename(archive)}.json')
        self._archive, self._dest = archive, dest
        self._asked = {'strip': strip, 'members': patterns}
        self.load()

    def load(self):
        self.sizes = None
        self._of = None
        try:
            with open(self.path) as f:
                content = json.load(f)
        except (FileNotFoundError, json.JSONDecodeError):
            return
        if content['asked'] == self._asked:
            self.sizes, self._of = content['files'], content['archive']

    def is_complete(self):
        """Whether all files are there, and of this archive if that is still there, too."""
        if self.sizes is None or (osp.exists(self._archive) and self._of != self._identity()):
            return False
        return all(_has_size(osp.join(self._dest, p), n) for p, n in self.sizes.items())

    def save(self):
        content = {'archive': self._identity(), 'asked': self._asked, 'files': self.sizes}
        with replacing(self.path) as partial, open(partial, 'w') as f:
            json.dump(content, f)

    def _identity(self):
        status = os.stat(self._archive)
        return [status.st_size, status.st_mtime_ns]


@contextlib.contextmanager
def _alone(path):
    os.makedirs(osp.dirname(path), exist_ok=True)
    with open_locked(path):
        try:
            yield
        finally:
            os.unlink(path)


def _damaged(archive, error):
    return RawDataError(
        archive,
        f'is damaged or incomplete ({type(error).__name__}: {error})',
        'Delete it and download it again.',
    )


def _too_big(archive, dest, why):
    return RawDataError(
        archive, f'does not fit on the disk of {dest} ({why})', 'Make room and run again.'
    )
