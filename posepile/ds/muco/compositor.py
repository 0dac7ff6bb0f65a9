"""Pasting people of several pictures into one.

Colours are mixed as they are encoded, and edges are soft, as in the authors' program.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import rlemasklib

_BLUR = 2.0  # px, of the person's outline
_BLUR_SIZE = 9  # px: MATLAB's filter reaches 2 standard deviations
_HALF = 127.5


@dataclass(frozen=True, eq=False)
class Layer:
    """One person's picture, and what of it is pasted.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        foreground: (h, w) uint8, how much of the person there is.
        chair: (h, w) uint8, 0 where their chair is, 255 elsewhere.
    """

    image: np.ndarray
    foreground: np.ndarray
    chair: np.ndarray

    def opacity(self) -> np.ndarray:
        """(h, w) float32 from 0 to 1: of the person, with a soft edge."""
        return cv2.GaussianBlur(
            np.float32(self.foreground) / 255,
            (_BLUR_SIZE, _BLUR_SIZE),
            _BLUR,
            borderType=cv2.BORDER_REPLICATE,
        )

    def person_mask(self) -> dict:
        """Where the person is rather pasted than not, run-length encoded."""
        return rlemasklib.encode((self.opacity() > 0.5).astype(np.uint8))

    def chair_mask(self) -> dict:
        """Where the chair is rather pasted than not, run-length encoded."""
        return rlemasklib.encode((self.chair < _HALF).astype(np.uint8))


def composite(layers, gammas) -> np.ndarray:
    """One picture of everybody.

    Args:
        layers: from far to near; the first one's surroundings become the background.
        gammas: exponent of each layer's values (0 to 1); less than 1 brightens it.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    result = None
    for layer, gamma in zip(layers, gammas, strict=True):
        image = cv2.LUT(layer.image, np.float32(255 * (np.arange(256) / 255) ** gamma))
        if result is None:
            result = image
            continue
        chair = np.float32(layer.chair) / 255
        if layer.chair.min() < 255:
            result = cv2.blendLinear(result, image, chair, 1 - chair)
        opacity = layer.opacity()
        result = cv2.blendLinear(image, result, opacity, 1 - opacity)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)
