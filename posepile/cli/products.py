"""Packed datasets as commands name them."""

import os.path as osp

from posepile import paths
from posepile.errors import OptionError
from posepile.registry import find_dataset


def find_product(name_or_path) -> tuple[str, str | None]:
    """Paths of the annotation and the image archive of a product.

    Args:
        name_or_path: name of a packed dataset below DATA_ROOT, or path of an annotation archive
            (``*.barecat``), whose images lie beside it.

    Raises:
        ArchiveError: if it is not there; says how to make it.
        OptionError: if it is the path of something else.
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
        find_dataset(name_or_path)  # a misspelt name is told with the nearest ones
    from posepile.storage.access import product_paths

    return product_paths(name_or_path)
