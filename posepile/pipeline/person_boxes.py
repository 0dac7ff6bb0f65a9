"""Which box an annotated person gets: a detection, their own box, both together, or none.

People have boxes *of their own*, made from their joints, from a mask or given in the release
(:mod:`posepile.util.boxes`). They are loose or cut off where clothes, hair or hidden limbs are
concerned, so most datasets prefer what a person detector found in the image. How the two are
brought together differs from one release to the next and is declared as a
:class:`~posepile.pipeline.box_rule.BoxRule`::

    rule = BoxRule(iou=Limit('>', 0.1), area_ratio=Limit('<', 2))
    own_boxes = joint_boxes(points, 1.25, where=depths > 0)
    result = person_boxes(own_boxes, detections, rule).only(is_wanted)
    result.boxes, result.counts()
"""

import enum
from dataclasses import dataclass, replace

import numpy as np

from posepile.pipeline.box_rule import BoxRule, meets, scores_of
from posepile.util.boxes import (
    areas,
    as_boxes,
    clipped,
    contains,
    hulls,
    intersections,
    is_box,
    long_sides,
    short_sides,
)
from posepile.util.matching import best_assignment, iou_matrix


class Fate(enum.IntEnum):
    """Where a person's box comes from, or why there is none."""

    DETECTION = 0
    OWN_BOX = 1
    NO_OWN_BOX = 2
    NO_DETECTIONS = 3
    NO_MATCHING_DETECTION = 4
    WRONG_PROPORTIONS = 5
    OUTSIDE_THE_IMAGE = 6
    WRONG_SIZE = 7
    TOO_FEW_JOINTS_INSIDE = 8
    NOT_SELECTED = 9

    @property
    def text(self):
        """In words, for reports."""
        return self.name.lower().replace('_', ' ')


@dataclass(frozen=True)
class PersonBoxes:
    """The boxes of P people in an image, or in each of T.

    Attributes:
        boxes: (P, 4) or (T, P, 4) float64 [left, top, width, height] px, NaN for dropped people.
        detections: (P,) or (T, P) index of the detection that the box was made from, else -1.
        ious: (P,) or (T, P) IoU of the own box with the detection that it was paired with, whether
            or not that was accepted; NaN if it was paired with none.
        fates: (P,) or (T, P) uint8, values of :class:`Fate`.
    """

    boxes: np.ndarray
    detections: np.ndarray
    ious: np.ndarray
    fates: np.ndarray

    def only(self, is_selected) -> 'PersonBoxes':
        """Drop the others, who thus took part in the pairing and kept their detections occupied.

        Args:
            is_selected: bool array of the shape of ``fates``.
        """
        return self._drop(~np.asarray(is_selected, bool), Fate.NOT_SELECTED)

    def counts(self) -> dict[Fate, int]:
        """How many people met each fate, leaving out those that nobody met."""
        numbers = np.bincount(self.fates.ravel(), minlength=len(Fate))
        return {fate: int(numbers[fate]) for fate in Fate if numbers[fate]}

    def _drop(self, where, fate):
        return replace(
            self,
            boxes=np.where(where[..., np.newaxis], np.nan, self.boxes),
            detections=np.where(where, -1, self.detections),
            fates=np.where(where, np.uint8(fate), self.fates),
        )


def person_boxes(
    own_boxes, detections, rule: BoxRule, *, joints=None, imshape=None, ious=None
) -> PersonBoxes:
    """Give the people of one image their boxes.

    Args:
        own_boxes: (P, 4) boxes [left, top, width, height] px of the people themselves. A person
            whose own box is NaN or has no area gets none and does not take part.
        detections: (N, 4 or 5) boxes of detected people, with scores where the rule needs them;
            N may be 0, and shape (0,) will do.
        rule: how to choose.
        joints: (P, J, 2) in pixels, NaN where missing; for rules that count them.
        imshape: (height, width); for rules that clip.
        ious: (P, N) measure of overlap to be used in place of that of the boxes, such as
            :func:`~posepile.util.matching.mask_iou_matrix`. NaN counts as 0.

    Raises:
        ValueError: if an argument has the wrong shape or is missing although the rule needs it.
    """
    own, detections = as_boxes(own_boxes)[:, :4], as_boxes(detections)
    _check_arguments(rule, len(own), joints, imshape)
    if ious is None:
        ious = iou_matrix(own, detections)
    elif np.shape(ious) != (len(own), len(detections)):
        raise ValueError(
            f'IoUs of {len(own)} people and {len(detections)} detections cannot have the shape '
            f'{np.shape(ious)}'
        )
    ious = np.nan_to_num(ious)
    usable = rule.eligible(detections)
    partners = _partners(rule, own, detections, usable, ious)
    is_paired = partners >= 0
    found, overlaps = np.full(own.shape, np.nan), np.full(len(own), np.nan)
    found[is_paired] = detections[partners[is_paired], :4]
    overlaps[is_paired] = ious[is_paired, partners[is_paired]]
    union = hulls(own, found)

    fates = np.full(len(own), Fate.DETECTION, np.uint8)
    fates[~_is_in_proportion(rule, own, found)] = Fate.WRONG_PROPORTIONS
    judged = areas(own) / areas(union) if rule.iou_of_hull else overlaps
    fates[~is_paired | ~meets(rule.iou, judged)] = Fate.NO_MATCHING_DETECTION
    if not usable.size:
        fates[:] = Fate.NO_DETECTIONS
    fallback = rule.if_unmatched if usable.size else rule.if_no_detections
    if fallback == 'own':
        fates[fates != Fate.DETECTION] = Fate.OWN_BOX
    fates[~is_box(own)] = Fate.NO_OWN_BOX

    is_own = fates == Fate.OWN_BOX
    boxes = np.where(is_own[:, np.newaxis], own, union if rule.hull else found)
    result = PersonBoxes(boxes, np.where(is_own, -1, partners), overlaps, fates)
    return _inspected(result._drop(fates > Fate.OWN_BOX, fates), rule, joints, imshape)


