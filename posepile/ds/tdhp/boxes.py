"""Boxes of the persons: around their joints, and around what a detector has found.

Detections are those that a person has put in place, or else those of the detect step:
``yolov3_person_detections.pkl``, keyed by path of an (extracted) image below ``3dhp``, or the
folder ``detections``; for the product with all frames the folder ``yolov4_detections_full`` of
pickles like ``S1/Seq1/imageSequence/video_0.pkl``, a list of the boxes in each frame, or the
folder ``detections_full``.
"""

import functools
import os
import os.path as osp

import numpy as np

from posepile.detection.stored import open_detections
from posepile.ds.tdhp import tree
from posepile.pipeline.box_rule import BoxRule, Limit
from posepile.pipeline.person_boxes import person_boxes
from posepile.storage.results import frame_key
from posepile.util.boxes import joint_boxes

PLACES = ('yolov3_person_detections.pkl', 'detections')
FULL_PLACES = ('yolov4_detections_full', 'detections_full')
_EXPANSION = 1.05
#: The most confident detection; together with the joints, unless that is too large for them.
_RULE = BoxRule(
    pairing='best_score',
    iou=Limit('>', 0.5),
    iou_of_hull=True,
    hull=True,
    if_unmatched='own',
    if_no_detections='own',
)
_NOTHING = np.zeros((0, 5))


def find_detections(places):
    """Mapping of the first of ``PLACES`` or ``FULL_PLACES`` that exists; None if none does."""
    for place in places:
        path = osp.join(tree.release_dir(), place)
        if osp.exists(path):
            return _open_once(path, os.stat(path).st_mtime_ns)
    return None


@functools.lru_cache(maxsize=2)
def _open_once(path, time):
    return open_detections(path)


def keys_of_frame(subject, sequence, i_camera, i_frame) -> tuple[str, ...]:
    """How the detections in a training frame may be called."""
    video = tree.video_path(subject, sequence, tree.IMAGES, i_camera)
    return (
        tree.frame_path(subject, sequence, tree.IMAGES, i_camera, i_frame),
        frame_key(video, i_frame),
        frame_key(osp.splitext(video)[0], i_frame),
    )


def boxes_of_frames(pixels, depths, indices, detections, keys_of) -> np.ndarray:
    """Boxes of one person in chosen frames.

    Args:
        pixels: (F, J, 2) projected joints.
        depths: (F, J) their depths; those behind the camera do not count.
        indices: the chosen frames.
        detections: mapping from key to (n, 5) boxes, or None.
        keys_of: frame -> the keys under which its detections may be.

    Returns:
        (F, 4) [left, top, width, height]; NaN where not chosen.
    """
    boxes = np.full((len(pixels), 4), np.nan)
    own = joint_boxes(pixels[indices], _EXPANSION, where=depths[indices] > 0)
    for i, own_box in zip(indices, own, strict=True):
        found = _NOTHING
        if detections is not None:
            found = next((detections[k] for k in keys_of(i) if k in detections), _NOTHING)
        boxes[i] = person_boxes(own_box[np.newaxis], found, _RULE).boxes[0]
    return boxes
