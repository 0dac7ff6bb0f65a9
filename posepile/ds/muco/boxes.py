"""Boxes of people that a detector has found in the composites.

They are those that a person has put in place, ``yolov4_detections.pkl`` or
``yolov3_detections.pkl``, or else those of the detect step, in the folder ``detections``. A
composite is known by the number that is its file's name, in whatever folder it was at the time.
"""

import functools
import os
import os.path as osp
import re

from posepile.detection.stored import PickledDetections, open_detections
from posepile.ds.muco import tree
from posepile.errors import RawDataError
from posepile.pipeline.box_rule import BoxRule, Limit

PLACES = ('yolov4_detections.pkl', 'yolov3_detections.pkl', 'detections')
RULE = BoxRule(detection_score=Limit('>', 0.1), iou=Limit('>', 0.1), area_ratio=Limit('<', 2))
_REMEDY = 'Run the detect step.'
_NUMBER = re.compile(r'(?:.*/)?(\d{6})\.jpg')


def detections_in(number):
    """(n, 5) boxes and scores found in composite 1, 2, ...

    Raises:
        RawDataError: if there are no detections at all, or none of this image: it then was not
            looked at, or could not be read.
    """
    path = next((p for p in _places() if osp.exists(p)), None)
    if path is None:
        raise RawDataError(list(_places())[-1], 'there are no detections', _REMEDY)
    detections, keys = _open(path, os.stat(path).st_mtime_ns)
    for key in (keys.get(number), tree.numbered_path(number), tree.sorted_path(number)):
        if key is not None and key in detections:
            return detections[key]
    raise RawDataError(path, f'nobody has looked for people in composite {number:06d}', _REMEDY)


def _places():
    return [osp.join(tree.release_dir(), place) for place in PLACES]


@functools.lru_cache(maxsize=1)
def _open(path, time):
    """Detections, and number of the composite -> key where keys may begin with any folder."""
    detections = open_detections(path)
    keys = {}
    if isinstance(detections, PickledDetections):
        matches = map(_NUMBER.fullmatch, detections)
        keys = {int(match[1]): match[0] for match in matches if match}
    return detections, keys
