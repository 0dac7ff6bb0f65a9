"""What to say when a disk is full or cannot be written."""

import contextlib
import errno
import sqlite3

from posepile.errors import ArchiveError


@contextlib.contextmanager
def explain_disk_errors(path):
    """Turn 'no space left' and 'not writable' in all guises into an :class:`ArchiveError`."""
    try:
        yield
    except OSError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise _disk_full(path, e) from e
    except sqlite3.OperationalError as e:
        if not any(words in str(e) for words in ('full', 'disk I/O error')):
            raise
        raise _disk_full(path, e) from e
    except RuntimeError as e:
        if not isinstance(e.__cause__, sqlite3.Error):
            raise
        raise ArchiveError(
            path,
            f'cannot be opened for writing ({e.__cause__})',
            'Check the permissions of the file and its folder, and that its disk is there.',
        ) from e


def _disk_full(path, e):
    return ArchiveError(
        path,
        f'cannot be written: no space is left on its disk or in your quota ({e})',
        'Free some space and run the same command again; finished work is kept.',
    )
