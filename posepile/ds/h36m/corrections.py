"""What is wrong with the published poses and boxes, and how it is put right.

In three takes of subject S9 the motion capture is off by 200 mm along the world's x axis, from the
first frame to the last. The boxes were made from it and are off as well.
"""

import re

import cv2
import numpy as np

from posepile.pipeline.lens import Lens

#: From the published to the true place, mm.
_CORRECTION = np.array([-200.0, 0.0, 0.0])
# As a folder or a file, with whatever follows the first dot. 'Greeting 1' is correct.
_SHIFTED = re.compile(
    r'(^|/)S9/((?!S\d+/)[^/]+/)*(Greeting|SittingDown 1|Waiting 1)(\.[^/]*)?(/|$)'
)


def is_shifted(path) -> bool:
    """Whether a path, such as that of an image or a pose file, is of one of those takes."""
    return _SHIFTED.search(path.replace('\\', '/')) is not None


def correct_world_coords(coords, path):
    """World coordinates (..., 3) in mm of the take that ``path`` belongs to, put right."""
    return coords + _CORRECTION if is_shifted(path) else coords


def correct_boxes(boxes, path, world_coords, camera):
    """The boxes of the view that ``path`` belongs to, put right.

    The corners of a box are taken to be as far from the camera as the person's pelvis is.

    Args:
        boxes: (n, 4) [left, top, width, height] in pixels.
        path: of an image, a video or the like.
        world_coords: (m, J, 3) corrected joints of the same frames in mm, the pelvis last. Of the
            two, what the other lacks at its end is left out.
        camera: :class:`deltacamera.Camera` of the view.

    Returns:
        (min(n, m), 4) boxes; ``boxes`` themselves where the take needs no correction.
    """
    if not is_shifted(path):
        return boxes
    n = min(len(boxes), len(world_coords))
    boxes = np.asarray(boxes, np.float64)[:n]
    pelvis = np.asarray(world_coords, np.float64)[:n, -1]
    rotation, center = np.array(camera.R, np.float64), np.array(camera.t, np.float64)
    depth = (pelvis - center) @ rotation[2]
    lens = Lens(camera)

    def moved(points):
        in_camera = lens.rays(points) * depth[:, np.newaxis] + rotation @ _CORRECTION
        pixels, _ = cv2.projectPoints(
            in_camera, np.zeros(3), np.zeros(3), lens.intrinsics, lens.distortion
        )
        return pixels.reshape(-1, 2)

    if n == 0:
        return boxes
    start, end = moved(boxes[:, :2]), moved(boxes[:, :2] + boxes[:, 2:])
    return np.concatenate([start, end - start], axis=1)
