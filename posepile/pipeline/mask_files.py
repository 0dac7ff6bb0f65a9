"""Masks of crops, found again when a dataset is packed.

Those that a person put at ``$DATA_ROOT/<crops folder>/masks`` come first: pickles of other tools,
or results of ``python -m posepile.segmentation``; else those that the masks step has made.
"""

import os.path as osp

from posepile import paths
from posepile.errors import BadFileError
from posepile.segmentation.stored import PickledMasks, mask_key, mask_pickles, open_masks
from posepile.storage.results import part_files


def given_masks_folder(recipe) -> str | None:
    """The folder with masks that were put in place by hand; None if there are none."""
    folder = osp.join(paths.data_root(), recipe.crops_folder, 'masks')
    return folder if part_files(folder) or mask_pickles(folder) else None


class MaskFiles:
    """The masks of a dataset's crops.

    Args:
        recipe: tells the folders, how files made by other tools name a crop, and whether the masks
            of the persons are wanted or those of all people in the crop.

    Raises:
        BadFileError: if a file is damaged.
    """

    def __init__(self, recipe):
        self._recipe = recipe
        self.folder = given_masks_folder(recipe)
        if self.folder is None and part_files(recipe.masks_dir):
            self.folder = recipe.masks_dir
        self._masks = open_masks(self.folder, recipe.mask_of) if self.folder else {}

    def __bool__(self):
        return self.folder is not None

    def of(self, image_path, number=0):
        """The RLE of the ``number``-th person of a crop; None if they were not found in it.

        Raises:
            BadFileError: if there are masks, but none of this crop.
        """
        key = self._key(image_path, number)
        try:
            return self._masks[key]
        except KeyError:
            raise BadFileError(
                self.folder,
                f'there are masks, but none of the crop {key}',
                'Complete them (segment the missing crops), or move them away to pack without '
                'masks.',
            ) from None

    def _key(self, image_path, number):
        if not isinstance(self._masks, PickledMasks):
            return mask_key(image_path, number)
        n_components = self._recipe.mask_key_components
        if n_components:
            return '/'.join(image_path.split('/')[-n_components:])
        return osp.relpath(image_path, self._recipe.crops_folder)
