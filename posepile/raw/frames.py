"""What videos and sequences of image files have in common."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

logger = logging.getLogger(__name__)

#: Told about each frame that cannot be used: its index (None if unknown) and what is wrong.
OnBadFrame = Callable[[int | None, str], None]


@runtime_checkable
class FrameSource(Protocol):
    """The images of one camera in temporal order, counted from 0."""

    @property
    def imshape(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""

    def frames(
        self, indices: Iterable[int], on_bad: OnBadFrame | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index, image) for the wanted frames.

        Args:
            indices: strictly increasing; may be endless.
            on_bad: called for frames that cannot be decoded, which are left out. By default, a
                warning is logged.

        Yields:
            The index, and the image as RGB uint8 (height, width, 3). Frames after the end of the
            source are left out: who knows how many there have to be compares.

        Raises:
            RawDataError: there is no such source at all.
            ValueError: the indices do not increase.
        """


def warner(path) -> OnBadFrame:
    """The default for ``on_bad``."""

    def warn(index, message):
        where = 'a frame' if index is None else f'frame {index}'
        logger.warning('%s: %s: %s', path, where, message)

    return warn


def increasing(indices: Iterable[int]) -> Iterator[int]:
    """``indices``, as they come, after checking each."""
    previous = -1
    for i in indices:
        if i <= previous:
            raise ValueError(f'Frame indices have to increase from 0 on: {i} after {previous}')
        yield i
        previous = i
