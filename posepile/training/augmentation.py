"""Views of a person for training: the camera itself is turned, rolled, zoomed and mirrored.

So pixels, joints and intrinsics stay those of one real camera: projecting the joints of a view
with its intrinsics gives the places where its image shows them. Everything is double precision
until it is stored.
"""

from dataclasses import dataclass

import numpy as np

from posepile.pipeline.lens import Lens

#: Field of view across images that come without calibration, rad.
_NOMINAL_FIELD_OF_VIEW = np.deg2rad(50)
#: What is nearer to the camera's plane than this (mm), or behind it, has no place in the image.
_NEAREST = 1.0


@dataclass(frozen=True)
class ViewChange:
    """How a view differs from the upright one that is centred on the person's box.

    Attributes:
        shift: of the centre, as a fraction of the longer side of the box, (x, y).
        scale: factor of the size of the person.
        roll: angle in rad by which the image is turned, from x to y (clockwise to the eye).
        mirror: left and right exchanged.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    roll: float = 0.0
    mirror: bool = False


@dataclass(frozen=True)
class RandomView:
    """Distribution of views. All defaults but ``side`` are what is common in the field.

    Attributes:
        side: px of the square view.
        shift: radius of the disc of which the shift is drawn.
        scale: least and largest scale.
        roll: largest angle either way, degrees.
        mirror: probability.
        margin: longer side of the view over that of the box, before scaling.
    """

    side: int = 256
    shift: float = 0.1
    scale: tuple[float, float] = (0.75, 1.25)
    roll: float = 20.0
    mirror: float = 0.5
    margin: float = 1.0

    @classmethod
    def fixed(cls, side=256, margin=1.0):
        """Always the upright, centred view: for validation and tests."""
        return cls(side, shift=0.0, scale=(1.0, 1.0), roll=0.0, mirror=0.0, margin=margin)

    def draw(self, rng) -> ViewChange:
        """A random change."""
        radius, angle, scale, roll, mirror = rng.random(5)
        radius, angle = self.shift * np.sqrt(radius), 2 * np.pi * angle
        return ViewChange(
            shift=(radius * np.cos(angle), radius * np.sin(angle)),
            scale=self.scale[0] + scale * (self.scale[1] - self.scale[0]),
            roll=np.deg2rad(self.roll) * (2 * roll - 1),
            mirror=bool(mirror < self.mirror),
        )


@dataclass(frozen=True)
class View:
    """A pinhole view, without distortion and skew, about the optical centre of an image's camera.

    Attributes:
        lens: :class:`~posepile.pipeline.lens.Lens` of the image.
        to_view: (3, 3) from directions in the image's camera space to those in the view's. A
            rotation, with a reflection if the view is mirrored; for images without a camera a
            shift of the image plane instead.
        intrinsics: (3, 3) of the view.
        side: px, width and height.
        is_mirrored: joints of the left and the right have to change places.
        is_calibrated: whether there is a camera.
    """

    lens: Lens
    to_view: np.ndarray
    intrinsics: np.ndarray
    side: int
    is_mirrored: bool
    is_calibrated: bool

    @property
    def homography(self) -> np.ndarray:
        """(3, 3) from pixels of an undistorted image to pixels of the view."""
        return self.intrinsics @ self.to_view @ np.linalg.inv(self.lens.intrinsics)

    def points(self, pixels) -> np.ndarray:
        """Pixels (N, 2) of the image to pixels of the view; NaN stays NaN."""
        pixels = np.asarray(pixels, np.float64)
        result = np.full(pixels.shape, np.nan)
        is_valid = np.all(np.isfinite(pixels), axis=-1)
        if np.any(is_valid):
            rays = self.lens.rays(pixels[is_valid]) @ self.to_view.T
            result[is_valid] = project(rays, self.intrinsics, nearest=1e-6)
        return result

    def box(self, box) -> np.ndarray:
        """Bounds (4,) in the view of the middles of the sides of a box in the image."""
        points = self.points(_side_midpoints(box))
        if not np.all(np.isfinite(points)):
            return np.full(4, np.nan)
        first = points.min(axis=0)
        return np.concatenate([first, points.max(axis=0) - first])

    def extrinsics(self, camera) -> np.ndarray:
        """(4, 4) from world space (mm) to the view's camera space; mirrored views reflect."""
        matrix = np.eye(4)
        if camera is not None:
            matrix[:3, :3] = self.to_view @ np.asarray(camera.R, np.float64)
            matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(camera.t, np.float64)
        return matrix


