"""Mask pictures of the simulated MPI-INF-3DHP release.

In those of the foreground, red is the person, green also the clothes of the upper body, blue those
of the lower; in those of the chair, red is everything but the chair.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import rlemasklib
import scipy.ndimage

_NECK, _PELVIS = 5, 4
_NOISE = 12  # of 255: less than what counts as foreground, also with ringing
_LEAK = (40, 30, 90, 60)  # left, top, width, height of what is taken for foreground


@dataclass(frozen=True)
class Foreground:
    """What a camera's mask picture holds: (h, w) bool each."""

    person: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    leak: np.ndarray

    @classmethod
    def of(cls, frame, joints, has_leak):
        """Of a rendered frame.

        Args:
            joints: (28, 2) px.
            has_leak: whether something in a corner is taken for foreground, too.
        """
        person = frame.mask(0)
        rows = np.arange(person.shape[0])[:, np.newaxis]
        leak = np.zeros_like(person)
        if has_leak:
            left, top, width, height = _LEAK
            leak[top : top + height, left : left + width] = True
        neck, pelvis = joints[_NECK, 1], joints[_PELVIS, 1]
        return cls(person, person & (rows > neck) & (rows < pelvis), person & (rows > pelvis), leak)

    def mask(self, box=None):
        """Run-length encoded: all of it, or what fits a box [left, top, width, height] best."""
        mask = self.person | self.leak
        if box is not None:
            mask = _component_of(mask, box)
        return rlemasklib.encode(mask.astype(np.uint8))


def foreground_picture(foreground) -> np.ndarray:
    """(h, w, 3) uint8."""
    red = foreground.person | foreground.leak
    picture = np.stack([red, foreground.upper, foreground.lower], axis=-1) * np.uint8(255)
    # What compression leaves around the person, in a coarse pattern that survives it.
    rows, columns = np.indices(red.shape) // 16
    picture[..., 0][~red & ((rows + columns) % 2 == 0)] = _NOISE
    return picture


def chair_picture(scene, camera) -> np.ndarray:
    """(h, w, 3) uint8: 0 where the chair is, in front of or behind anything, 255 elsewhere."""
    picture = np.full((*camera.imshape, 3), 255, np.uint8)
    for performer in scene.performers:
        for chair in performer.props:
            points = camera.project(chair.vertices).astype(np.float32)
            cv2.fillConvexPoly(picture, np.rint(cv2.convexHull(points)).astype(int), (0, 0, 0))
    return picture


def _component_of(mask, box):
    """The 4-connected part whose tight box has the largest IoU with ``box``."""
    labels, n = scipy.ndimage.label(mask)
    best, best_iou = np.zeros_like(mask), -1
    for i, (rows, columns) in enumerate(scipy.ndimage.find_objects(labels), start=1):
        ious = _iou([columns.start, rows.start, columns.stop, rows.stop], box)
        if ious > best_iou:
            best, best_iou = labels == i, ious
    return best


def _iou(corners, box):
    x1, y1, x2, y2 = corners
    left, top, width, height = box
    common = max(0, min(x2, left + width) - max(x1, left)) * max(
        0, min(y2, top + height) - max(y1, top)
    )
    return common / ((x2 - x1) * (y2 - y1) + width * height - common)
