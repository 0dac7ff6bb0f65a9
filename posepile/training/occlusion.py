"""Things put in front of people, and other places behind them. Effects as in ``appearance``."""

import glob
import os
from collections.abc import Sequence

import cv2
import numpy as np

from posepile.errors import RawDataError
from posepile.raw.images import read_image
from posepile.util.improc import paste_over


class Occluders:
    """Paste cut-out objects at random places over the image.

    Args:
        cutouts: (RGB (h, w, 3) uint8, opacity (h, w) of 0..1 or uint8 0..255) for each object.
        probability: that an image gets any.
        most: largest number in an image.
        sizes: least and largest length of the longer side, as fractions of the image's.

    Raises:
        ValueError: if there is no object, or an image and its opacity differ in size.
    """

    def __init__(self, cutouts, probability=0.5, most=4, sizes=(0.15, 0.5)):
        self.cutouts = [(image, _opacity(image, alpha)) for image, alpha in cutouts]
        if not self.cutouts:
            raise ValueError('there are no occluders')
        self.probability, self.most, self.sizes = probability, most, sizes

    @classmethod
    def from_folder(cls, folder, **options):
        """Of all PNG files with transparency in a folder.

        Raises:
            RawDataError: if there is none, or one cannot be read or lacks transparency.
        """
        paths = sorted(glob.glob(os.path.join(glob.escape(os.fspath(folder)), '*.png')))
        if not paths:
            raise RawDataError(
                os.fspath(folder), 'there are no PNG files with objects in this folder'
            )
        return cls([_read_cutout(path) for path in paths], **options)

    def __call__(self, image, mask, rng):
        if rng.random() >= self.probability:
            return image
        image = image.copy()
        height, width = image.shape[:2]
        for _ in range(rng.integers(1, self.most + 1)):
            cutout, alpha = self.cutouts[rng.integers(len(self.cutouts))]
            factor = rng.uniform(*self.sizes) * max(width, height) / max(cutout.shape[:2])
            size = tuple(max(1, round(n * factor)) for n in cutout.shape[1::-1])
            way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
            cutout, alpha = (cv2.resize(x, size, interpolation=way) for x in (cutout, alpha))
            if rng.random() < 0.5:
                cutout, alpha = cutout[:, ::-1], alpha[:, ::-1]
            center = rng.uniform((0, 0), (width, height))
            paste_over(cutout, image, alpha, center, inplace=True)
        return image


def _opacity(image, alpha):
    alpha = np.asarray(alpha)
    if alpha.dtype == np.uint8:
        alpha = alpha / np.float32(255)
    if alpha.shape != image.shape[:2]:
        raise ValueError(f'an image of {image.shape[:2]} with an opacity of {alpha.shape}')
    return np.ascontiguousarray(alpha, np.float32)


def _read_cutout(path):
    bgra = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if bgra is None or bgra.dtype != np.uint8 or bgra.ndim != 3 or bgra.shape[2] != 4:
        raise RawDataError(path, 'is no PNG with 8 bits per channel and transparency')
    return np.ascontiguousarray(bgra[..., 2::-1]), bgra[..., 3]


class Backgrounds:
    """Replace what is around the person by a part of another picture.

    Images without a mask stay as they are. The seam is softened, as masks are not exact.

    Args:
        images: paths of image files, or RGB uint8 arrays, without people in them.
        probability: that an image gets another background.
        softness: standard deviation of the blur of the mask, px.
    """

    def __init__(self, images: Sequence, probability=0.5, softness=1.0):
        self.images = images
        if not len(images):
            raise ValueError('there are no background images')
        self.probability, self.softness = probability, softness

    @classmethod
    def from_list(cls, list_path, folder=None, **options):
        """Of files named in a text file, one in a line, relative to ``folder``.

        For instance ``non_person_images.txt`` of INRIA Holidays, with ``jpg_small`` as folder.

        Raises:
            RawDataError: if the list is not there or is empty.
        """
        folder = os.path.dirname(list_path) if folder is None else folder
        try:
            with open(list_path, encoding='utf-8') as f:
                names = [line.strip() for line in f if line.strip()]
        except FileNotFoundError:
            raise RawDataError(list_path, 'there is no such list of images') from None
        if not names:
            raise RawDataError(list_path, 'the list of images is empty')
        return cls([os.path.join(folder, name) for name in names], **options)

    def __call__(self, image, mask, rng):
        if mask is None or rng.random() >= self.probability:
            return image
        picture = self.images[rng.integers(len(self.images))]
        if not isinstance(picture, np.ndarray):
            picture = read_image(picture)
        background = _part(picture, image.shape[:2], rng)
        mask = cv2.GaussianBlur(mask, (0, 0), self.softness) if self.softness > 0 else mask
        alpha = mask[..., np.newaxis] / np.float32(255)
        mixed = background + (image.astype(np.float32) - background) * alpha
        return np.rint(mixed).astype(np.uint8)


def _part(picture, shape, rng):
    """A random part of the shape's aspect, at least half as long as would fit, maybe mirrored."""
    height, width = shape
    fit = min(picture.shape[0] / height, picture.shape[1] / width) * rng.uniform(0.5, 1)
    size = max(1, int(width * fit)), max(1, int(height * fit))
    left = rng.integers(picture.shape[1] - size[0] + 1)
    top = rng.integers(picture.shape[0] - size[1] + 1)
    part = picture[top : top + size[1], left : left + size[0]]
    part = cv2.resize(
        part, (width, height), interpolation=cv2.INTER_AREA if fit > 1 else cv2.INTER_LINEAR
    )
    return part[:, ::-1] if rng.random() < 0.5 else part
