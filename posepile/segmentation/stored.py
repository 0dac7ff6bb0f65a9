"""Masks that are there already: our own files, or what other tools left."""

import glob
import itertools
import os
import os.path as osp
import zlib
from collections.abc import Mapping

import numpy as np
import rlemasklib

from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.raw.unpickle import restricted_load
from posepile.storage.results import Results, part_files

#: Which of the masks of a crop: of the person it was made for, or of all people together.
WHICH = ('person', 'people')


def mask_key(path, number=0) -> str:
    """Key of the mask of the ``number``-th person whose crop an image is."""
    return path if number == 0 else f'{path}#{number:02d}'


def open_masks(place, which='person') -> Mapping[str, dict | None]:
    """Masks of crops as a mapping from ``mask_key(crop path)`` to RLE; None where nobody was found.

    An RLE is a dictionary ``size`` [height, width], ``counts`` (bytes), as ``pycocotools`` and
    ``rlemasklib`` read it.

    Args:
        place: a folder in which this program left its results, or one of pickles of other tools,
            or such a pickle: a dictionary of path to RLE. Those hold what they hold, whatever
            ``which`` says.
        which: ``'person'`` or ``'people'``. Where no one person was looked for, it is people.

    Raises:
        BadFileError: if there are none.
        OptionError: if ``which`` is neither.
    """
    if which not in WHICH:
        raise OptionError(f'There are masks of a person or of people, not of {which!r}.')
    place = os.fspath(place)
    if osp.isdir(place) and part_files(place):
        return mask_results(place, _Decoder(which))
    if osp.exists(place):
        return PickledMasks(place)
    raise BadFileError(place, 'there are no masks', 'Run the masks step, or put them there.')


def open_instances(place) -> Results:
    """All people found in images, as a mapping from path to (boxes, masks).

    Args:
        place: a folder in which ``python -m posepile.segmentation find`` left its results.

    Returns:
        Mapping to float32 (n, 5) boxes with confidence, and a list of n RLEs, None for a person of
        whom no pixel was found.

    Raises:
        BadFileError: if there are none.
    """
    for value in itertools.islice(mask_results(place).values(), 1):
        if 'masks' not in value:
            raise BadFileError(
                place, 'holds masks, but not of all people one by one', 'Read it with open_masks.'
            )
    return mask_results(place, _decoded_instances)


def mask_results(folder, decode=lambda value: value) -> Results:
    """The values that this program left in a folder, as they are stored or decoded.

    Raises:
        BadFileError: if they are no masks.
    """
    results = Results(folder, decode)
    if results.settings.get('kind') != 'masks':
        raise BadFileError(
            folder, f'holds {results.settings.get("kind")}, not masks', 'Name another folder.'
        )
    return results


def _decoded_instances(value):
    return value['boxes'], [decoded_rle(rle) for rle in value['masks']]


class _Decoder:
    def __init__(self, which):
        self._which = which

    def __call__(self, value):
        return decoded_rle(value.get(self._which, value['people']))


class PickledMasks(Mapping):
    """Pickled dictionaries of crop path to RLE, as other segmentation tools leave them.

    Args:
        place: a pickle, or a folder with several, ``*.pkl``, which are taken together.

    Raises:
        RawDataError: if a file is damaged, or holds anything else. Pickles cannot run code.
    """

    def __init__(self, place):
        place = os.fspath(place)
        self.files = mask_pickles(place) if osp.isdir(place) else [place]
        if not self.files:
            raise BadFileError(place, 'holds no masks', 'Run the masks step.')
        self._masks = {}
        for path in self.files:
            masks = restricted_load(path)
            if not isinstance(masks, Mapping):
                raise RawDataError(
                    path,
                    f'a dictionary of crop path to mask was expected, not {type(masks).__name__}',
                    'Remove the file or put the right one in its place.',
                )
            for key, rle in masks.items():
                key = key.decode() if isinstance(key, bytes) else str(key)
                self._masks[key] = _checked(path, key, rle)

    def __getitem__(self, key):
        return decoded_rle(self._masks[key])

    def __iter__(self):
        return iter(sorted(self._masks))

    def __len__(self):
        return len(self._masks)


def mask_pickles(folder) -> list[str]:
    """Paths of the pickles in a folder, sorted."""
    return sorted(glob.glob(osp.join(glob.escape(folder), '*.pkl')))


def encoded_rle(mask) -> dict | None:
    """RLE of a uint8 mask as it is stored: counts compressed by zlib. None of an empty mask."""
    if not mask.any():
        return None
    return stored_rle(rlemasklib.encode(mask))


def stored_rle(rle) -> dict | None:
    """The usual RLE as it is stored; None of None."""
    if rle is None:
        return None
    rle = rlemasklib.compress(rle, zlevel=-1)
    return dict(size=[int(side) for side in rle['size']], zcounts=rle['zcounts'])


def decoded_rle(rle):
    """The usual RLE of a stored one; None of None."""
    if rle is None or 'counts' in rle:
        return rle
    rle = rlemasklib.decompress(rle, only_gzip=True)
    return dict(size=[int(side) for side in rle['size']], counts=rle['counts'])


def _checked(path, key, rle):
    """An RLE of another tool as ``size`` and ``counts`` or ``zcounts``."""
    if rle is None:
        return None
    try:
        rle = {str(name): value for name, value in rle.items()}
        for name in ('counts', 'zcounts'):
            if isinstance(rle.get(name), str):  # byte strings of Python 2, or out of JSON
                rle[name] = rle[name].encode('latin1')
        if isinstance(rle.get('counts'), (list, tuple, np.ndarray)):  # as COCO has its crowds
            rle = dict(size=rle['size'], ucounts=np.asarray(rle['counts'], np.uint32))
        rle = rlemasklib.compress(rle)
        rlemasklib.decompress(rle)  # raises ValueError if the runs do not fill the size
    except (
        AttributeError,
        LookupError,
        OverflowError,
        TypeError,
        ValueError,
        zlib.error,
    ) as e:
        raise RawDataError(
            path,
            f'the mask of {key} is no RLE with size and counts ({type(e).__name__}: {e})',
            'Make it again, or leave it out.',
        ) from e
    return rle
