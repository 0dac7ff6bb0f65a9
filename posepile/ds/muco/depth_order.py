"""Who hides whom in a composite. Masks are run-length encoded."""

import numpy as np
import rlemasklib


def far_to_near(depths) -> np.ndarray:
    """Order in which people are pasted, by the depth of the pelvis; of equals, the first first."""
    return np.argsort(-np.asarray(depths), kind='stable')


def visible_masks(people, chairs, depths) -> list[dict]:
    """What is seen of each person: all that no nearer person, or chair of such, hides.

    A person's own chair hides nothing: the person's mask is of what is seen beside it.

    Args:
        people, chairs: masks of equal size.
        depths: of the people, in any unit.
    """
    result = [None] * len(people)
    in_front = []
    for i in reversed(far_to_near(depths)):
        hidden = rlemasklib.union(in_front) if in_front else None
        result[i] = people[i] if hidden is None else rlemasklib.difference(people[i], hidden)
        in_front += [people[i], chairs[i]]
    return result


def visible_joints(pixels, people, chairs, depths) -> np.ndarray:
    """(P, J) bool: which joints are in the picture and not hidden by a nearer person or chair.

    What people hide of themselves is not known.

    Args:
        pixels: (P, J, 2).
        people, chairs, depths: as in :func:`visible_masks`.
    """
    columns, rows = np.moveaxis(np.rint(pixels), -1, 0)
    height, width = people[0]['size']
    result = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    columns, rows = (np.where(result, a, 0).astype(int) for a in (columns, rows))
    in_front = np.zeros((height, width), bool)
    for i in reversed(far_to_near(depths)):
        result[i] &= ~in_front[rows[i], columns[i]]
        in_front |= rlemasklib.decode(rlemasklib.union([people[i], chairs[i]])) != 0
    return result
