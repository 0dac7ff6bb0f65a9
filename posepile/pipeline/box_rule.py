"""The declaration of how a dataset chooses the boxes of people."""

import operator
from dataclasses import dataclass

import numpy as np

from posepile.util.boxes import as_boxes, is_box, long_sides, short_sides

_RELATIONS = {'>': operator.gt, '>=': operator.ge, '<': operator.lt, '<=': operator.le}


def _check_is_one_of(name, value, choices):
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(choices)}, not {value!r}')


@dataclass(frozen=True)
class Limit:
    """A condition on a number, such as ``Limit('>=', 0.5)``. NaN never meets it."""

    relation: str
    value: float

    def __post_init__(self):
        _check_is_one_of('relation', self.relation, _RELATIONS)

    def holds(self, numbers):
        """Whether each of the numbers meets the condition."""
        return _RELATIONS[self.relation](numbers, self.value)


@dataclass(frozen=True)
class BoxRule:
    """How people's own boxes and the detections of an image make the boxes of examples.

    In every field a limit of None means that there is none.

    Attributes:
        pairing: ``'one_to_one'`` for the assignment of largest total IoU; ``'best_overlap'`` for
            the detection of highest IoU and ``'best_score'`` for that of highest score, which
            several people may share. Of equals the first is taken.
        detection_score, detection_short_side, detection_long_side: which detections take part in
            the pairing, by their score and the lengths of their sides in pixels. Others do not
            count: an image with no more than them is one without detections.
        iou: on the overlap of a person's own box and their detection; None accepts a partner that
            does not overlap at all.
        area_ratio: on area(detection) / area(own box).
        own_covered, detection_covered: on the part of the area of the own box, or of the
            detection, that is common to both.
        hull: whether the smallest box around both becomes the box, instead of the detection.
        iou_of_hull: whether the limit on IoU concerns that hull, instead of the detection.
        if_unmatched: ``'drop'`` or ``'own'``: what becomes of a person without a partner, or with
            one that breaks a limit, in an image with detections.
        if_no_detections: the same for an image without any.
        clip: whether the box is cut to the image; one without area is dropped.
        short_side, long_side: on the sides of the resulting box, in pixels; else it is dropped.
        joints_inside: on the number of joints in the resulting box; else it is dropped.
    """

    pairing: str = 'one_to_one'
    detection_score: Limit | None = None
    detection_short_side: Limit | None = None
    detection_long_side: Limit | None = None
    iou: Limit | None = Limit('>', 0)
    area_ratio: Limit | None = None
    own_covered: Limit | None = None
    detection_covered: Limit | None = None
    hull: bool = False
    iou_of_hull: bool = False
    if_unmatched: str = 'drop'
    if_no_detections: str = 'drop'
    clip: bool = False
    short_side: Limit | None = None
    long_side: Limit | None = None
    joints_inside: Limit | None = None

    def __post_init__(self):
        _check_is_one_of('pairing', self.pairing, ('one_to_one', 'best_overlap', 'best_score'))
        _check_is_one_of('if_unmatched', self.if_unmatched, ('drop', 'own'))
        _check_is_one_of('if_no_detections', self.if_no_detections, ('drop', 'own'))

    def eligible(self, detections) -> np.ndarray:
        """Indices of the detections that take part, ascending.

        Args:
            detections: (N, 4 or 5) boxes [left, top, width, height, score].

        Raises:
            ValueError: if the rule asks for scores and there are none.
        """
        detections = as_boxes(detections)
        takes_part = is_box(detections)
        if self.detection_score is not None:
            takes_part &= self.detection_score.holds(scores_of(detections))
        takes_part &= meets(self.detection_short_side, short_sides(detections))
        takes_part &= meets(self.detection_long_side, long_sides(detections))
        return np.flatnonzero(takes_part)


def meets(limit, numbers):
    """Whether each of the numbers meets the limit, if there is one."""
    return np.ones(np.shape(numbers), bool) if limit is None else limit.holds(numbers)


def scores_of(detections):
    """(N,) scores of (N, 5) detections.

    Raises:
        ValueError: if they have none.
    """
    if len(detections) and detections.shape[1] < 5:
        raise ValueError('the rule looks at scores, but the detections have four columns only')
    return detections[:, 4] if len(detections) else np.zeros(0)
