"""Who is where in a composite, from the recordings' own masks.

What is seen of people there is known from the masks of their pictures and from who stands in front
of whom. Their boxes are those of what is seen, as high as their joints say at most.
"""

import functools

import cv2
import numpy as np
import rlemasklib

from posepile.ds.muco import depth_order, studio
from posepile.ds.tdhp import tree
from posepile.ds.tdhp.masks import component_of
from posepile.ds.tdhp.skeleton import JOINT_INFO, SOURCE_JOINTS, columns
from posepile.errors import RawDataError
from posepile.util.boxes import clipped, expanded, is_box, joint_boxes, vertical_intersections
from posepile.util.maskproc import largest_connected_component

FOREGROUND_THRESHOLD = 100
CHAIR_THRESHOLD = 32
_JOINTS_17 = columns(JOINT_INFO, SOURCE_JOINTS)
_PELVIS = SOURCE_JOINTS.index('pelv')
_MARGIN = 1.05
_MASK_MARGIN = 1.3


def own_boxes(poses, pixels, imshape, people, chairs) -> np.ndarray:
    """Boxes of what is seen of each person.

    Args:
        poses: (P, 28, 3) in camera space, mm.
        pixels: (P, 28, 2).
        imshape: (height, width).
        people, chairs: their masks, run-length encoded.

    Returns:
        (P, 4) float64 [left, top, width, height]; without height for people who are not seen.
    """
    visible = depth_order.visible_masks(people, chairs, poses[:, _PELVIS, 2])
    seen = np.array([rlemasklib.to_bbox(mask) for mask in visible], np.float64)
    of_joints = joint_boxes(pixels, where=poses[..., 2] > 0)
    return vertical_intersections(seen, expanded(clipped(of_joints, imshape), _MARGIN))


def person_mask(foreground, pixels, depths) -> dict:
    """The person's part of a foreground picture.

    Args:
        foreground: (h, w, 3) uint8.
        pixels: (28, 2) joints.
        depths: (28,) theirs; those behind the camera do not count.

    Returns:
        Run-length encoded mask: of the 4-connected parts of the foreground the one that fits the
        joints best, as far as it is near them; empty for a person who is not in the picture.
    """
    height, width = foreground.shape[:2]
    box = joint_boxes(pixels[_JOINTS_17], _MARGIN, where=depths[_JOINTS_17] > 0)
    box = clipped(box, (height, width))
    if not is_box(box):
        return rlemasklib.zeros((height, width))
    red = cv2.extractChannel(foreground, 0)
    mask = cv2.threshold(red, FOREGROUND_THRESHOLD, 255, cv2.THRESH_BINARY)[1]
    # Outside of the window around all parts, there is nothing to be looked at.
    x, y, w, h = cv2.boundingRect(mask)
    window = np.s_[y : y + h, x : x + w]
    if w:
        mask[window] = component_of(np.ascontiguousarray(mask[window]), box - [x, y, 0, 0])
    left, top, width, height = expanded(box, _MASK_MARGIN)
    near = _pixels(top, height), _pixels(left, width)
    result = np.zeros_like(mask)
    result[near] = mask[near] > 0
    return rlemasklib.encode(result)


def chair_mask(picture) -> dict:
    """The largest connected dark part of a chair picture, (h, w, 3) uint8; run-length encoded."""
    red = cv2.extractChannel(picture, 0)
    dark = cv2.threshold(red, CHAIR_THRESHOLD - 1, 1, cv2.THRESH_BINARY_INV)[1]
    x, y, w, h = cv2.boundingRect(dark)
    window = np.s_[y : y + h, x : x + w]
    if w:
        dark[window] = largest_connected_component(dark[window])[0]
    return rlemasklib.encode(dark)


def masks_of(moment) -> tuple[dict, dict]:
    """Masks of the person and the chair of a moment; many composites show the same.

    Raises:
        RawDataError: if a picture or annotation is missing or damaged.
    """
    files = (studio.picture_file(moment, kind) for kind in (tree.FOREGROUND, tree.CHAIR))
    return _masks_of(moment, *files)


@functools.lru_cache(maxsize=4096)
def _masks_of(moment, *files):
    foreground = studio.read_picture(moment, tree.FOREGROUND)
    chair = studio.read_picture(moment, tree.CHAIR)
    if foreground.shape != chair.shape:
        path = moment.path(tree.CHAIR)
        raise RawDataError(path, 'is not as large as the foreground mask', 'Extract them again.')
    joints = studio.pose_of(moment)[0]
    pixels = studio.calibration_of(moment).project(joints)
    return person_mask(foreground, pixels, joints[:, 2]), chair_mask(chair)


def _pixels(start, length):
    """Those whose centres are in a range."""
    return slice(max(0, int(np.ceil(start))), max(0, int(np.ceil(start + length))))
