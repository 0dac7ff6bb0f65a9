"""What is annotated: a person in an image, and which images there can be."""

import re
from typing import NamedTuple

import numpy as np

from posepile.ds.h36m.benchmark import View
from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.errors import RawDataError
from posepile.util import TEST, TRAIN, VALID

#: Whose poses are annotated, and what they are for.
SPLIT_OF_SUBJECT = {1: TRAIN, 5: TRAIN, 6: TRAIN, 7: VALID, 8: TEST}
#: Of so many samples, the first ones, 2D joints are read as well, to check the cameras.
N_CHECKED = 100

_TAKE = re.compile(r'[A-Za-z]{1,30}( \d{1,2})?')
#: More frames than an hour of video has; a file that names a later one is damaged.
_MOST_FRAMES = 200_000
_REMEDY = 'Delete it and download it again.'


class Sample(NamedTuple):
    """One annotated person.

    Attributes:
        id: number of the sample in the JSON files; without one, a running number.
        view: image that shows them.
        box: (4,) [left, top, width, height] in pixels, or None.
        joints: (133, 3) world coordinates, mm, float64.
        points: (133, 2) pixels as annotated, where they were read.
    """

    id: int
    view: View
    box: np.ndarray | None
    joints: np.ndarray
    points: np.ndarray | None = None


def checked_view(path, subject, take, camera, frame) -> View:
    """The view, if there can be such an image.

    Raises:
        RawDataError: if nobody of this number is annotated, or there is no such camera or take.
    """
    is_possible = camera in CAMERA_IDS and frame < _MOST_FRAMES and _TAKE.fullmatch(take)
    if subject not in SPLIT_OF_SUBJECT or not is_possible:
        problem = f'names an image S{subject}, {take!r}, camera {camera}, frame {frame}'
        subjects = ', '.join(f'S{s}' for s in SPLIT_OF_SUBJECT)
        raise RawDataError(path, f'{problem}; annotated are {subjects}', _REMEDY)
    return View(subject, take, camera, frame)


def box_of_corners(path, where, corners) -> np.ndarray:
    """(4,) [left, top, width, height] of an object x_min, y_min, x_max, y_max.

    Raises:
        RawDataError: if it is none.
    """
    try:
        left, top, right, bottom = (float(corners[k]) for k in ('x_min', 'y_min', 'x_max', 'y_max'))
        box = np.array([left, top, right - left, bottom - top])
    except (KeyError, TypeError, ValueError, OverflowError) as e:
        problem = f'bbox of {where} is not x_min, y_min, x_max, y_max ({e!r})'
        raise RawDataError(path, problem, _REMEDY) from e
    if not np.isfinite(box).all():
        raise RawDataError(path, f'bbox of {where} is not finite', _REMEDY)
    return box
