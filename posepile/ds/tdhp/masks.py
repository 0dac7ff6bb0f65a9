"""Masks of MPI-INF-3DHP, made by its authors from the green of the studio.

The red channel of a foreground picture is high where the person is. What its compression leaves
elsewhere stays below 32 of 255.
"""

import cv2
import numpy as np

from posepile.errors import RawDataError
from posepile.util.boxes import areas, intersections

THRESHOLD = 32
_END = np.inf, None


def foreground_mask(picture) -> np.ndarray:
    """uint8 (h, w) of 0 and 255 from a foreground picture, uint8 RGB (h, w, 3)."""
    return cv2.threshold(picture[..., 0], THRESHOLD, 255, cv2.THRESH_BINARY)[1]


def component_of(mask, box) -> np.ndarray:
    """The 4-connected part of a mask whose tight box overlaps most (IoU) with a person's.

    Args:
        mask: uint8 (h, w) of 0 and 255.
        box: (4,) [left, top, width, height] px.

    Returns:
        Likewise, of that part alone; all 0 if there is none.
    """
    n, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if n == 1:
        return mask
    found = np.float64(stats[1:, :4])  # the first is the background
    common = areas(intersections(found, box))
    best = 1 + np.argmax(common / (areas(found) + areas(box) - common))
    return np.where(labels == best, np.uint8(255), np.uint8(0))


class ForegroundMasks:
    """The masks of chosen frames, read on from the last one: ``masks[i_frame]``, or None.

    Args:
        frames: source of foreground pictures.
        indices: the frames that will be asked for, increasing.
        boxes: (F, 4) of the person in each frame, if only the part that fits it is wanted.
        notes: list to which is added what is wrong with the pictures.
    """

    def __init__(self, frames, indices, boxes=None, notes=None):
        self._frames = frames
        self._indices = list(indices)
        self._boxes = boxes
        self._notes = [] if notes is None else notes
        self._start()

    def __getitem__(self, i_frame):
        if self._latest[0] > i_frame:
            self._start()
        while self._latest[0] < i_frame:
            self._latest = self._next()
        index, picture = self._latest
        if index != i_frame:
            return None
        mask = foreground_mask(picture)
        return mask if self._boxes is None else component_of(mask, self._boxes[i_frame])

    def _start(self):
        self._pictures = self._frames.frames(self._indices, self._note)
        self._latest = (-1, None)

    def _next(self):
        try:
            latest = next(self._pictures, None)
        except RawDataError as e:  # there are none at all
            self._note(None, str(e))
            return _END
        if latest is None and self._latest[0] < self._indices[-1]:
            self._note(None, f'there are none after frame {max(self._latest[0], 0)}')
        return _END if latest is None else latest

    def _note(self, i_frame, message):
        place = 'masks' if i_frame is None else f'mask of frame {i_frame}'
        note = f'{place}: {message}'
        if note not in self._notes:
            self._notes.append(note)
