"""The six errors of the H3WB benchmark."""

import numpy as np

from posepile.ds.h3wb.skeleton import BODY, FACE, HANDS, HIPS, LEFT_HAND, NOSE, RIGHT_HAND

#: In the order of published tables.
METRIC_NAMES = (
    'Whole-body',
    'Body',
    'Face',
    'Nose-aligned face',
    'Hands',
    'Wrist-aligned hands',
)


def whole_body_errors(pred, true) -> list[float]:
    """Mean joint errors over all of N poses at once, named in :data:`METRIC_NAMES`.

    Poses are brought together by their pelvis, the middle between the hips. Where the name says
    so, it is the nose (joint 0), or the root of each hand (91 and 112, not the wrists of the
    body); the errors of the two hands count alike. Nothing is scaled or turned. The body includes
    the feet.

    Args:
        pred, true: (N, 133, 3) in mm, N > 0, in any axes common to both.

    Returns:
        Six errors in mm.
    """
    difference = np.asarray(pred, np.float64) - np.asarray(true, np.float64)
    difference -= difference[:, HIPS].mean(axis=1, keepdims=True)
    hands = [_mean_norm(_relative_to_first(difference[:, h])) for h in (LEFT_HAND, RIGHT_HAND)]
    return [
        _mean_norm(difference),
        _mean_norm(difference[:, BODY]),
        _mean_norm(difference[:, FACE]),
        _mean_norm(difference[:, FACE] - difference[:, NOSE, np.newaxis]),
        _mean_norm(difference[:, HANDS]),
        sum(hands) / 2,
    ]


def _relative_to_first(points):
    return points - points[:, :1]


def _mean_norm(vectors):
    return float(np.linalg.norm(vectors, axis=-1).mean())
