"""Errors of a full or broken disk say where it is."""

import contextlib


@contextlib.contextmanager
def naming(path):
    """Name ``path`` in an :class:`OSError` that has no path, as those of writing have none."""
    try:
        yield
    except OSError as e:
        if e.errno is not None and e.filename is None:
            e.filename = path
        raise
