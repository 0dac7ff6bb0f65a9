"""The truth about collections of images, and the comparison of a packed one with it."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from posepile.simulate.truth import read_truth, write_truth
from posepile.storage.image_collection import open_images

_MOST_NAMED = 5


@dataclass
class TrueImage:
    """An image that a product must have.

    Attributes:
        name: its name in the collection.
        image: (H, W, 3) uint8 RGB.
        opacity: (H, W) from 0 to 1, of occluders; None for backgrounds.
        tolerance: largest mean absolute difference in grey levels; images may be compressed.
    """

    name: str
    image: np.ndarray
    opacity: np.ndarray | None = None
    tolerance: float = 0.5


@dataclass
class ImageFidelity:
    """Outcome of :func:`check_images`.

    Attributes:
        images: number of images compared.
        missing, unexpected: names of images that should be there, or should not.
        wrong: what is wrong with images that are there, in words.
        pixel_error: largest mean absolute difference of an image, grey levels.
        opacity_error: largest difference of the opacity of a pixel.
    """

    name: str
    images: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    pixel_error: float = 0.0
    opacity_error: float = 0.0

    def problems(self) -> list[str]:
        """What is not as it should be, in words; empty if all is."""
        lines = []
        for names, what in (
            (self.missing, 'images are missing'),
            (self.unexpected, 'images should not be there'),
            (self.wrong, 'images are wrong'),
        ):
            if names:
                lines.append(f'{len(names)} {what}: {", ".join(names[:_MOST_NAMED])}')
        if self.images == 0:
            lines.append('there was nothing to compare')
        return lines

    def lines(self) -> list[str]:
        """The figures, one per line."""
        return [
            f'{self.images} images compared',
            f'mean difference of an image: at most {self.pixel_error:.3g} grey levels',
            f'opacity of a pixel: at most {self.opacity_error:.4f} off',
        ]

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {**dataclasses.asdict(self), 'problems': self.problems()}


def save_true_images(product, images):
    """Store the truth about all images that ``product`` must have."""
    write_truth(product, [vars(image) for image in images])


def load_true_images(product) -> list[TrueImage]:
    """The truth about a product made from a simulated release.

    Raises:
        BadFileError: if there is none: the release is real, or was simulated elsewhere.
    """
    return [TrueImage(**image) for image in read_truth(product)]


def check_images(name) -> ImageFidelity:
    """Compare every image of the packed product ``name`` with the simulated truth.

    Sizes must be equal, pixels so on average up to the tolerance of each image, and the opacity of
    every pixel up to the 255th in which it is stored.

    Raises:
        BadFileError: if there is no truth.
        ArchiveError: if the product is not packed, or is damaged.
    """
    truth = {image.name: image for image in load_true_images(name)}
    collection = open_images(name)
    report = ImageFidelity(name)
    for found_name, item in zip(collection.names, collection, strict=True):
        if found_name not in truth:
            report.unexpected.append(found_name)
            continue
        _compare(report, truth[found_name], item)
    report.missing = sorted(set(truth) - set(collection.names))
    return report


def _compare(report, true, item):
    image, alpha = item if isinstance(item, tuple) else (item, None)
    report.images += 1
    if image.shape != true.image.shape or (alpha is None) != (true.opacity is None):
        report.wrong.append(f'{true.name} has the shape {image.shape}, not {true.image.shape}')
        return
    error = float(np.mean(np.abs(image.astype(float) - true.image)))
    report.pixel_error = max(report.pixel_error, error)
    if error > true.tolerance:
        report.wrong.append(f'{true.name} differs by {error:.2f} grey levels')
    if alpha is not None:
        error = float(np.max(np.abs(alpha / 255 - true.opacity)))
        report.opacity_error = max(report.opacity_error, error)
        if error > 0.51 / 255:
            report.wrong.append(f'the opacity of {true.name} is {error:.3f} off')
