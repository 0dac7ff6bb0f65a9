"""The pixels of a view."""

import cv2
import numpy as np


def render(image, view, out=None) -> np.ndarray:
    """Resample an image for a view.

    Pixels are interpolated linearly; where the view shows the image at half its size or less,
    blocks of its pixels are averaged first.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        view: :class:`~posepile.training.augmentation.View`.
        out: array for the result, which is made if there is none.

    Returns:
        uint8 (side, side, 3) or (side, side); black where the image does not reach.
    """
    size = (view.side, view.side)
    if view.lens.distortion is not None:
        x, y = view.lens.maps(view.to_view, view.intrinsics, size)
        return cv2.remap(image, x, y, cv2.INTER_LINEAR, dst=out)
    return warp(image, np.linalg.inv(view.homography), size)


def warp(image, to_image, size, border=cv2.BORDER_CONSTANT) -> np.ndarray:
    """Resample an image as :func:`render` does.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        to_image: (3, 3) homography from pixels of the result to those of the image.
        size: (width, height) of the result.
        border: of OpenCV's; by default black.
    """
    factor = int(_pixels_per_pixel(to_image, size))
    factor = min(factor, image.shape[0], image.shape[1])
    if factor > 1:
        image = _averaged(image, factor)
        center = (1 / factor - 1) / 2
        to_image = (
            np.array([[1 / factor, 0, center], [0, 1 / factor, center], [0, 0, 1]]) @ to_image
        )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(image, to_image, size, flags=flags, borderMode=border)


def _pixels_per_pixel(to_image, size):
    """How far the image moves on when the middle of the result does by a pixel."""
    middle = np.array([size[0] / 2, size[1] / 2, 1])
    there = to_image @ middle
    place = there[:2] / there[2]
    jacobian = (to_image[:2, :2] - np.outer(place, to_image[2, :2])) / there[2]
    return np.sqrt(abs(np.linalg.det(jacobian)))


def _averaged(image, factor):
    """Means of blocks of factor x factor pixels; what fills no block is left out."""
    height, width = (n // factor for n in image.shape[:2])
    image = image[: height * factor, : width * factor]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
