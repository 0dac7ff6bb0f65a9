"""A file that one process at a time may work on."""

import contextlib
import errno
import fcntl
import logging
import os

_NO_LOCKS_HERE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def open_locked(path):
    """Open ``path`` for reading and writing (created if absent), alone among all processes.

    Waits while another process or thread holds it. The holder may rename or remove the file:
    whoever waited for it then starts with a new, empty one, instead of writing into a file that
    is in use under another name. On a file system without locks, the file is opened all the same
    and a warning is logged.

    Yields:
        An unbuffered binary file, positioned at its start.
    """
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), 'r+b', buffering=0)
        try:
            _lock(file, path)
            if _is_still_at(file, path):
                yield file
                return
        finally:
            file.close()


def _lock(file, path):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info('Waiting for another process that works on %s', path)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as e:
        if e.errno not in _NO_LOCKS_HERE:
            raise
        logger.warning('%s: no file locks here; do not run this twice at a time.', path)


def _is_still_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
