"""Detections that are there already: our own files, or what other tools left."""

import os
import os.path as osp
from collections.abc import Mapping

import numpy as np

from posepile.errors import ArchiveError, BadFileError, RawDataError
from posepile.raw.unpickle import restricted_load
from posepile.storage.results import Results, frame_key, part_files


def open_detections(place, unfinished=False) -> Mapping[str, np.ndarray]:
    """Detections as a mapping from image path, or ``frame_key(video, index)``, to boxes.

    Args:
        place: a folder in which this program left its results (then a
            :class:`~posepile.storage.results.Results`), or a pickle of other tools, or a folder of
            pickles with one for each video (see :class:`PickledDetections`).
        unfinished: whether to look into the files of tasks that are still running, or were killed.

    Returns:
        Mapping to float32 (n, 5): left, top, width, height, confidence, by falling confidence.

    Raises:
        BadFileError: if there are none.
    """
    place = os.fspath(place)
    if osp.isdir(place) and part_files(place, unfinished):
        results = Results(place, unfinished=unfinished)
        kind = results.settings.get('kind')
        if kind != 'detections':
            raise ArchiveError(place, f'holds {kind}, not detections', 'Name another folder.')
        return results
    if osp.exists(place):
        return PickledDetections(place)
    raise BadFileError(
        place, 'there are no detections', 'Run the detection step, or put them there.'
    )


class PickledDetections(Mapping):
    """What other detectors left: a dictionary from path to boxes, or lists of boxes per frame.

    Args:
        place: a pickle of a dictionary from relative image path to (n, 5) boxes; or a folder in
            which ``<video path without extension>.pkl`` holds a list with the boxes of each frame.
            The keys of frames are then ``frame_key(path without extension, index)``.

    Boxes without a confidence get 1. Pickles cannot run code: only plain data is loaded.

    Raises:
        RawDataError: if a file is damaged, or holds anything else.
    """

    def __init__(self, place):
        self.place = os.fspath(place)
        self._boxes = {}
        for path, video in _pickles(self.place):
            content = restricted_load(path)
            if isinstance(content, Mapping):
                found = {_text(path, key): boxes for key, boxes in content.items()}
            elif isinstance(content, (list, tuple)):
                found = {frame_key(video, i): boxes for i, boxes in enumerate(content)}
            else:
                raise RawDataError(
                    path,
                    'a dictionary of image path to boxes, or a list of the boxes in each frame was '
                    f'expected, not {type(content).__name__}',
                )
            for key, boxes in found.items():
                self._boxes[key] = _normalised(path, key, boxes)

    def __getitem__(self, key):
        return self._boxes[key]

    def __iter__(self):
        return iter(sorted(self._boxes))

    def __len__(self):
        return len(self._boxes)


def _pickles(place):
    """(path, name of the video that it may be about) of a pickle, or of all in a folder."""
    if osp.isfile(place):
        yield place, osp.splitext(osp.basename(place))[0]
        return
    found = sorted(
        osp.join(folder, name)
        for folder, _, names in os.walk(place)
        for name in names
        if name.endswith(('.pkl', '.pickle'))
    )
    if not found:
        raise BadFileError(place, 'holds no detections', 'Run the detection step.')
    for path in found:
        yield path, osp.splitext(osp.relpath(path, place))[0]


def _text(path, key):
    try:
        key = key.decode() if isinstance(key, bytes) else str(key)
        key.encode()
    except UnicodeError as e:
        raise RawDataError(path, f'the key {key!r} is no Unicode text') from e
    return key.removeprefix('./')


def _normalised(path, key, boxes):
    try:
        with np.errstate(over='ignore'):  # infinity is refused below
            rows = np.asarray(boxes, np.float32)
    except (TypeError, ValueError) as e:
        raise RawDataError(path, f'the boxes of {key} are no array of numbers ({e})') from e
    if rows.size == 0:
        return np.zeros((0, 5), np.float32)
    if rows.ndim == 1 and len(rows) in (4, 5):
        rows = rows[np.newaxis]
    if rows.ndim != 2 or rows.shape[1] not in (4, 5) or not np.all(np.isfinite(rows)):
        raise RawDataError(
            path,
            f'the boxes of {key} should be rows [left, top, width, height, confidence], but have '
            f'shape {rows.shape}' + ('' if np.all(np.isfinite(rows)) else ' and values like NaN'),
        )
    if rows.shape[1] == 4:
        rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
    return rows[np.argsort(-rows[:, 4], kind='stable')]
