"""The download step: fetch what the raw folder of a dataset lacks, and nothing else."""

import os
import os.path as osp

from posepile import paths
from posepile.errors import RawDataError
from posepile.raw.download import download
from posepile.raw.unpack import unpack


def fetch_dataset(info):
    """Download and unpack the files that a product needs.

    A file is passed over if it has been unpacked before, or if what it provides is already in
    place because a person (or the simulator) put it there.

    Args:
        info: :class:`posepile.registry.DatasetInfo`.

    Raises:
        PosePileError: if a download fails for good, an archive is damaged, or a file that only a
            person can get is missing.
    """
    root = paths.check_data_root()
    n_present = 0
    for file in info.files:
        if file.group and file.group not in info.groups:
            continue
        folder = osp.join(root, file.raw)
        path = osp.join(folder, file.path)
        if _is_in_place(folder, file):
            n_present += 1
            continue
        if file.url is None:
            raise RawDataError(
                path,
                f'this file of {info.title} is missing, and only you can get it ({info.access})',
                f'How: {info.homepage}',
            )
        os.makedirs(osp.dirname(path), exist_ok=True)
        download(file.url, path, md5=file.md5, sha256=file.sha256, size=file.size)
        if file.unpack:
            unpack(path, osp.join(folder, file.unpack.into), strip=file.unpack.strip)
            open(_mark(path), 'w').close()
            if file.unpack.remove:
                os.remove(path)
    print(f'{n_present} files of {info.name} were in place already below {root}')


def _is_in_place(folder, file):
    path = osp.join(folder, file.path)
    if file.unpack is None:
        return file.url is None and osp.exists(path)  # download() checks the others
    if is_unpacked(path):
        return True
    # An archive without a mark was being unpacked when something stopped it.
    provided = file.provides is not None and osp.exists(osp.join(folder, file.provides))
    return provided and not osp.exists(path)


def is_unpacked(archive_path) -> bool:
    """Whether an archive was unpacked completely by :func:`fetch_dataset`."""
    return osp.exists(_mark(archive_path))


def _mark(archive_path):
    return f'{archive_path}.unpacked'
