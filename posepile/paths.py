"""Where things lie: ``DATA_ROOT``, ``CACHE_DIR`` and the folders below them.

``DATA_ROOT`` and ``CACHE_DIR`` are looked up at every access, so that a changed environment is
seen and that importing this module needs no environment at all. ``from posepile.paths import
DATA_ROOT`` raises :class:`posepile.errors.DataRootError` (a ``KeyError``) if it is unset. Importing
a constant also makes ``simplepyutils.picklecache`` keep its files below CACHE_DIR.
"""

import os
import os.path as osp

from posepile.errors import DataRootError


def data_root() -> str:
    """The parent directory of all dataset directories, from the environment variable DATA_ROOT.

    Raises:
        DataRootError: if the variable is unset or empty.
    """
    root = os.environ.get('DATA_ROOT')
    if not root:
        raise DataRootError(
            'The environment variable DATA_ROOT is not set. Set it to the directory that holds '
            '(or shall hold) the dataset directories: export DATA_ROOT=/path/to/data'
        )
    return osp.abspath(root)


def check_data_root(to_write=True) -> str:
    """Return :func:`data_root` after checking that it is a directory that can be used.

    Args:
        to_write: whether we want to write in it.

    Raises:
        DataRootError: if it is unset, no directory, or not writable, or archives cannot lie there.
    """
    root = data_root()
    # Barecat takes paths for URIs. Said here, it is said before hours of download.
    if set('?#%') & set(root):
        raise DataRootError(
            f'DATA_ROOT={root} contains one of the characters ? # %, which paths of archives must '
            'not. Rename the directory or set the environment variable DATA_ROOT to another one.'
        )
    if osp.exists(root) and not osp.isdir(root):
        raise DataRootError(
            f'DATA_ROOT={root} is a file. Set the environment variable DATA_ROOT to a directory.'
        )
    if not osp.isdir(root):
        raise DataRootError(
            f'DATA_ROOT={root} is not an existing directory. Create it (mkdir -p {root}) or set '
            'the environment variable DATA_ROOT to another one.'
        )
    if to_write and not os.access(root, os.W_OK | os.X_OK):
        raise DataRootError(
            f'DATA_ROOT={root} is not writable for this user. Change its permissions or set the '
            'environment variable DATA_ROOT to another directory.'
        )
    return root


def cache_dir() -> str:
    """Directory of cached files: ``$CACHE_DIR``, by default ``$DATA_ROOT/cache``."""
    return os.environ.get('CACHE_DIR') or osp.join(data_root(), 'cache')


def packed_paths(name: str) -> tuple[str, str]:
    """Paths of the annotation and the image archive of the packed dataset ``name``."""
    folder = osp.join(data_root(), 'packed', name)
    return osp.join(folder, 'annotations.barecat'), osp.join(folder, 'images.barecat')


def state_dir(name: str) -> str:
    """Directory of what is known about the work on dataset ``name``: steps, shards, logs."""
    return osp.join(data_root(), '.posepile', name)


def step_dir(name: str, step: str) -> str:
    """Directory of the marks, logs and results of one step of dataset ``name``."""
    return osp.join(state_dir(name), step)


def ensure_absolute_path(path, root=None) -> str:
    """``path`` below ``root`` (default DATA_ROOT); unchanged if absolute or if root is empty."""
    path = os.fspath(path)
    if osp.isabs(path):
        return path
    return osp.join(data_root() if root is None else root, path)


def __getattr__(name):
    if name in ('DATA_ROOT', 'CACHE_DIR'):
        # Training code imports a constant before it uses picklecache, which by itself knows the
        # environment variable CACHE_DIR, but not the default.
        from simplepyutils.picklecachefun import set_default_cache_root

        set_default_cache_root(cache_dir())
        return data_root() if name == 'DATA_ROOT' else cache_dir()
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
