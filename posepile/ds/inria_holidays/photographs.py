"""From a holiday photograph to a small square one."""

import io
import struct
import warnings

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from posepile.raw.images import decode_image

#: Length of the sides of the squares, px.
SIDE = 512

_ORIENTATION = 0x0112
#: Quarter turns against the clock by EXIF orientation. Those that mirror do not occur.
_TURNS = {3: 2, 6: 3, 8: 1}
#: What odd metadata make Pillow raise.
_ODD_METADATA = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error, ArithmeticError,
)  # fmt: skip


def small_square(data: bytes, name='<bytes>') -> np.ndarray:
    """The middle of a photograph, upright.

    Args:
        data: JPEG file: RGB, greyscale or CMYK.
        name: stands for the source in error messages.

    Returns:
        (512, 512, 3) uint8 RGB: the largest square about the middle, rounded towards the top left,
        averaged over the areas of the pixels.

    Raises:
        RawDataError: if the photograph is damaged.
    """
    image = np.rot90(decode_image(data, name=name), _TURNS.get(orientation(data), 0))
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def orientation(data: bytes):
    """The EXIF orientation of an image file; None if it has none, or one that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # those of what is odd, but can be read
            # Not by Image.open: Ultralytics, once imported, puts a function of its own there.
            with JpegImageFile(io.BytesIO(data)) as image:
                return image.getexif().get(_ORIENTATION)
    except _ODD_METADATA:
        return None
