"""Averaging what is found in an image and in its mirror image."""

import numpy as np

from posepile.detection.suppression import survivors
from posepile.util.matching import match_boxes


def merge_views(rows, mirrored_rows, width, max_iou):
    """The people in an image, averaged over two views.

    Args:
        rows: (n, 5) corners [x1, y1, x2, y2] and confidence.
        mirrored_rows: (m, 5) likewise, in an image whose columns are reversed.
        width: of the images.
        max_iou: of two people in the result that overlap more, the less confident is left out.

    Returns:
        (k, 5) float32 by falling confidence. Corners of a person found in both views are means
        weighted by confidence; the confidence is the mean of the two, 0 for the view in which the
        person was not found.
    """
    mirrored_rows = mirrored_rows.copy()
    mirrored_rows[:, [0, 2]] = width - mirrored_rows[:, [2, 0]]
    i, j = match_boxes(_boxes(rows), _boxes(mirrored_rows), 0.5)
    weights = np.stack([rows[i, 4], mirrored_rows[j, 4]])[..., np.newaxis]
    both = np.concatenate(
        [
            (weights[0] * rows[i, :4] + weights[1] * mirrored_rows[j, :4]) / weights.sum(axis=0),
            weights.mean(axis=0),
        ],
        axis=1,
    )
    single = np.concatenate([np.delete(rows, i, axis=0), np.delete(mirrored_rows, j, axis=0)])
    single[:, 4] /= 2
    merged = np.concatenate([both, single]).astype(np.float32)
    merged = merged[np.argsort(-merged[:, 4], kind='stable')]
    return merged[survivors(merged[:, :4], merged[:, 4], max_iou)]


def _boxes(rows):
    return np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1)
