"""Arithmetic on many boxes at once.

Boxes are [left, top, width, height, ...] in pixels along the last axis; an unknown box is NaN.
Columns beyond the fourth, such as the score of a detection, travel along where boxes are moved
to other coordinates and play no part elsewhere.
"""

import numpy as np


def as_boxes(boxes) -> np.ndarray:
    """Bring a list of boxes into an (N, 4 or more) float64 array.

    Images without detections, which come as shapes (0,), (0, 4) or (0, 5), have N = 0.

    Raises:
        ValueError: if the rows do not have at least four numbers.
    """
    boxes = np.asarray(boxes, np.float64)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] < 4:
        raise ValueError(
            f'boxes are rows [left, top, width, height, ...], not an array of shape {boxes.shape}'
        )
    return boxes


def is_box(boxes) -> np.ndarray:
    """(...) bool: whether the box is finite and has an area."""
    boxes = np.asarray(boxes)[..., :4]
    return np.all(np.isfinite(boxes), axis=-1) & np.all(boxes[..., 2:] > 0, axis=-1)


def areas(boxes) -> np.ndarray:
    """(...) areas in square pixels."""
    boxes = np.asarray(boxes, np.float64)
    return boxes[..., 2] * boxes[..., 3]


def short_sides(boxes) -> np.ndarray:
    """(...) lengths of the shorter side."""
    return np.min(np.asarray(boxes)[..., 2:4], axis=-1)


def long_sides(boxes) -> np.ndarray:
    """(...) lengths of the longer side."""
    return np.max(np.asarray(boxes)[..., 2:4], axis=-1)


def expanded(boxes, factor) -> np.ndarray:
    """(..., 4) boxes whose width and height are multiplied, about the same centre."""
    start, size = _start_and_size(boxes)
    return np.concatenate([start + size * (1 - factor) / 2, size * factor], axis=-1)


def extended_up(boxes, fraction) -> np.ndarray:
    """(..., 4) boxes whose top is moved up by a fraction of the height.

    Args:
        boxes: (..., 4 or more).
        fraction: a number, or one for each box. A release that lacks the top of the head in some
            frames makes room for it there.
    """
    start, size = _start_and_size(boxes)
    added = size[..., 1] * fraction
    return np.stack([start[..., 0], start[..., 1] - added, size[..., 0], size[..., 1] + added], -1)


def intersections(boxes, others) -> np.ndarray:
    """(..., 4) common parts; without one the width or height, or both, are 0."""
    (start_a, size_a), (start_b, size_b) = _start_and_size(boxes), _start_and_size(others)
    start = np.maximum(start_a, start_b)
    end = np.minimum(start_a + size_a, start_b + size_b)
    return np.concatenate([start, np.maximum(end - start, 0)], axis=-1)


def vertical_intersections(boxes, others) -> np.ndarray:
    """(..., 4) ``boxes`` cut to the vertical range of ``others``, as wide as before."""
    common = intersections(boxes, others)
    start, size = _start_and_size(boxes)
    return np.stack([start[..., 0], common[..., 1], size[..., 0], common[..., 3]], axis=-1)


def clipped(boxes, imshape) -> np.ndarray:
    """(..., 4) parts of the boxes within an image of shape (height, width)."""
    return intersections(boxes, [0, 0, imshape[1], imshape[0]])


def hulls(boxes, others) -> np.ndarray:
    """(..., 4) smallest boxes that contain both."""
    (start_a, size_a), (start_b, size_b) = _start_and_size(boxes), _start_and_size(others)
    start = np.minimum(start_a, start_b)
    end = np.maximum(start_a + size_a, start_b + size_b)
    return np.concatenate([start, end - start], axis=-1)


def joint_boxes(points, factor=1.0, *, where=None, min_joints=1) -> np.ndarray:
    """Tight boxes of people's joints, expanded about their centre.

    Args:
        points: (..., J, 2) joints in pixels. Those with a NaN are left out.
        factor: of the expansion.
        where: (..., J) bool, which joints count. The projection of a joint behind the camera is
            meaningless, so this is usually ``depths > 0``.
        min_joints: how many joints a person must have.

    Returns:
        (..., 4) float64, NaN for people with too few joints.
    """
    points = np.asarray(points, np.float64)
    counts = np.all(np.isfinite(points), axis=-1)
    if where is not None:
        counts = counts & where
    low = np.min(points, axis=-2, where=counts[..., np.newaxis], initial=np.inf)
    high = np.max(points, axis=-2, where=counts[..., np.newaxis], initial=-np.inf)
    is_known = np.count_nonzero(counts, axis=-1) >= max(min_joints, 1)
    tight = np.concatenate([low, high - low], axis=-1)
    return expanded(np.where(is_known[..., np.newaxis], tight, np.nan), factor)


def contains(boxes, points) -> np.ndarray:
    """Tell which points lie in the box of their person: start <= point < start + size.

    Args:
        boxes: (..., 4 or more).
        points: (..., J, 2) in pixels.

    Returns:
        (..., J) bool, False for missing points and unknown boxes.
    """
    start, size = _start_and_size(boxes)
    points = np.asarray(points)
    start, end = start[..., np.newaxis, :], (start + size)[..., np.newaxis, :]
    return np.all((start <= points) & (points < end), axis=-1)


def inside_image(points, imshape, depths=None) -> np.ndarray:
    """Tell which joints are in view: 0 <= x < width, 0 <= y < height, and depth > 0.

    Args:
        points: (..., J, 2) in pixels.
        imshape: (height, width) of the image.
        depths: (..., J) camera-space z, if known.

    Returns:
        (..., J) bool, False for missing joints.
    """
    points = np.asarray(points)
    is_inside = np.all((points >= 0) & (points < (imshape[1], imshape[0])), axis=-1)
    return is_inside if depths is None else is_inside & (np.asarray(depths) > 0)


def scaled(boxes, factor) -> np.ndarray:
    """(N, 4 or more) boxes found in an image that was ``factor`` times smaller."""
    boxes = as_boxes(boxes)
    return _moved(boxes, boxes[:, :4] * factor)


def mirrored(boxes, width) -> np.ndarray:
    """(N, 4 or more) boxes in an image of this width, flipped left to right."""
    left, top, w, h = as_boxes(boxes)[:, :4].T
    return _moved(boxes, np.stack([width - (left + w), top, w, h], axis=1))


def turned_back(boxes, degrees, imshape) -> np.ndarray:
    """Map boxes from a turned image to the image itself.

    Args:
        boxes: (N, 4 or more) boxes found after the image was turned.
        degrees: 0, 90, 180 or 270, counter-clockwise, as in ``np.rot90(image, degrees // 90)``.
        imshape: (height, width) of the image itself.

    Returns:
        (N, 4 or more) boxes in the image itself.

    Raises:
        ValueError: if the angle is another one.
    """
    height, width = imshape[:2]
    x, y, w, h = as_boxes(boxes)[:, :4].T
    if degrees == 0:
        raw = x, y, w, h
    elif degrees == 90:
        raw = width - (y + h), x, h, w
    elif degrees == 180:
        raw = width - (x + w), height - (y + h), w, h
    elif degrees == 270:
        raw = y, height - (x + w), h, w
    else:
        raise ValueError(f'images are turned by 0, 90, 180 or 270 degrees, not {degrees}')
    return _moved(boxes, np.stack(raw, axis=1))


def _moved(boxes, coordinates):
    return np.concatenate([coordinates, as_boxes(boxes)[:, 4:]], axis=1)


def _start_and_size(boxes):
    boxes = np.asarray(boxes, np.float64)
    return boxes[..., :2], boxes[..., 2:4]
