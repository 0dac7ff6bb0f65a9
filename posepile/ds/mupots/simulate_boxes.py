"""What a detector finds in the simulated MuPoTS-3D release."""

from typing import NamedTuple

import numpy as np


class Detection(NamedTuple):
    """A box [left, top, width, height] px, its confidence, and whose it is; None: nobody's."""

    box: np.ndarray
    score: float
    person: int | None

    @property
    def row(self):
        return [*self.box, self.score]


def around(pixels) -> np.ndarray:
    """(4,) box [left, top, width, height] around (J, 2) points, larger by a tenth."""
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    middle, size = (low + high) / 2, 1.1 * (high - low)
    return np.concatenate([middle - size / 2, size])


def detections_in_frame(take, i_frame, pixels, rng) -> list[Detection]:
    """Detections in an image, by falling confidence.

    Args:
        pixels: (P, 17, 2) where the joints really are.
    """
    special = dict(take.detections)
    impostors = {person for frame, person, _ in take.impostors if frame == i_frame}
    found = []
    for person, points in enumerate(pixels):
        box = around(points)
        box = box + rng.uniform(-0.04, 0.04, 4) * [*box[2:], *box[2:]]
        score = rng.uniform(0.3, 0.99)
        case = special.get((i_frame, person))
        if case == 'missed' or person in impostors:
            continue
        if case == 'elsewhere':
            box[0] += 1.05 * box[2]
        elif case == 'unsure':
            score = 0.15
        elif case == 'doubtful':
            score = 0.05
        found.append(Detection(np.float32(box), float(np.float32(score)), person))
    if i_frame in take.false_alarms:
        height, width = take.imshape
        box = np.float32([0.02 * width, 0.1 * height, 0.08 * width, 0.2 * height])
        found.append(Detection(box, float(np.float32(rng.uniform(0.3, 0.99))), None))
    return sorted(found, key=lambda detection: -detection.score)
