"""Which predicted person is which true one."""

import numpy as np


def near_keypoints(pred, true, threshold) -> np.ndarray:
    """How many keypoints of predicted people are near those of true ones, for all pairs.

    Args:
        pred: (P, J, 2) px; NaN, as of joints that are missing, are near nothing.
        true: (T, J, 2) px, likewise.
        threshold: px; both the horizontal and the vertical distance of near points are less.

    Returns:
        (T, P) int.
    """
    pred, true = np.asarray(pred, np.float64), np.asarray(true, np.float64)
    distances = np.abs(true[:, np.newaxis] - pred).max(axis=-1)
    return np.count_nonzero(distances < threshold, axis=-1)


def greedy_matches(agreement) -> np.ndarray:
    """Let each true person in turn choose the best prediction that is left.

    Args:
        agreement: (T, P), how well predictions fit true people, such as the number of joints that
            are near. Pairs with 0 or less never match; of equals, the first prediction is taken.

    Returns:
        (T) int, the prediction of each true person, or -1. For the assignment with the largest
        sum there is ``posepile.util.matching.best_assignment``.
    """
    left = np.nan_to_num(np.asarray(agreement, np.float64))
    matches = np.full(len(left), -1)
    if left.size:
        for i, row in enumerate(left):
            best = int(np.argmax(row))
            if row[best] > 0:
                matches[i] = best
                left[:, best] = 0
    return matches