def plan_view(camera, box, change, side, margin=1.0) -> View:
    """The view of the person in a box.

    Args:
        camera: :class:`deltacamera.Camera` of the image, or None if there is none.
        box: (4,) [left, top, width, height] in the image.
        change: :class:`ViewChange`.
        side, margin: as in :class:`RandomView`.

    Raises:
        ValueError: if the box is empty or not finite.
    """
    box = np.asarray(box, np.float64)[:4]
    if not np.all(np.isfinite(box)) or np.any(box[2:] <= 0):
        raise ValueError(f'the box {box.round(1).tolist()} is empty or not finite')
    lens = Lens(camera)
    center = box[:2] + box[2:] / 2 + np.asarray(change.shift) * box[2:].max()
    ray = lens.rays(center)[0]
    if camera is None:
        to_view = np.array([[1, 0, -ray[0]], [0, 1, -ray[1]], [0, 0, 1]])
    else:
        up = np.asarray(camera.R, np.float64) @ np.asarray(camera.world_up, np.float64)
        to_view = _looking_along(ray, up)
    middles = lens.rays(_side_midpoints(box)) @ to_view.T
    middles = middles[:, :2] / middles[:, 2:]
    left, top, right, bottom = middles
    extent = np.linalg.norm(right - left if box[2] > box[3] else bottom - top)
    focal = change.scale * side / (margin * extent)
    cos, sin = np.cos(change.roll), np.sin(change.roll)
    to_view = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ to_view
    if change.mirror:
        to_view = np.diag([-1.0, 1, 1]) @ to_view
    if camera is None:
        # The plane is moved to where a camera of the nominal field of view sees it like that.
        nominal = side / 2 / np.tan(_NOMINAL_FIELD_OF_VIEW / 2)
        to_view = np.diag([focal / nominal, focal / nominal, 1]) @ to_view
        focal = nominal
    middle = (side - 1) / 2
    intrinsics = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    return View(lens, to_view, intrinsics, side, change.mirror, camera is not None)


def camera_coords(view, camera, world_coords, mirror_mapping) -> np.ndarray:
    """Joints in the view's camera space.

    Args:
        world_coords: (J, 3) mm, NaN where missing.
        mirror_mapping: index of the opposite-side joint of each joint.

    Returns:
        (J, 3) float64 mm.
    """
    world_coords = np.asarray(world_coords, np.float64)
    from_camera = (world_coords - np.asarray(camera.t, np.float64)) @ np.asarray(
        view.to_view @ np.asarray(camera.R, np.float64)
    ).T
    return from_camera[mirror_mapping] if view.is_mirrored else from_camera


def image_coords(view, pixels, mirror_mapping) -> np.ndarray:
    """Joints (J, 2) given in pixels of the image, in pixels of the view."""
    points = view.points(pixels)
    return points[mirror_mapping] if view.is_mirrored else points


def project(coords, intrinsics, nearest=_NEAREST) -> np.ndarray:
    """Camera-space points (N, 3) to pixels (N, 2); NaN for what is not in front of the camera."""
    is_ahead = coords[:, 2:] > nearest  # false for NaN
    plane = coords[:, :2] / np.where(is_ahead, coords[:, 2:], np.nan)
    return plane @ intrinsics[:2, :2].T + intrinsics[:2, 2]


def _looking_along(ray, up):
    """Rotation to an upright camera whose optical axis is ``ray``; both in camera space."""
    z = ray / np.linalg.norm(ray)
    x = np.cross(z, up)
    if np.linalg.norm(x) < 1e-6 * np.linalg.norm(up):  # straight up or down: stay as it is
        x = np.cross([0.0, 1, 0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _side_midpoints(box):
    left, top, width, height = np.asarray(box, np.float64)[:4]
    return np.array(
        [
            [left, top + height / 2],
            [left + width / 2, top],
            [left + width, top + height / 2],
            [left + width / 2, top + height],
        ]
    )
