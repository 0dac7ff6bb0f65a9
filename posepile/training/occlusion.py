"""Things put in front of people, and other places behind them. Effects as in ``appearance``.

Probabilities, sizes and their order are those with which MeTRAbs is trained (I. Sarandi,
A. Hermans, B. Leibe. Learning 3D Human Pose Estimation from Dozens of Datasets using a
Geometry-Aware Autoencoder to Bridge Between Skeleton Formats. WACV 2023).
"""

import copy
import glob
import os
from collections.abc import Sequence

import cv2
import numpy as np

from posepile.errors import RawDataError
from posepile.raw.images import read_image
from posepile.storage.image_collection import ImageCollection, decode_cutout, open_images
from posepile.training.rendering import warp
from posepile.util.improc import paste_over

#: Side of an image in which occluders have their own size at a scale of 1, px.
_REFERENCE_SIDE = 256
#: Datasets whose images were rendered, with surroundings that fit the people.
_RENDERED = ('sailvos', 'agora', 'spec-syn', 'hspace')


class Occlusion:
    """Either objects or a rectangle of noise in front of the person, or neither.

    Which of the two it may be is drawn first, one as likely as the other, and then whether it is.
    Objects come before the effects of colour, as if they had been there; rectangles after them.
    So give these effects to this one.

    Args:
        objects: :class:`Occluders`, or what that takes, such as ``'pascal_voc'``. Its own
            probability does not matter.
        between: effects of colour.
        erasing: :class:`RandomErasing`.
        probability: that something is put in front of a person; ``probability2d``: the same for
            examples of 2D datasets.
    """

    def __init__(self, objects, between=(), erasing=None, probability=0.5, probability2d=0.7):
        self.objects = objects if isinstance(objects, Occluders) else Occluders(objects)
        self.between = list(between)
        self.erasing = RandomErasing() if erasing is None else erasing
        self.probability, self.probability2d = probability, probability2d

    def for_example(self, example):
        """The effect with the probability for this example."""
        if hasattr(example, 'world_coords'):
            return self
        suited = copy.copy(self)
        suited.probability = self.probability2d
        return suited

    def __call__(self, image, mask, rng):
        is_objects = rng.random() < 0.5
        is_occluded = rng.random() < self.probability
        if is_occluded and is_objects:
            image = self.objects.pasted(image, rng)
        for effect in self.between:
            image = effect(image, mask, rng)
        if is_occluded and not is_objects:
            image = self.erasing.erased(image, rng)
        return image


class Occluders:
    """Paste cut-out objects at random places over the image.

    Args:
        cutouts: name of a packed product of occluders (``'pascal_voc'``), path of its archive, or a
            sequence of (RGB (h, w, 3) uint8, opacity (h, w) of 0..1 or uint8 0..255).
        probability: that an image gets any.
        most: largest number in an image; the least is 1.
        scales: least and largest factor of the size of objects, in images of 256 px; in larger ones
            objects are larger.
        strength: a further factor of their size.

    Raises:
        ValueError: if there is no object, or an image and its opacity differ in size.
        ArchiveError: if the product has not been packed.
    """

    def __init__(self, cutouts, probability=0.5, most=6, scales=(0.2, 1.0), strength=1.0):
        if isinstance(cutouts, (str, os.PathLike)):
            cutouts = open_images(cutouts, 'occluders')
        elif not isinstance(cutouts, ImageCollection):
            cutouts = [(image, _opacity(image, alpha)) for image, alpha in cutouts]
        if not len(cutouts):
            raise ValueError('there are no occluders')
        self.cutouts = cutouts
        self.probability, self.most = probability, most
        self.scales, self.strength = scales, strength

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
        return self.pasted(image, rng) if rng.random() < self.probability else image

    def pasted(self, image, rng):
        """A copy of the image with objects in it."""
        image = image.copy()
        height, width = image.shape[:2]
        for _ in range(rng.integers(1, self.most + 1)):
            cutout, alpha = self.cutouts[rng.integers(len(self.cutouts))]
            scale = rng.uniform(*self.scales)
            factor = scale * max(width, height) / _REFERENCE_SIDE * self.strength
            center = rng.uniform((0, 0), (width, height))
            cutout, alpha = (_resized(x, factor) for x in (cutout, _opacity(cutout, alpha)))
            paste_over(cutout, image, alpha, center, inplace=True)
        return image


def _resized(image, factor):
    size = tuple(max(1, round(n * factor)) for n in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR if factor > 1 else cv2.INTER_AREA)


