"""One-to-one matching of boxes by overlap."""

import numpy as np

from posepile.util.boxes import areas, as_boxes, is_box


def iou_matrix(boxes_a, boxes_b) -> np.ndarray:
    """Intersection over union of every box of one set with every box of another.

    Args:
        boxes_a: (A, 4 or more) boxes [left, top, width, height, ...] in pixels; further columns,
            such as detection scores, are ignored.
        boxes_b: (B, 4 or more), likewise.

    Returns:
        (A, B) float64. Pairs without any area, and pairs with a NaN, have IoU 0.
    """
    boxes_a, boxes_b = as_boxes(boxes_a), as_boxes(boxes_b)
    start_a, start_b = boxes_a[:, np.newaxis, :2], boxes_b[:, :2]
    start = np.maximum(start_a, start_b)
    end = np.minimum(start_a + boxes_a[:, np.newaxis, 2:4], start_b + boxes_b[:, 2:4])
    intersection = np.prod(np.maximum(end - start, 0), axis=-1)
    return _ratio(intersection, areas(boxes_a)[:, np.newaxis] + areas(boxes_b) - intersection)


def mask_iou_matrix(masks, boxes) -> np.ndarray:
    """Intersection over union of every mask with every filled box.

    A box is filled where pixel centres lie in it (start <= centre < start + size) and in the
    image.

    Args:
        masks: A masks of the same image: (height, width) arrays in which non-zero means
            foreground, or run-length encoded dictionaries.
        boxes: (B, 4 or more) boxes [left, top, width, height, ...] in pixels.

    Returns:
        (A, B) float64. Pairs without any pixel, and boxes with a NaN, have IoU 0.
    """
    boxes = as_boxes(boxes)[:, :4]
    boxes = np.where(is_box(boxes)[:, np.newaxis], boxes, 0)
    edges = np.ceil([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    return np.array([_mask_ious(mask, edges) for mask in masks]).reshape(len(masks), len(boxes))


def best_assignment(weights) -> np.ndarray:
    """Assign rows to columns one-to-one so that the sum of weights is the largest possible.

    Args:
        weights: (A, B) finite numbers.

    Returns:
        (A,) int: the column of each row, -1 for rows left over because A > B. All others have
        one, even of weight 0.
    """
    from scipy.optimize import linear_sum_assignment

    columns = np.full(len(weights), -1)
    assigned_rows, assigned_columns = linear_sum_assignment(weights, maximize=True)
    columns[assigned_rows] = assigned_columns
    return columns


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
    ious = iou_matrix(boxes_a, boxes_b)
    partners = best_assignment(ious)
    indices_a = np.flatnonzero(partners >= 0)
    indices_b = partners[indices_a]
    matched = ious[indices_a, indices_b]
    keep = (matched > 0) & ((matched >= min_iou) if inclusive else (matched > min_iou))
    return indices_a[keep], indices_b[keep]


def _mask_ious(mask, edges):
    """IoU of one mask with boxes of the given (2, B, 2) first and past-the-end pixels."""
    import cv2

    if isinstance(mask, dict):
        import rlemasklib

        mask = rlemasklib.decode(mask)
    is_foreground = np.asarray(mask) != 0
    # Number of foreground pixels above and left of each corner of a pixel.
    counts = cv2.integral(is_foreground.view(np.uint8))
    x, y = np.moveaxis(np.clip(edges, 0, is_foreground.shape[::-1]).astype(int), -1, 0)
    intersection = counts[y[1], x[1]] - counts[y[0], x[1]] - counts[y[1], x[0]] + counts[y[0], x[0]]
    filled = (x[1] - x[0]) * (y[1] - y[0])
    return _ratio(intersection, counts[-1, -1] + filled - intersection)


def _ratio(intersection, union):
    return np.divide(intersection, union, out=np.zeros(np.shape(union)), where=union > 0)
