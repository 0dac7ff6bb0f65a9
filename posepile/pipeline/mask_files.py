"""Masks of crops, made by a segmentation stage or by other tools, found again at pack time."""

import glob
import os.path as osp

from posepile import paths
from posepile.errors import BadFileError
from posepile.raw.unpickle import restricted_load


def find_mask_files(recipe) -> list[str]:
    """Paths of all ``$DATA_ROOT/<crops folder>/masks/*.pkl``, sorted."""
    folder = osp.join(paths.data_root(), recipe.crops_folder, 'masks')
    return sorted(glob.glob(osp.join(glob.escape(folder), '*.pkl')))


class MaskFiles:
    """The masks in a dataset's mask files: dictionaries of crop path to RLE.

    Args:
        recipe: tells the folder, and how the files name a crop.
    """

    def __init__(self, recipe):
        self._folder = recipe.crops_folder
        self._n_components = recipe.mask_key_components
        self._masks = {}
        self.files = find_mask_files(recipe)
        for file in self.files:
            masks = restricted_load(file)
            if not isinstance(masks, dict):
                raise BadFileError(
                    file,
                    f'a dictionary of crop path to mask was expected, not {type(masks).__name__}',
                    'Remove the file or put the right one in its place.',
                )
            self._masks.update(masks)

    def __bool__(self):
        return bool(self.files)

    def of(self, image_path):
        """The RLE of a crop.

        Raises:
            BadFileError: if there are mask files, but none has this crop.
        """
        if self._n_components:
            key = '/'.join(image_path.split('/')[-self._n_components :])
        else:
            key = osp.relpath(image_path, self._folder)
        try:
            return self._masks[key]
        except KeyError:
            raise BadFileError(
                osp.dirname(self.files[0]),
                f'none of the {len(self.files)} mask files has the crop {key}',
                'Complete them (segment the missing crops), or move them away to pack without '
                'masks.',
            ) from None