def _opacity(image, alpha):
    alpha = np.asarray(alpha)
    if alpha.dtype == np.uint8:
        alpha = alpha / np.float32(255)
    if alpha.shape != image.shape[:2]:
        raise ValueError(f'an image of {image.shape[:2]} with an opacity of {alpha.shape}')
    return np.ascontiguousarray(alpha, np.float32)


def _read_cutout(path):
    with open(path, 'rb') as f:
        return decode_cutout(f.read(), path)


class RandomErasing:
    """Replace a random rectangle by noise (Z. Zhong et al. Random Erasing Data Augmentation. 2020).

    Args:
        probability: that an image is changed.
        largest: largest area of the rectangle, as a fraction of the image's.
        aspects: least and largest ratio of height to width.
        strength: a further factor of the area.
    """

    def __init__(self, probability=0.5, largest=1 / 3, aspects=(0.3, 1 / 0.3), strength=1.0):
        self.probability, self.largest = probability, largest
        self.aspects, self.strength = aspects, strength

    def __call__(self, image, mask, rng):
        return self.erased(image, rng) if rng.random() < self.probability else image

    def erased(self, image, rng):
        """A copy of the image with a rectangle of noise that lies in it with all of its area."""
        size = np.array(image.shape[1::-1])
        while True:
            area = rng.uniform(0, self.largest) * size.prod() * self.strength
            aspect = rng.uniform(*self.aspects)
            start = rng.uniform((0, 0), size)
            end = start + np.sqrt([area / aspect, area * aspect])
            if np.all(end < size):
                break
        (left, top), (right, bottom) = start.astype(int), end.astype(int)
        image = image.copy()
        shape = (bottom - top, right - left, 3)
        image[top:bottom, left:right] = rng.integers(0, 255, shape, np.uint8)
        return image


class Backgrounds:
    """Replace what is around the person by a part of another picture.

    Images without a mask stay as they are. The part is about the middle of the picture.

    Args:
        images: name of a packed product of backgrounds (``'inria_holidays'``), path of its archive,
            or a sequence of paths of image files or RGB uint8 arrays, without people in them.
        probability: that an image gets another background; ``probability_rendered``: the same for
            3D examples of datasets that were rendered with surroundings.
        zoom: least and largest size of the picture, in units of that in which it covers the image.
        shift: radius of the disc from which the shift of the picture is drawn, as a fraction of the
            height of the image.
        softness: standard deviation of a blur of the mask, px; 0: none.

    Raises:
        ValueError: if there are no images.
        ArchiveError: if the product has not been packed.
    """

    def __init__(
        self,
        images: Sequence | str,
        probability=0.7,
        probability_rendered=0.2,
        zoom=(1.2, 1.5),
        shift=0.1,
        softness=0.0,
    ):
        if isinstance(images, (str, os.PathLike)):
            images = open_images(images, 'backgrounds')
        if not len(images):
            raise ValueError('there are no background images')
        self.images = images
        self.probability, self.probability_rendered = probability, probability_rendered
        self.zoom, self.shift, self.softness = zoom, shift, softness

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

    def for_example(self, example):
        """The effect with the probability for this example."""
        is_rendered = any(name in example.image_path for name in _RENDERED)
        if not (is_rendered and hasattr(example, 'world_coords')):
            return self
        suited = copy.copy(self)
        suited.probability = self.probability_rendered
        return suited

    def __call__(self, image, mask, rng):
        if mask is None or rng.random() >= self.probability:
            return image
        picture = self.images[rng.integers(len(self.images))]
        if not isinstance(picture, np.ndarray):
            picture = read_image(picture)
        background = self._part(picture, image.shape[:2], rng)
        mask = cv2.GaussianBlur(mask, (0, 0), self.softness) if self.softness > 0 else mask
        alpha = mask[..., np.newaxis] / np.float32(255)
        mixed = background + (image.astype(np.float32) - background) * alpha
        return np.rint(mixed).astype(np.uint8)

    def _part(self, picture, shape, rng):
        """What a camera sees that looks at the picture, is zoomed, and then shifted."""
        height, width = shape
        fit = max(height / picture.shape[0], width / picture.shape[1])
        factor = rng.uniform(*self.zoom) * fit
        radius, angle = np.sqrt(rng.random()), 2 * np.pi * rng.random()
        shift = self.shift * height * radius * np.array([np.cos(angle), np.sin(angle)])
        to_picture = np.diag([1 / factor, 1 / factor, 1])
        center = (np.array([width, height]) - 1) / 2 + shift
        to_picture[:2, 2] = (np.array(picture.shape[1::-1]) - 1) / 2 - center / factor
        return warp(picture, to_picture, (width, height), cv2.BORDER_REPLICATE)
