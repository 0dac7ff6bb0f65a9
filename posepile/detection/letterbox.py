"""How an image is fitted into the input of a network: scaled to fit, the rest filled with grey."""

from dataclasses import dataclass

import cv2
import numpy as np

_GREY = 114  # what Ultralytics pads with, so what its networks know as 'nothing'


@dataclass(frozen=True)
class Letterbox:
    """The place of an image in a network's input.

    Attributes:
        imshape: (height, width) of the image.
        size: (width, height) of the image in the input.
        offset: (left, top) of the image in the input.
        input_shape: (height, width) of the input.
    """

    imshape: tuple[int, int]
    size: tuple[int, int]
    offset: tuple[int, int]
    input_shape: tuple[int, int]

    @classmethod
    def of(cls, imshape, image_size, stride):
        """For an input with a longer side of ``image_size``, the shorter one just long enough.

        Both sides are multiples of the network's ``stride``; the image stands in the middle.
        """
        longest = -(-image_size // stride) * stride
        scale = longest / max(imshape)
        height, width = (max(1, round(side * scale)) for side in imshape)
        rows, columns = (-(-side // stride) * stride for side in (height, width))
        return cls(
            tuple(imshape),
            (width, height),
            ((columns - width) // 2, (rows - height) // 2),
            (rows, columns),
        )

    @property
    def scale(self):
        """Network pixels per image pixel, along x and y."""
        return np.array(self.size) / self.imshape[::-1]

    def place(self, image):
        """The input: uint8 (rows, columns, 3), from an image that has been read at any scale."""
        if image.shape[1::-1] != self.size:
            # Up to there, four neighbours see every pixel, at a fifth of the time.
            is_close = image.shape[1] <= 2 * self.size[0]
            interpolation = cv2.INTER_LINEAR if is_close else cv2.INTER_AREA
            image = cv2.resize(image, self.size, interpolation=interpolation)
        left, top = self.offset
        rows, columns = self.input_shape
        if (columns, rows) == self.size:
            return image
        return cv2.copyMakeBorder(
            image, top, rows - top - self.size[1], left, columns - left - self.size[0],
            cv2.BORDER_CONSTANT, value=(_GREY,) * 3,
        )  # fmt: skip

    def corners_to_boxes(self, corners):
        """Corners [x1, y1, x2, y2] in the input to boxes [left, top, width, height] in the image.

        Both count from the edge of the first pixel; what lies outside the image is cut off.
        """
        corners = np.asarray(corners, np.float64).reshape(-1, 2, 2)
        corners = np.clip((corners - self.offset) / self.scale, 0, self.imshape[::-1])
        return np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1)

    def boxes_to_corners(self, boxes):
        """Inverse of :meth:`corners_to_boxes`, for boxes within the image."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
        corners = np.stack([boxes[:, 0], boxes.sum(axis=1)], axis=1)
        return (corners * self.scale + self.offset).reshape(-1, 4)
