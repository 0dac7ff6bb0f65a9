"""Files that are there whole or not at all."""

import contextlib
import os


@contextlib.contextmanager
def replacing(path):
    """Give a temporary path to write to, which takes the place of ``path`` when the block ends.

    It lies beside ``path`` and has the same extension, by which many libraries choose a format.
    If the block raises, it is removed and ``path`` stays as it was. Its name is always the same,
    so that what a killed process leaves is overwritten by the next one; it follows that a path
    has one writer at a time.
    """
    stem, extension = os.path.splitext(os.fspath(path))
    partial = f'{stem}.partial{extension}'
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