def person_boxes_of_frames(
    own_boxes, detections, rule: BoxRule, *, joints=None, imshape=None
) -> PersonBoxes:
    """Give the people of a clip their boxes, frame by frame.

    Args:
        own_boxes: (T, P, 4) boxes of the people themselves; NaN where somebody is absent.
        detections: T arrays as in :func:`person_boxes`.
        rule: how to choose.
        joints: (T, P, J, 2) in pixels; for rules that count them.
        imshape: (height, width); for rules that clip.

    Returns:
        The boxes of all frames, arrays of (T, P, ...).

    Raises:
        ValueError: as :func:`person_boxes`, and if the numbers of frames differ.
    """
    own_boxes = np.asarray(own_boxes, np.float64)
    if own_boxes.ndim != 3:
        raise ValueError(f'boxes of T frames and P people are needed, not {own_boxes.shape}')
    joints = [None] * len(own_boxes) if joints is None else joints
    if not len(own_boxes) == len(detections) == len(joints):
        raise ValueError(
            f'{len(own_boxes)} frames of boxes, {len(detections)} of detections and '
            f'{len(joints)} of joints do not go together'
        )
    frames = [
        person_boxes(own, found, rule, joints=points, imshape=imshape)
        for own, found, points in zip(own_boxes, detections, joints, strict=True)
    ]
    shape = own_boxes.shape[:2]
    return PersonBoxes(
        np.array([f.boxes for f in frames], np.float64).reshape(*shape, 4),
        np.array([f.detections for f in frames], int).reshape(shape),
        np.array([f.ious for f in frames], np.float64).reshape(shape),
        np.array([f.fates for f in frames], np.uint8).reshape(shape),
    )


def _partners(rule, own, detections, usable, ious):
    """(P,) index of the detection that each person is paired with, -1 for none."""
    partners = np.full(len(own), -1)
    if usable.size == 0:
        return partners
    rows = np.flatnonzero(is_box(own))
    ious = ious[np.ix_(rows, usable)]
    if rule.pairing == 'one_to_one':
        chosen = best_assignment(ious)
    elif rule.pairing == 'best_overlap':
        chosen = np.argmax(ious, axis=1)
    else:
        chosen = np.argmax(np.nan_to_num(scores_of(detections)[usable], nan=-np.inf))
    partners[rows] = np.where(chosen >= 0, usable[chosen], -1)
    return partners


def _is_in_proportion(rule, own, found):
    with np.errstate(divide='ignore', invalid='ignore'):  # people without a box of their own
        common = areas(intersections(own, found))
        return (
            meets(rule.area_ratio, areas(found) / areas(own))
            & meets(rule.own_covered, common / areas(own))
            & meets(rule.detection_covered, common / areas(found))
        )


def _inspected(result, rule, joints, imshape):
    """Drop the boxes that break a limit on what is finally used."""
    is_kept = result.fates <= Fate.OWN_BOX
    if rule.clip:
        result = replace(result, boxes=clipped(result.boxes, imshape))
        result = result._drop(is_kept & ~is_box(result.boxes), Fate.OUTSIDE_THE_IMAGE)
        is_kept = result.fates <= Fate.OWN_BOX
    has_size = meets(rule.short_side, short_sides(result.boxes)) & meets(
        rule.long_side, long_sides(result.boxes)
    )
    result = result._drop(is_kept & ~has_size, Fate.WRONG_SIZE)
    if rule.joints_inside is not None:
        n_inside = np.count_nonzero(contains(result.boxes, joints), axis=-1)
        is_kept = result.fates <= Fate.OWN_BOX
        result = result._drop(
            is_kept & ~rule.joints_inside.holds(n_inside), Fate.TOO_FEW_JOINTS_INSIDE
        )
    return result


def _check_arguments(rule, n_people, joints, imshape):
    if rule.clip and imshape is None:
        raise ValueError('the rule cuts boxes to the image, so the shape of the image is needed')
    if rule.joints_inside is not None and (joints is None or len(joints) != n_people):
        raise ValueError(f'the rule counts joints, so those of {n_people} people are needed')
