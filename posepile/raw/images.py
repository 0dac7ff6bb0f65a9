"""Image files as RGB arrays, and folders of them as a source of frames.

Pixels are returned as they are stored: a note in the file that a viewer should rotate it (EXIF
orientation) is ignored, because annotations refer to stored pixels. Alpha is dropped.
"""

import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np
import simplejpeg

from posepile.errors import RawDataError
from posepile.raw.frames import OnBadFrame, increasing, warner

_REMEDY = 'Delete it and get it again from the raw release.'
_JPEG_MAGIC = b'\xff\xd8\xff'
_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
#: Bytes that usually hold the header of a JPEG file; more are read if it is longer.
_HEADER_SIZE = 1 << 16
#: Complaints of libjpeg about files that it nevertheless decodes to the right pixels.
_HARMLESS = ('extraneous bytes',)


def read_image(path, scale=1) -> np.ndarray:
    """The image in the file ``path``; see :func:`decode_image`."""
    return decode_image(_read(path), scale, path)


def decode_image(data: bytes, scale=1, name='<bytes>') -> np.ndarray:
    """Decode a JPEG, PNG or any other file that OpenCV reads.

    Greyscale, palette, CMYK, alpha and 16 bits per channel all become three channels of 8 bits.

    Args:
        data: content of the file.
        scale: factor of the size. For JPEG, eighths up to 1 come at no cost and save time.
        name: stands for the source in error messages.

    Returns:
        uint8 (ceil(height * scale), ceil(width * scale), 3), RGB.

    Raises:
        RawDataError: no image, or one that ends early or is damaged otherwise.
    """

    def scaled(width, height):
        return math.ceil(width * scale), math.ceil(height * scale)

    image = _decode_jpeg(data, scaled, name) if data[:3] == _JPEG_MAGIC else None
    if image is None:
        image = _decode_by_opencv(data, name)
        height, width = image.shape[:2]
    else:
        image, width, height = image
    wanted = scaled(width, height)
    if wanted == image.shape[1::-1]:
        return image
    shrinks = wanted[0] < image.shape[1]
    return cv2.resize(image, wanted, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def decode_jpeg_at_least(data: bytes, size, name='<bytes>') -> np.ndarray:
    """Decode a JPEG at the fewest eighths of its size that are at least ``size`` (width, height).

    Returns:
        uint8 RGB, of full size where no smaller one suffices.

    Raises:
        RawDataError: as :func:`decode_image`.
    """
    if jpeg_size(data) is None:
        raise RawDataError(name, 'is no JPEG file, or its header is damaged', _REMEDY)
    decoded = _decode_jpeg(data, lambda width, height: size, name)
    return _decode_by_opencv(data, name) if decoded is None else decoded[0]


def _decode_jpeg(data, least_size, name):
    """Image (smaller if possible), full width and height; None if OpenCV has to do it.

    ``least_size`` makes (width, height) that suffice of the full ones.
    """
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except (ValueError, KeyError):  # KeyError: exotic chroma subsampling
        return None
    if colorspace in ('CMYK', 'YCCK'):
        return None
    least = least_size(width, height)
    smaller = {}
    if least[0] <= width and least[1] <= height:
        smaller = dict(min_width=least[0], min_height=least[1])
    try:
        return simplejpeg.decode_jpeg(data, strict=True, **smaller), width, height
    except ValueError as e:
        if any(h in str(e) for h in _HARMLESS):
            return simplejpeg.decode_jpeg(data, strict=False, **smaller), width, height
        raise RawDataError(name, f'is a damaged JPEG file ({e})', _REMEDY) from e


def _decode_by_opencv(data, name):
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if len(data) else None
    except cv2.error as e:
        raise RawDataError(name, f'is no image that can be read ({e})', _REMEDY) from e
    if bgr is None:
        raise RawDataError(name, 'is no image, or a damaged one', _REMEDY)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def image_size(path) -> tuple[int, int]:
    """Width and height of the image in a file, from its header where that is possible."""
    data = _read(path, _HEADER_SIZE)
    if data[:8] == _PNG_MAGIC and data[12:16] == b'IHDR' and len(data) >= 24:
        return struct.unpack('>II', data[16:24])
    if data[:3] == _JPEG_MAGIC:
        size = jpeg_size(data) or jpeg_size(data := _read(path))
        if size:
            return size
    height, width = read_image(path).shape[:2]
    return width, height


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the beginning of a JPEG file; None if the header is not in there."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):
        return None
    return width, height


def encode_jpeg(rgb: np.ndarray, quality=95) -> bytes:
    """JPEG file of a uint8 RGB image (height, width, 3), chroma at half resolution (4:2:0).

    The same pixels give the same bytes, with the same version of libjpeg-turbo.
    """
    rgb = np.ascontiguousarray(rgb)
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f'uint8 (height, width, 3) is expected, not {rgb.dtype} {rgb.shape}')
    return simplejpeg.encode_jpeg(rgb, quality=quality, colorspace='RGB', colorsubsampling='420')


class ImageFiles:
    """Image files as a :class:`posepile.raw.frames.FrameSource`.

    Args:
        paths: the files in temporal order, or a function from frame index to path.
        first: index of a frame that exists, whose size is taken for that of all.
    """

    def __init__(self, paths: Sequence[str] | Callable[[int], str], first=0):
        self._path_of = paths if callable(paths) else paths.__getitem__
        self._n_frames = None if callable(paths) else len(paths)
        self._first = first

    @property
    def imshape(self) -> tuple[int, int]:
        """Height and width of the first image, read at each access."""
        if self._n_frames == 0:
            raise ValueError('There are no image files')
        width, height = image_size(self._path_of(self._first))
        return height, width

    def frames(
        self, indices: Iterable[int], on_bad: OnBadFrame | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """See :meth:`posepile.raw.frames.FrameSource.frames`. Files may differ in size."""
        for i in increasing(indices):
            if self._n_frames is not None and i >= self._n_frames:
                return
            path = self._path_of(i)
            try:
                image = read_image(path)
            except RawDataError as e:
                (warner(path) if on_bad is None else on_bad)(i, str(e))
                continue
            yield i, image


def _read(path, n_bytes=-1):
    try:
        with open(path, 'rb') as f:
            return f.read(n_bytes)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as e:
        raise RawDataError(os.fspath(path), 'there is no such image file', _REMEDY) from e
