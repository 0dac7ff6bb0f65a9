"""Boxes of the people: around their joints, or those of a detector.

Detections are those that a person has put in place, ``yolov4_detections.pkl``, keyed by path of
an image below ``imageFiles``; or else those of the detect step, in the folder ``detections``.
"""

import functools
import os
import os.path as osp

import numpy as np

from posepile.detection.stored import open_detections
from posepile.errors import RawDataError
from posepile.pipeline.box_rule import BoxRule, Limit
from posepile.pipeline.person_boxes import Fate, person_boxes_of_frames
from posepile.util.boxes import joint_boxes

PLACES = ('yolov4_detections.pkl', 'detections')
_EXPANSION = 1.15
_RULE = BoxRule(pairing='one_to_one', iou=Limit('>', 0.1))
_NOTHING = np.zeros((0, 5))


def own_boxes(joints, intrinsics) -> np.ndarray:
    """Boxes [left, top, width, height] around the projections of joints, larger by 0.15.

    Args:
        joints: (T, J, 3) mm in the camera's axes, NaN where missing. What is not in front of the
            camera is not projected.
        intrinsics: (3, 3).

    Returns:
        (T, 4) px; NaN without joints in front of the camera.
    """
    is_ahead = joints[..., 2] > 0
    rays = joints / np.where(is_ahead, joints[..., 2], np.nan)[..., np.newaxis]
    return joint_boxes((rays @ intrinsics.T)[..., :2], _EXPANSION, where=is_ahead)


def detected_boxes(raw_folder, sequence, own, notes) -> list[np.ndarray]:
    """What the detector found of each person; NaN where it found nobody at their place.

    Args:
        own: (T, 4) boxes of each person; NaN where they do not count, and thus take part in
            nothing.
        notes: list to which a remark is added if people are left out.

    Returns:
        (T, 4) for each person.

    Raises:
        RawDataError: if there are no detections.
    """
    found = find_detections(raw_folder)
    n_frames = max(map(len, own), default=0)
    by_frame = np.full((n_frames, len(own), 4), np.nan)
    for i, boxes in enumerate(own):
        by_frame[: len(boxes), i] = boxes
    prefix = 'imageFiles/'
    keys = [sequence.image_path(i).removeprefix(prefix) for i in range(n_frames)]
    detections = [found[key] if key in found else _NOTHING for key in keys]
    result = person_boxes_of_frames(by_frame, detections, _RULE)
    is_dropped = (result.fates > Fate.OWN_BOX) & (result.fates != Fate.NO_OWN_BOX)
    if is_dropped.any():
        notes.append(f'{is_dropped.sum()} people in its frames were not found by the detector')
    return [result.boxes[: len(boxes), i] for i, boxes in enumerate(own)]


def find_detections(raw_folder):
    """Mapping from path below ``imageFiles`` to (n, 5) boxes.

    Raises:
        RawDataError: if there is none.
    """
    for place in PLACES:
        path = osp.join(raw_folder, place)
        if osp.exists(path):
            return _open_once(path, os.stat(path).st_mtime_ns)
    path = osp.join(raw_folder, PLACES[-1])
    raise RawDataError(
        path, 'the boxes of a detector are missing', 'Run all steps: posepile run tdpw_parametric'
    )


@functools.lru_cache(maxsize=2)
def _open_once(path, time):
    return open_detections(path)
