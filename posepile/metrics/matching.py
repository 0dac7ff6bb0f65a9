"""Which predicted person is which true one."""

import numpy as np


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
