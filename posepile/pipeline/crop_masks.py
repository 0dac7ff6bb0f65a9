"""The masks step: whose mask is whose in the crops of a dataset that is being made."""

import itertools
from dataclasses import dataclass

import numpy as np

from posepile.detection.sources import load_encoded
from posepile.detection.task_results import OtherSettingsError
from posepile.errors import OptionError
from posepile.pipeline import shards
from posepile.storage import archive, codec, records
from posepile.util import SPLIT_NAMES, TEST


@dataclass(frozen=True)
class Crop:
    """A crop in a shard; its records tell the boxes of the people that it is a crop of."""

    key: str
    shard: str
    records: tuple[str, ...]

    @property
    def first_keys(self):
        """See :attr:`posepile.detection.sources.ImageFile.first_keys`."""
        return (self.key,)

    def images(self, is_known):
        """See :meth:`posepile.detection.sources.ImageFile.images`."""
        if not is_known(self.key):
            yield self.key, self._load

    def _load(self, image_size, stride):
        boxes = [
            codec.unpack(archive.read_file(self.shard, f'annotations/{path}'))['bbox']
            for path in self.records
        ]
        jpeg = archive.read_file(self.shard, f'images/{self.key}')
        name = f'{self.shard}: {self.key}'
        return load_encoded(jpeg, image_size, stride, name, np.float64(boxes))


def list_crops(recipe) -> list[Crop]:
    """The crops of train and validation examples in all finished shards, sorted by path."""
    found = {}
    for shard in shards.finished_shards(recipe.shards_dir, recipe.fingerprint()):
        paths = (p.partition('/')[2] for p in archive.list_files(shard, 'annotations'))
        paths = sorted(p for p in paths if not p.startswith(f'{SPLIT_NAMES[TEST]}/'))
        for key, group in itertools.groupby(paths, records.image_path_of):
            # Past 99, the order of the paths is not that of the numbers.
            by_number = tuple(sorted(group, key=records.number_of))
            found.setdefault(key, Crop(key, shard, by_number))
    return [found[key] for key in sorted(found)]


def segment_crops(recipe, make_network, options, i_task=0, n_tasks=1, **more) -> list[str]:
    """Find the masks of the people in one task's share of a dataset's crops.

    Args:
        make_network: () -> :class:`~posepile.detection.network.PeopleNetwork`; not called if there
            is nothing to do.
        options: :class:`~posepile.segmentation.stage.SegmentationOptions`.
        more: further arguments of :func:`~posepile.segmentation.stage.segment_people`.

    Returns:
        Remarks for the user: in how many crops nobody was found, what could not be read.
    """
    from posepile.segmentation.stage import segment_people
    from posepile.segmentation.stored import open_masks
    from posepile.storage.results import part_path

    crops = list_crops(recipe)
    if not crops:
        return [f'{recipe.name} has no crops that need masks']
    out = recipe.masks_dir
    try:
        _, skipped = segment_people(
            crops, out, make_network(), options, i_task=i_task, n_tasks=n_tasks, **more
        )
    except OtherSettingsError as e:
        raise OptionError(f'{e} For a dataset: posepile run {recipe.name} --force masks.') from e
    masks = open_masks(out)
    path = part_path(out, i_task, n_tasks)
    found = {key: rle is not None for key, rle in masks.items_in(path)}
    notes = []
    n_empty = sum(not is_found for is_found in found.values())
    if n_empty:
        some = ', '.join([key for key, is_found in found.items() if not is_found][:3])
        notes.append(f'the person was not found in {n_empty} of {len(found)} crops, such as {some}')
    notes += [f'{key}: {reason}' for key, reason in skipped.items()]
    return notes
