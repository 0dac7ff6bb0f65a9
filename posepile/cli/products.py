"""Packed datasets as commands name them."""

import os.path as osp

from posepile import paths
from posepile.errors import ArchiveError, OptionError, UnknownDatasetError
from posepile.registry import find_dataset


def find_product(name_or_path) -> tuple[str, str | None]:
    """Paths of the annotation and the image archive of a product.

    Args:
        name_or_path: name of a packed dataset below DATA_ROOT, or path of an annotation archive
            (``*.barecat``), whose images lie beside it.

    Raises:
        ArchiveError: if it is not there; says how to make it.
        OptionError: if it is the path of something else, or a collection of images.
        UnknownDatasetError: if there is no such dataset either.
    """
    if name_or_path.endswith('.barecat'):
        from posepile.storage.access import images_beside

        return name_or_path, images_beside(name_or_path)
    if osp.sep in name_or_path:
        raise OptionError(
            f'{name_or_path} is no annotation archive. Give the path of a file '
            'annotations.barecat or the name of a packed dataset.'
        )
    paths.check_data_root(to_write=False)
    if not osp.exists(paths.packed_paths(name_or_path)[0]):
        info = find_dataset(name_or_path)  # a misspelt name is told with the nearest ones
        if not info.has_poses:
            raise OptionError(f'{info.name} holds {info.kind}, and this is about poses.')
    from posepile.storage.access import product_paths

    return product_paths(name_or_path)


def find_images(name_or_path) -> str | None:
    """Path of the archive of a collection of images; None if the name is not that of one.

    Args:
        name_or_path: name of a product below DATA_ROOT, or path of an archive.

    Raises:
        ArchiveError: if it has not been packed; says how to make it.
    """
    if name_or_path.endswith('.barecat'):
        return name_or_path if osp.basename(name_or_path) == 'images.barecat' else None
    try:
        info = find_dataset(name_or_path)
    except UnknownDatasetError:  # there may be an archive of that name nevertheless
        return None
    if info.has_poses:
        return None
    paths.check_data_root(to_write=False)
    path = paths.packed_paths(info.name)[1]
    if not osp.exists(path):
        raise ArchiveError(
            path,
            f'{info.name} has not been packed yet',
            f'Make it with: posepile run {info.name}',
        )
    return path
