"""Reading, writing and simple manipulation of images: RGB uint8 (height, width, 3) throughout."""

import os
import os.path as osp

import cv2
import numpy as np

from posepile.atomic import replacing
from posepile.errors import RawDataError
from posepile.paths import ensure_absolute_path
from posepile.raw import images


def imread(path, dst=None, scale=1):
    """The image at ``path`` (below DATA_ROOT if relative), its size multiplied by ``scale``.

    Args:
        path: str, bytes or path object.
        dst: if given, an array of the right shape that the image is written to and returned in.
        scale: see :func:`posepile.raw.images.decode_image`.
    """
    path = ensure_absolute_path(os.fsdecode(path))
    return _into(dst, images.read_image(path, scale))


def decode_jpeg(data, dst=None, scale=None):
    """Like :func:`imread`, for a path, or the content of a file as bytes or 1-D uint8 array."""
    if isinstance(data, (str, os.PathLike)):
        return imread(data, dst, scale or 1)
    return _into(dst, images.decode_image(_content(data), scale or 1))


decode_jpeg_bytes = decode_jpeg


def decode_imsize_jpeg(data):
    """Width and height of a JPEG image, given as in :func:`decode_jpeg`, without decoding it."""
    if isinstance(data, (str, os.PathLike)):
        return image_extents(data)
    size = images.jpeg_size(_content(data))
    if size is None:
        raise RawDataError('<bytes>', 'is no JPEG file, or a damaged one')
    return size


def image_extents(path):
    """Width and height of the image at ``path`` (below DATA_ROOT if relative), from its header."""
    return images.image_size(ensure_absolute_path(os.fsdecode(path)))


def imwrite_jpeg(rgb, path, quality=95):
    """Write a JPEG file, which appears when it is complete. Folders are created."""
    path = ensure_absolute_path(os.fsdecode(path))
    data = images.encode_jpeg(rgb, quality)
    os.makedirs(osp.dirname(path), exist_ok=True)
    with replacing(path) as partial, open(partial, 'wb') as f:
        f.write(data)


def is_image_readable(path):
    """Whether the image file decodes completely."""
    try:
        imread(path)
    except RawDataError:
        return False
    return True


def is_jpeg_readable(data):
    """Whether a JPEG image, given as in :func:`decode_jpeg`, decodes completely."""
    try:
        decode_jpeg(data)
    except RawDataError:
        return False
    return True


def resize_by_factor(im, factor, interp=None):
    """Resize to the rounded multiple of the size; bilinear to enlarge, area average to shrink."""
    if interp is None:
        interp = cv2.INTER_LINEAR if factor > 1 else cv2.INTER_AREA
    size = round(im.shape[1] * factor), round(im.shape[0] * factor)
    return cv2.resize(im, size, interpolation=interp)


def adjust_gamma(im, gamma, inplace=False):
    """Replace every value v of a uint8 image by 255 (v/255)^gamma, truncated."""
    table = (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return cv2.LUT(im, table, dst=im if inplace else None)


def white_balance(im, a=None, b=None):
    """Shift the colours of a uint8 RGB image so that (a, b) of the CIELAB space becomes neutral.

    The shift is proportional to lightness, times 1.1, in OpenCV's 8-bit encoding of CIELAB.
    ``a`` and ``b`` default to the mean over the image (grey-world assumption).
    """
    lab = cv2.cvtColor(im, cv2.COLOR_RGB2LAB).astype(np.float32)
    lightness = lab[..., 0] / 255 * 1.1
    for channel, neutral in ((1, a), (2, b)):
        if neutral is None:
            neutral = np.mean(lab[..., channel])
        lab[..., channel] -= (neutral - 128) * lightness
    return cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)


def normalize01(im, dst=None):
    """Values 0..255 as float32 0..1."""
    return np.divide(im, np.float32(255), out=dst, dtype=np.float32)


def blend_image(im1, im2, im2_weight):
    """Weighted mean of two images, in the type of the first. The weight may be an array."""
    im2_weight = np.asarray(im2_weight, np.float32)
    if im2_weight.ndim == im1.ndim - 1:
        im2_weight = im2_weight[..., np.newaxis]
    blended = im1.astype(np.float32) * (1 - im2_weight) + im2.astype(np.float32) * im2_weight
    return blended.astype(im1.dtype)


def paste_over(im_src, im_dst, alpha, center, inplace=False):
    """Paste an image onto another, cut where it sticks out.

    Args:
        im_src: uint8 (h, w, 3)
        im_dst: uint8 (H, W, 3), changed only if ``inplace``.
        alpha: opacity of im_src from 0 to 1, a number or (h, w).
        center: (x, y) in im_dst, rounded, where pixel (w // 2, h // 2) of im_src goes.
    """
    result = im_dst if inplace else im_dst.copy()
    size = np.array(im_src.shape[1::-1])
    start = np.round(np.asarray(center, np.float64)).astype(int) - size // 2
    first = np.maximum(start, 0)
    last = np.minimum(start + size, im_dst.shape[1::-1])
    if np.any(first >= last):
        return result
    alpha = np.broadcast_to(np.asarray(alpha, np.float32), im_src.shape[:2])
    (x0, y0), (x1, y1) = first - start, last - start
    target = result[first[1] : last[1], first[0] : last[0]]
    target[:] = blend_image(target, im_src[y0:y1, x0:x1], alpha[y0:y1, x0:x1])
    return result


def _content(data):
    return data.tobytes() if isinstance(data, np.ndarray) else bytes(data)


def _into(dst, image):
    if dst is None:
        return image
    dst[...] = image
    return dst
