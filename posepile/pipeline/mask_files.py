"""Masks of crops, found again when a dataset is packed.

Those that a person put at ``$DATA_ROOT/<crops folder>/masks`` come first: pickles of other tools,
or results of ``python -m posepile.segmentation``; else those that the masks step has made.
"""

import os
import os.path as osp

import numpy as np

from posepile import paths
from posepile.errors import BadFileError
from posepile.segmentation.choice import chosen_people
from posepile.segmentation.stored import (
    PickledMasks,
    decoded_rle,
    mask_key,
    mask_pickles,
    mask_results,
)
from posepile.storage.results import part_files

_LEAST_OVERLAP = 0.1  # as in the masks step
_ABSENT = object()


def given_masks_folder(recipe) -> str | None:
    """The folder with masks that were put in place by hand; None if there are none."""
    folder = osp.join(paths.data_root(), recipe.crops_folder, 'masks')
    return folder if part_files(folder) or mask_pickles(folder) else None


def is_network_unwanted() -> bool:
    """Whether the user has chosen not to look for masks: ``POSEPILE_SEGMENTER=none``."""
    return os.environ.get('POSEPILE_SEGMENTER') == 'none'


class MaskFiles:
    """The masks of a dataset's crops; false if there are none at all.

    Args:
        recipe: tells the folders, how files made by other tools name a crop, and whether the masks
            of the persons are wanted or those of all people in the crop.

    Raises:
        BadFileError: if a file is damaged.
    """

    def __init__(self, recipe):
        self._recipe = recipe
        is_wanted = recipe.mask_of != 'nobody'
        given = given_masks_folder(recipe) if is_wanted else None
        self._is_given = given is not None
        # What a run has left that was stopped to go on without masks is not complete.
        made = is_wanted and not is_network_unwanted() and part_files(recipe.masks_dir)
        self.folder = given or (recipe.masks_dir if made else None)
        if self.folder is None:
            self._values = {}
        else:
            is_ours = part_files(self.folder)
            self._values = mask_results(self.folder) if is_ours else PickledMasks(self.folder)

    def __bool__(self):
        return self.folder is not None

    def of(self, image_path, number=0, box=None):
        """The RLE of the ``number``-th person of a crop; None if they were not found in it.

        Args:
            box: (4,) of the person in the crop, which tells whose mask is theirs where all people
                were looked for.

        Raises:
            BadFileError: if there are masks, but none of this crop.
        """
        for name in self._names(image_path):
            value = self._values.get(mask_key(name, number), _ABSENT)
            if value is _ABSENT and number > 0:
                value = self._values.get(name, _ABSENT)
                if isinstance(value, dict) and 'person' in value:  # of the first person alone
                    value = _ABSENT
            if value is not _ABSENT:
                return self._mask_in(value, box)
        raise BadFileError(
            self.folder,
            f'there are masks, but none of the crop {mask_key(image_path, number)}',
            'Complete them (segment the missing crops), or move them away to pack without masks.'
            if self._is_given
            else f'Make them again: posepile run {self._recipe.name} --force masks',
        )

    def _names(self, image_path):
        """What the crop may be called."""
        if not self._is_given:
            return [image_path]
        names = [osp.relpath(image_path, self._recipe.crops_folder), image_path]
        n_components = self._recipe.mask_key_components
        if n_components:
            names.insert(0, '/'.join(image_path.split('/')[-n_components:]))
        return names

    def _mask_in(self, value, box):
        if value is None or 'size' in value:  # of another tool
            return value
        if self._recipe.mask_of == 'person':
            if 'person' in value:
                return decoded_rle(value['person'])
            if 'masks' in value:
                (chosen,) = chosen_people([np.float64(box)], value['boxes'], _LEAST_OVERLAP)
                return None if chosen < 0 else decoded_rle(value['masks'][chosen])
        return decoded_rle(value['people'])
