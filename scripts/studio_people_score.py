"""How well networks find people: average precision, recall and overlap of masks.

Used by ``train_studio_people.py``. People with few visible pixels neither help nor hurt: they
need not be found, and a detection of one of them is no mistake.
"""

import dataclasses

import numpy as np
import scipy.optimize

MIN_AREA = 400
"""People with fewer visible pixels than this do not count."""

CONFIDENCE = 0.2
"""Detections below this are not used, except for the average precision."""

VISIBLE_PARTS = (0.4, 0.7, 0.95)
"""Recall is also told for people of whom less than, or at least, these parts are visible."""

MATCH_IOU = 0.7
"""Boxes that overlap by more than this are of the same person, where recall is counted."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a network found in a picture, by decreasing confidence.

    Attributes:
        boxes: (n, 4) [left, top, width, height].
        confidences: (n,).
        masks: (n, h, w) bool, or None.
    """

    boxes: np.ndarray
    confidences: np.ndarray
    masks: np.ndarray | None = None


def box_ious(a, b):
    """(n, m) intersection over union of boxes (n, 4) and (m, 4), [left, top, width, height]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    total = np.prod(a[:, 2:], axis=-1)[:, None] + np.prod(b[:, 2:], axis=-1)
    return shared / np.maximum(total - shared, 1e-9)


def mask_ious(a, b):
    """(n, m) intersection over union of masks (n, h, w) and (m, h, w)."""
    a, b = (m.reshape(len(m), np.prod(m.shape[1:])).astype(np.float32) for m in (a, b))
    shared = a @ b.T
    return shared / np.maximum(a.sum(axis=1)[:, None] + b.sum(axis=1) - shared, 1e-9)


def matches(sample, found):
    """One-to-one pairs (person, detection) of the people that count, as two index arrays.

    The pairs are as many as possible: an assignment, not the choice of the most confident.
    """
    counted = np.flatnonzero(counts(sample))
    used = np.flatnonzero(found.confidences >= CONFIDENCE)
    ious = box_ious(sample.boxes[counted], found.boxes[used])
    value = np.where(ious > MATCH_IOU, 1 + ious, 0)
    rows, columns = scipy.optimize.linear_sum_assignment(-value)
    is_pair = value[rows, columns] > 0
    return counted[rows[is_pair]], used[columns[is_pair]]


def counts(sample):
    """(n,) bool: which people of a sample have enough visible pixels."""
    return sample.masks.sum(axis=(1, 2)) >= MIN_AREA


def verdicts(is_counted, ious, iou=0.5):
    """(n,) for detections by decreasing confidence: 1 right, 0 wrong, -1 neither.

    Each takes the free person it overlaps most, those that count first.
    """
    taken = np.zeros(len(is_counted), bool)
    result = np.zeros(ious.shape[1], int)
    for i, overlaps in enumerate(ious.T):
        for group, verdict in ((is_counted, 1), (~is_counted, -1)):
            free = np.where(group & ~taken, overlaps, 0)
            if len(free) and free.max() >= iou:
                taken[free.argmax()] = True
                result[i] = verdict
                break
    return result


def average_precision(confidences, verdict, n_people):
    """Mean precision at 101 levels of recall, as in the COCO evaluation."""
    order = np.argsort(-confidences, kind='stable')
    verdict = verdict[order]
    right = np.cumsum(verdict == 1)
    precision = right / np.maximum(right + np.cumsum(verdict == 0), 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / max(n_people, 1), np.linspace(0, 1, 101) - 1e-12)
    return float(np.append(precision, 0.0)[np.minimum(places, len(precision))].mean())


def summarise(samples, all_found, n_resamples=500):
    """All figures of a network on a list of samples, each with a 95 % bootstrap interval.

    Returns:
        Dict from names of figures to ``{'value': v, 'interval95': [low, high]}``, and the numbers
        of pictures and people. ``recall_by_visible_part`` has such figures for people of whom
        less or more is visible, with their number. Pictures are drawn for the intervals, not
        single people, which are not independent of one another.
    """
    with_masks = all_found[0].masks is not None
    pictures = [_Picture.of(s, f, with_masks) for s, f in zip(samples, all_found, strict=True)]
    figures = _figures(pictures, with_masks)
    rng = np.random.default_rng(0)
    resampled = [
        _figures([pictures[i] for i in rng.integers(len(pictures), size=len(pictures))], with_masks)
        for _ in range(n_resamples)
    ]

    def figure(name):
        low, high = np.percentile([r[name] for r in resampled], [2.5, 97.5])
        interval = [round(float(low), 4), round(float(high), 4)]
        return dict(value=round(float(figures[name]), 4), interval95=interval)

    result = {'pictures': len(pictures), 'people': int(sum(p.n_people for p in pictures))}
    result.update({name: figure(name) for name in figures if isinstance(name, str)})
    n_in_part = sum(p.n_by_part for p in pictures)
    result['recall_by_visible_part'] = {
        title: dict(people=int(n_in_part[i]), **figure(i))
        for i, title in enumerate(_titles_of_parts())
        if n_in_part[i]
    }
    return result


def shares_by_part(samples):
    """Which part of the people that count is how much visible."""
    visible = np.concatenate([s.visible[counts(s)] for s in samples])
    part = np.searchsorted(VISIBLE_PARTS, visible, side='right')
    shares = np.bincount(part, minlength=len(VISIBLE_PARTS) + 1) / max(len(visible), 1)
    return dict(zip(_titles_of_parts(), np.round(shares, 3).tolist(), strict=True))


def _titles_of_parts():
    edges = VISIBLE_PARTS
    between = [f'{low} to {high}' for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return [f'below {edges[0]}', *between, f'{edges[-1]} and more']


@dataclasses.dataclass(frozen=True, eq=False)
class _Picture:
    """What the figures need to know of a picture; numbers by the visible part of people."""

    n_by_part: np.ndarray
    n_matched_by_part: np.ndarray
    confidences: np.ndarray
    box_verdicts: np.ndarray
    mask_verdicts: np.ndarray | None
    n_wrong: int
    overlaps: np.ndarray

    @property
    def n_people(self):
        return int(self.n_by_part.sum())

    @classmethod
    def of(cls, sample, found, with_masks):
        is_counted = counts(sample)
        people, detections = matches(sample, found)
        box_verdicts = verdicts(is_counted, box_ious(sample.boxes, found.boxes))
        mask_verdicts, overlaps = None, np.zeros(0)
        if with_masks:
            ious = mask_ious(sample.masks, found.masks)
            mask_verdicts, overlaps = verdicts(is_counted, ious), ious[people, detections]
        part = np.searchsorted(VISIBLE_PARTS, sample.visible, side='right')
        n_parts = len(VISIBLE_PARTS) + 1
        return cls(
            n_by_part=np.bincount(part[is_counted], minlength=n_parts),
            n_matched_by_part=np.bincount(part[people], minlength=n_parts),
            confidences=found.confidences,
            box_verdicts=box_verdicts,
            mask_verdicts=mask_verdicts,
            n_wrong=int(np.sum((box_verdicts == 0) & (found.confidences >= CONFIDENCE))),
            overlaps=overlaps,
        )


def _figures(pictures, with_masks):
    """Figures by name, and recall by the index of the visible part."""
    n_people = max(sum(p.n_people for p in pictures), 1)
    confidences = np.concatenate([p.confidences for p in pictures])
    n_by_part = sum(p.n_by_part for p in pictures)
    n_matched_by_part = sum(p.n_matched_by_part for p in pictures)

    def precision(name):
        verdict = np.concatenate([getattr(p, name) for p in pictures])
        return average_precision(confidences, verdict, n_people)

    figures = {
        'box_ap50': precision('box_verdicts'),
        'recall': n_matched_by_part.sum() / n_people,
        'wrong_per_picture': sum(p.n_wrong for p in pictures) / len(pictures),
    }
    if with_masks:
        overlaps = np.concatenate([p.overlaps for p in pictures])
        figures['mask_ap50'] = precision('mask_verdicts')
        figures['mask_iou'] = float(overlaps.mean()) if len(overlaps) else 0.0
    return figures | dict(enumerate(n_matched_by_part / np.maximum(n_by_part, 1)))
