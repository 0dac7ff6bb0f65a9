"""One-to-one matching of boxes by overlap."""

import numpy as np


def iou_matrix(boxes_a, boxes_b) -> np.ndarray:
    """Intersection over union of every box of one set with every box of another.

    Args:
        boxes_a: (A, 4 or more) boxes [left, top, width, height, ...] in pixels; further columns,
            such as detection scores, are ignored.
        boxes_b: (B, 4 or more), likewise.

    Returns:
        (A, B) float64. Pairs without any area, and pairs with a NaN, have IoU 0.
    """
    start_a, size_a = _starts_and_sizes(boxes_a)
    start_b, size_b = _starts_and_sizes(boxes_b)
    start = np.maximum(start_a[:, np.newaxis], start_b)
    end = np.minimum((start_a + size_a)[:, np.newaxis], start_b + size_b)
    intersection = np.prod(np.maximum(end - start, 0), axis=-1)
    union = np.prod(size_a, axis=-1)[:, np.newaxis] + np.prod(size_b, axis=-1) - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def match_boxes(boxes_a, boxes_b, min_iou=0.0, *, inclusive=True):
    """Assign boxes to each other one-to-one, so that the sum of IoUs is the largest possible.

    All pairs take part in the assignment; those with too little overlap are dropped afterwards,
    so a box does not get a worse partner because its best one is out of reach.

    Args:
        boxes_a: (A, 4 or more) boxes as in :func:`iou_matrix`.
        boxes_b: (B, 4 or more), likewise.
        min_iou: least IoU of a pair. Pairs without any overlap are never returned.
        inclusive: whether a pair with exactly this IoU is kept.

    Returns:
        Two int arrays of equal length: the indices of the matched boxes in ``boxes_a``
        (ascending) and those of their partners in ``boxes_b``.
    """
    from scipy.optimize import linear_sum_assignment

    ious = iou_matrix(boxes_a, boxes_b)
    indices_a, indices_b = linear_sum_assignment(ious, maximize=True)
    matched = ious[indices_a, indices_b]
    keep = (matched > 0) & ((matched >= min_iou) if inclusive else (matched > min_iou))
    return indices_a[keep], indices_b[keep]


def _starts_and_sizes(boxes):
    boxes = np.asarray(boxes, np.float64)
    if boxes.size == 0:  # images without detections come as (0,), (0, 4) or (0, 5)
        boxes = boxes.reshape(0, 4)
    return boxes[:, :2], boxes[:, 2:4]
