"""Random changes of colour and quality.

Effects are called with (image, mask, rng): image (H, W, 3) uint8 RGB, mask (H, W) uint8 0..255 of
the person or None, a NumPy generator; they return an image of the same kind and leave the given
one as it is. One that depends on what the example is has a method ``for_example(example)`` that
returns the effect for it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from posepile.raw.images import decode_image, encode_jpeg

#: Luma of the three primaries (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation, hue and white balance, as one linear map of RGB.

    A single map rounds and clips once. Unlike arithmetic on hue angles it is continuous, and grey
    stays grey under changes of saturation and hue.

    Attributes:
        brightness, contrast, saturation: largest change of the factor 1, either way.
        hue: largest angle of rotation about the grey axis, either way, degrees.
        balance: largest change of the gain of a channel, either way.
    """

    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4
    hue: float = 15.0
    balance: float = 0.08

    def __call__(self, image, mask, rng):
        matrix, offset = self.draw(rng)
        # The contrast is about the mean of the image, which is taken from every eighth pixel.
        offset = offset * float(image[::8, ::8].reshape(-1, 3).mean(axis=0) @ _LUMA)
        return cv2.transform(image, np.column_stack([matrix, offset]))

    def draw(self, rng):
        """A (3, 3) matrix, and the (3,) offset by which to multiply the mean luma."""
        brightness, contrast, saturation, hue, *balance = 2 * rng.random(7) - 1
        contrast = 1 + contrast * self.contrast
        gain = 1 + brightness * self.brightness
        to_grey = np.tile(_LUMA, (3, 1))
        saturated = to_grey + (1 + saturation * self.saturation) * (np.eye(3) - to_grey)
        balanced = np.diag(1 + self.balance * np.array(balance))
        turned = _about_grey(np.deg2rad(hue * self.hue))
        return gain * contrast * balanced @ turned @ saturated, np.full(3, gain * (1 - contrast))


def _about_grey(angle):
    """Rotation of RGB about the axis (1, 1, 1)."""
    cos, sin = np.cos(angle), np.sin(angle) / np.sqrt(3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return cos * np.eye(3) + (1 - cos) / 3 * np.ones((3, 3)) + sin * across


@dataclass(frozen=True)
class Degradation:
    """Blur, noise and compression, each with a probability of its own.

    Attributes:
        blur, noise, jpeg: probabilities.
        largest_sigma: of the Gaussian blur, px; the least is 0.5.
        largest_noise: standard deviation of the noise, grey levels.
        jpeg_quality: least and largest.
    """

    blur: float = 0.1
    noise: float = 0.1
    jpeg: float = 0.1
    largest_sigma: float = 2.0
    largest_noise: float = 12.0
    jpeg_quality: tuple[int, int] = (30, 90)

    def __call__(self, image, mask, rng):
        blur, noise, jpeg = rng.random(3)
        if blur < self.blur:
            sigma = rng.uniform(0.5, self.largest_sigma)
            image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        if noise < self.noise:
            level = rng.uniform(1, self.largest_noise)
            grain = rng.standard_normal(image.shape, np.float32) * np.float32(level)
            image = np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)
        if jpeg < self.jpeg:
            low, high = self.jpeg_quality
            image = decode_image(encode_jpeg(image, int(rng.integers(low, high + 1))))
        return image
