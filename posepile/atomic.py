"""Files that are there whole or not at all."""

import contextlib
import os


@contextlib.contextmanager
def replacing(path):
    """Give a temporary path to write to, which takes the place of ``path`` when the block ends.

    It lies beside ``path``, is this process's own, and has the same extension, by which many
    libraries choose a format. If the block raises, it is removed and ``path`` stays as it was.
    """
    stem, extension = os.path.splitext(os.fspath(path))
    partial = f'{stem}.{os.getpid()}.partial{extension}'
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
