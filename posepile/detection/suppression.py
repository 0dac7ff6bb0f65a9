"""Leaving out boxes that a more confident one overlaps."""

import cv2
import numpy as np


def survivors(corners, confidence, max_iou) -> np.ndarray:
    """Which boxes remain of those that overlap.

    From the most confident box to the least, each one remains unless its IoU with one that remains
    is above ``max_iou``. Of equally confident ones, the first comes first.

    Args:
        corners: (n, 4) [x1, y1, x2, y2].
        confidence: (n,).

    Returns:
        Ascending indices.
    """
    # Importing torchvision for its own would take as long as all of PyTorch.
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    order = np.argsort(-confidence, kind='stable')
    rank = np.linspace(1, 0.5, len(order), dtype=np.float32)
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes[order], rank, 0.0, max_iou), int).reshape(-1)
    return np.sort(order[kept])
