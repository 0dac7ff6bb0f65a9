"""Which part of the image a crop shows, and the camera that sees it.

The camera is turned about its optical centre until it looks at the centre of the person's box;
lens distortion is dropped; the view is cut to a generous square around the box and scaled so
that the longer side of the box becomes 384 px, enlarging by no more than 1.2. World coordinates
stay as they are. Without a camera the crop is a shift and a scaling of the image plane; so it is
where a :class:`Framing` says that the camera keeps its direction.
"""

from dataclasses import dataclass

import boxlib
import numpy as np
from deltacamera import Camera

from posepile.pipeline.lens import Lens

#: Length in px of the longer side of the box in the crop, unless that enlarges too much.
BOX_SIDE = 1.5 * 256
MAX_ENLARGEMENT = 1.2
#: A training crop may shift (10 %), shrink and turn (30 degrees) the view around the box.
_MARGIN = (1 / 0.85) * 1.1 * (1 / 0.85)
_ROLL = np.pi / 6


@dataclass(frozen=True)
class Framing:
    """How crops are laid out, where a dataset differs from the others.

    Attributes:
        turns: whether the camera is turned towards the person.
        box_side: length in crop pixels of the longer side of the box, if that enlarges by no more
            than ``max_enlargement``.
    """

    turns: bool = True
    box_side: float = BOX_SIDE
    max_enlargement: float = MAX_ENLARGEMENT


USUAL_FRAMING = Framing()


@dataclass(frozen=True)
class CropGeometry:
    """The view of one crop.

    Attributes:
        lens: the source image's :class:`Lens`.
        rotation: (3, 3) float64, from the source camera's space to the crop camera's.
        intrinsics: (3, 3) float64 intrinsic matrix of the crop.
        imshape: (height, width) of the crop.
        scale: crop pixels per pixel of the undistorted, turned view.
        box: (4,) float64, the person's box in the crop.
        camera: :class:`deltacamera.Camera` of the crop, None if the source has none.
    """

    lens: Lens
    rotation: np.ndarray
    intrinsics: np.ndarray
    imshape: tuple[int, int]
    scale: float
    box: np.ndarray
    camera: Camera | None

    def points(self, source_points):
        """Source pixels (..., 2) to crop pixels, float64; NaN stays NaN."""
        source_points = np.asarray(source_points, np.float64)
        flat = source_points.reshape(-1, 2)
        result = np.full(flat.shape, np.nan)
        is_valid = np.all(np.isfinite(flat), axis=1)
        result[is_valid] = _project(
            self.lens.rays(flat[is_valid]) @ self.rotation.T, self.intrinsics
        )
        return result.reshape(source_points.shape)


def plan_crop(
    camera, box, imshape, expansion=1.0, extreme_perspective=False, framing=USUAL_FRAMING
) -> CropGeometry:
    """Lay out the crop of one person.

    Args:
        camera: :class:`deltacamera.Camera` of the source image, or None.
        box: (4,) person box [left, top, width, height] in source pixels.
        imshape: (height, width) of the source image.
        expansion: factor on the margin around the box; at or below 0 the crop is the box.
        extreme_perspective: let the crop reach beyond the image. For lenses so wide that the
            image corners lie behind the turned camera.
        framing: a :class:`Framing`.

    Raises:
        ValueError: if the box is not finite or empty, or lies off the image.
    """
    box = np.asarray(box, np.float64)
    if not np.all(np.isfinite(box)) or np.any(box[2:] <= 0):
        raise ValueError(f'the box {box.round(1).tolist()} is empty or not finite')
    lens = Lens(camera)
    rotation, world_to_crop = np.eye(3), None
    if camera is not None:
        world_to_camera = np.array(camera.R, np.float64)
        world_to_crop = world_to_camera
        if framing.turns:
            gaze = world_to_camera.T @ lens.rays(boxlib.center(box))[0]
            world_to_crop = _looking_along(gaze, np.array(camera.world_up, np.float64))
        rotation = world_to_crop @ world_to_camera.T
    midpoint_rays = lens.rays(_side_midpoints(box)) @ rotation.T
    view_box = _bounds(_project(midpoint_rays, lens.intrinsics))
    if expansion > 0:
        crop_box = _expanded_square(view_box, _MARGIN * expansion)
        if not extreme_perspective:
            corner_rays = lens.rays(_corners([0, 0, imshape[1], imshape[0]])) @ rotation.T
            view_of_image = _bounds(_project(corner_rays, lens.intrinsics))
            crop_box = _intersection(crop_box, view_of_image)
    else:
        crop_box = view_box
    scale = min(framing.max_enlargement, framing.box_side / max(view_box[2:]))
    height, width = (round(float(side)) for side in scale * crop_box[[3, 2]])
    if height < 1 or width < 1:
        raise ValueError(f'the box {box.round(1).tolist()} lies off the image')
    intrinsics = lens.intrinsics.copy()
    intrinsics[:2, 2] -= crop_box[:2]
    intrinsics[:2] *= scale
    return CropGeometry(
        lens=lens,
        rotation=rotation,
        intrinsics=intrinsics,
        imshape=(height, width),
        scale=scale,
        box=_bounds(_project(midpoint_rays, intrinsics)),
        camera=camera
        and Camera(
            optical_center=np.array(camera.t),
            rot_world_to_cam=world_to_crop,
            intrinsic_matrix=intrinsics,
            world_up=np.array(camera.world_up),
        ),
    )


def _looking_along(gaze, world_up):
    """World-to-camera rotation of an upright camera whose optical axis is ``gaze``."""
    z = gaze / np.linalg.norm(gaze)
    x = np.cross(z, world_up)
    if np.linalg.norm(x) < 1e-9:  # straight up or down: any horizontal direction will do
        x = np.cross(z, [1, 0, 0] if abs(z[0]) < 0.9 else [0, 1, 0])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _project(rays, intrinsics):
    """Camera-space directions (N, 3) to pixels (N, 2)."""
    return (rays[:, :2] / rays[:, 2:]) @ intrinsics[:2, :2].T + intrinsics[:2, 2]


# Boxlib rounds these to float32, which is a tenth of a pixel's hundredth here but grows with
# every further step; the geometry of a crop stays in double precision to its end.


def _side_midpoints(box):
    left, top, width, height = box
    return np.array(
        [
            [left, top + height / 2],
            [left + width / 2, top],
            [left + width, top + height / 2],
            [left + width / 2, top + height],
        ]
    )


def _corners(box):
    left, top, width, height = box
    return np.array(
        [[left, top], [left + width, top], [left + width, top + height], [left, top + height]],
        np.float64,
    )


def _bounds(points):
    start = np.min(points, axis=0)
    return np.concatenate([start, np.max(points, axis=0) - start])


def _expanded_square(box, factor):
    """Square around ``box`` that still holds it when turned by 30 degrees, times ``factor``."""
    width, height = box[2:]
    cos, sin = np.cos(_ROLL), np.sin(_ROLL)
    side = factor * max(cos * width + sin * height, cos * height + sin * width)
    center = box[:2] + box[2:] / 2
    return np.array([*(center - side / 2), side, side])


def _intersection(box, other):
    start = np.maximum(box[:2], other[:2])
    end = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    return np.concatenate([start, np.maximum(0, end - start)])
