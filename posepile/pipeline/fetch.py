"""The download step: fetch what the raw folder of a dataset lacks, and nothing else."""

import os
import os.path as osp

from posepile import paths
from posepile.raw.download import download
from posepile.raw.unpack import unpack


def fetch_dataset(info):
    """Download and unpack the files that a dataset lists.

    A file is passed over if it has been unpacked before, or if what it provides is already in
    place because a person (or the simulator) put it there. Optional files are fetched only for
    products that need their group.

    Args:
        info: :class:`posepile.registry.DatasetInfo`.

    Raises:
        PosePileError: if a download fails for good or an archive is damaged.
    """
    folder = osp.join(paths.check_data_root(), info.raw)
    n_present = 0
    for file in info.files:
        if file.optional and file.group not in info.options.get('groups', ()):
            continue
        if _is_in_place(folder, file):
            n_present += 1
            continue
        path = osp.join(folder, file.path)
        if not file.url:
            raise file.by_hand_error(path, info)
        os.makedirs(osp.dirname(path), exist_ok=True)
        download(file.url, path, md5=file.md5)
        if file.unpack:
            unpack(path, osp.join(folder, file.unpack['into']), strip=file.unpack.get('strip', 0))
            open(_mark(path), 'w').close()
    print(f'{n_present} of the files of {info.name} were in place already in {folder}')


def _is_in_place(folder, file):
    path = osp.join(folder, file.path)
    if not file.unpack:
        return False  # download() itself checks a file that is there
    if osp.exists(_mark(path)):
        return True
    # An archive without a mark was being unpacked when something stopped it.
    return not osp.exists(path) and osp.exists(osp.join(folder, file.unpack['provides']))


def _mark(archive_path):
    return f'{archive_path}.unpacked'
