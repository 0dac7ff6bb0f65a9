"""From the window of an object to what training pastes."""

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from posepile.errors import RawDataError
from posepile.util.improc import resize_by_factor
from posepile.util.maskproc import erode

_LEAST_PIXELS = 500
_RIM_OPACITY = 0.75
_RIM_WIDTH = 8  # diameter of the element that takes the rim off
_SCALE = 0.5


def cut_out(image, mask):
    """The object in a window, at half its size.

    Args:
        image: (h, w, 3) uint8 RGB.
        mask: (h, w) bool. What lies beyond the window counts as the object's, so that there is no
            rim where the object reaches its border.

    Returns:
        RGB uint8 and opacity float32, 1 inside, 0.75 in the rim, 0 outside, both averaged over the
        area of the smaller pixels; None if the object has too few pixels.
    """
    mask = mask.astype(np.uint8)
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return None
    opacity = mask.astype(np.float32)
    opacity[(mask == 1) & (erode(mask, _RIM_WIDTH) == 0)] = _RIM_OPACITY
    return _halved(image), _halved(opacity)


def _halved(image):
    if min(image.shape[:2]) * _SCALE > 0.5:
        return resize_by_factor(image, _SCALE, cv2.INTER_AREA)
    size = [max(1, round(n * _SCALE)) for n in image.shape[1::-1]]  # a single row or column
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def read_label_image(path):
    """(H, W) uint8: number of the object at each pixel; 0: background, 255: border of an object.

    The colours of the palette are for viewers; what counts is which entry a pixel names.

    Raises:
        RawDataError: if the file is missing or damaged, or has no palette.
    """
    remedy = 'Get it again from the raw release.'
    try:
        # Not by Image.open: Ultralytics, once imported, puts a function of its own in its place.
        with PngImageFile(path) as image:
            if image.mode != 'P':
                raise RawDataError(path, f'a palette image was expected, not {image.mode}', remedy)
            if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise RawDataError(path, f'its size of {image.size} cannot be right', remedy)
            return np.array(image)
    except FileNotFoundError as e:
        raise RawDataError(path, 'there is no such label image', remedy) from e
    except (OSError, SyntaxError, ValueError) as e:
        raise RawDataError(path, f'is no PNG file or a damaged one ({e})', remedy) from e
