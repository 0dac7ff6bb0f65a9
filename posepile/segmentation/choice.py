"""Which of the people found in a crop is the one that the crop was made for."""

import cv2
import numpy as np

from posepile.util.matching import iou_matrix

#: Parts of a mask that are at least this large, compared to the main one, belong to the person too:
#: something in front may have cut them off.
_LEAST_PART = 0.1


def chosen_people(wanted_boxes, found_boxes, min_iou):
    """For each wanted person, the found one whose box overlaps most.

    Args:
        wanted_boxes: (k, 4) boxes [left, top, width, height].
        found_boxes: (n, 4) likewise.
        min_iou: least overlap.

    Returns:
        (k,) indices into ``found_boxes``; -1 where nobody overlaps enough.
    """
    ious = iou_matrix(wanted_boxes, found_boxes)
    if ious.shape[1] == 0:
        return np.full(len(ious), -1)
    best = ious.argmax(axis=1)
    return np.where(ious[np.arange(len(best)), best] >= max(min_iou, 1e-9), best, -1)


def cleaned_mask(mask, box):
    """A mask without stray parts.

    The main part is the 4-connected component whose box overlaps most with the person's; of the
    others, those remain that are not tiny beside it.

    Args:
        mask: (h, w) uint8, non-zero is foreground.
        box: (4,) of the person.

    Returns:
        uint8 mask of 0 and 1.
    """
    n, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if n <= 2:
        return mask
    main = iou_matrix([box], stats[1:, :4])[0].argmax()
    areas = stats[1:, cv2.CC_STAT_AREA]
    is_kept = np.concatenate([[False], areas >= _LEAST_PART * areas[main]])
    return is_kept[labels].astype(np.uint8)
