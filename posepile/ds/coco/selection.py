"""Who is kept: rules on the annotated joints of the N people of an annotation file.

Boxes are [left, top, width, height] in pixels. ``i_image`` (N,) tells which people share an image.
"""

import numpy as np

MIN_SIDE = 200
MAX_OVERLAP = 0.1


def has_enough_joints(visibility):
    """Whether a third of the joints is visible and half is labelled.

    Args:
        visibility: (N, J), 0 = unlabelled, 1 = labelled but occluded, 2 = visible.

    Returns:
        (N,) bool.
    """
    n_joints = visibility.shape[1]
    n_visible = np.count_nonzero(visibility == 2, axis=1)
    n_labelled = np.count_nonzero((visibility >= 1) & (visibility <= 2), axis=1)
    return (n_visible >= n_joints / 3) & (n_labelled >= n_joints / 2)


def number_within_image(i_image):
    """(N,) running number, from 0, of each person among the people of the same image."""
    order = np.argsort(i_image, kind='stable')
    grouped = i_image[order]
    numbers = np.empty(len(i_image), np.int64)
    numbers[order] = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    return numbers


def joint_boxes(joints):
    """(N, 4) bounding boxes of (N, J, 2) joints, a quarter larger about the same centre.

    Joints that are NaN do not count; every person needs one that is not.
    """
    joints = np.asarray(joints, np.float64)
    start, end = np.nanmin(joints, axis=1), np.nanmax(joints, axis=1)
    center, size = (start + end) / 2, 1.25 * (end - start)
    return np.concatenate([center - size / 2, size], axis=1)


def is_large(boxes):
    """(N,) whether the longer side of a box is at least ``MIN_SIDE``."""
    return np.max(boxes[:, 2:], axis=1) >= MIN_SIDE


def is_apart(boxes, i_image):
    """(N,) whether the IoU with every other box in the image is below ``MAX_OVERLAP``."""
    order = np.argsort(i_image, kind='stable')
    boxes, groups = boxes[order], i_image[order]
    apart = np.ones(len(order), bool)
    # Neighbours at every distance within the groups: as many steps as the largest group has people.
    for distance in range(1, len(order)):
        first = np.flatnonzero(groups[:-distance] == groups[distance:])
        if len(first) == 0:
            break
        second = first + distance
        overlapping = iou(boxes[first], boxes[second]) >= MAX_OVERLAP
        apart[first[overlapping]] = False
        apart[second[overlapping]] = False
    result = np.empty_like(apart)
    result[order] = apart
    return result


def iou(a, b):
    """(N,) intersection over union of paired boxes (N, 4); 0 where both are empty."""
    start = np.maximum(a[:, :2], b[:, :2])
    end = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    intersection = np.prod(np.maximum(end - start, 0), axis=1)
    union = np.prod(a[:, 2:], axis=1) + np.prod(b[:, 2:], axis=1) - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def has_enough_limbs(joints):
    """(N,) whether more than 6 of the limb joints (N, 10, 2) are annotated."""
    return np.count_nonzero(~np.isnan(joints[:, :, 0]), axis=1) > 6
