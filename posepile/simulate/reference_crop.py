"""The geometry of a crop once more, as plainly as possible, to check the pipeline against.

Nothing here is shared with ``posepile.pipeline``: lenses are inverted by a root finder instead
of OpenCV's iteration, and every number is float64.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import root


@dataclass
class ReferenceCrop:
    """The view that the crop of one person must show.

    Attributes:
        K, R: (3, 3) intrinsics and world-to-camera rotation of the crop; R is None in 2D.
        size: (width, height).
        box: (4,) person box in the crop.
        scale: crop pixels per pixel of the turned view.
    """

    K: np.ndarray
    R: np.ndarray | None
    size: tuple[int, int]
    box: np.ndarray
    scale: float
    camera: dict | None

    def from_source(self, points):
        """Source pixels (N, 2) to crop pixels."""
        if self.camera is None:
            return points * self.scale + (self.K[:2, 2] + 0.5 * self.scale)
        rays = unproject(self.camera, points) @ self.camera['R'] @ self.R.T
        return pinhole(self.K, rays)

    def project(self, points):
        """Points (N, 3) in world axes, relative to the optical centre, to crop pixels."""
        return pinhole(self.K, points @ self.R.T)


@dataclass
class WholeImage:
    """The source image itself, as a crop that shows all of it."""

    size: tuple[int, int]
    box: np.ndarray
    camera: dict
    scale: float = 1.0

    @property
    def R(self):
        return self.camera['R']

    def from_source(self, points):
        """Pixels (N, 2) stay where they are."""
        return np.asarray(points, np.float64)

    def project(self, points):
        """See :meth:`ReferenceCrop.project`."""
        return to_source_pixels(self.camera, points @ self.R.T)


def reference_crop(
    camera, box, imshape, expansion=1.0, turns=True, box_side=1.5 * 256, max_enlargement=1.2
) -> ReferenceCrop:
    """The crop of the person box ``box`` in an image of ``imshape`` (height, width).

    Args:
        turns: whether the camera is turned towards the person.
        box_side, max_enlargement: how long the box is to be in the crop, and the largest scale.
    """
    left, top, width, height = np.float64(box)
    center = np.array([left + width / 2, top + height / 2])
    midpoints = center + np.array([[-width, 0], [0, -height], [width, 0], [0, height]]) / 2
    corners = np.array([[0, 0], [imshape[1], 0], [imshape[1], imshape[0]], [0, imshape[0]]])
    if camera is None:
        K, R = np.array([[1.0, 0, -0.5], [0, 1, -0.5], [0, 0, 1]]), None
        view_of_box, view_of_image = midpoints, corners.astype(np.float64)
    else:
        K = camera['K']
        z = camera['R'].T @ unproject(camera, center[np.newaxis])[0]
        z = z / np.linalg.norm(z)
        x = np.cross(z, camera['world_up'])
        x = x / np.linalg.norm(x)
        R = np.array([x, np.cross(z, x), z]) if turns else camera['R']
        view_of_box, view_of_image = (
            pinhole(K, unproject(camera, points) @ camera['R'] @ R.T)
            for points in (midpoints, corners)
        )
    start, end = view_of_box.min(0), view_of_box.max(0)
    w, h = end - start
    cos, sin = np.cos(np.deg2rad(30)), np.sin(np.deg2rad(30))
    side = max(cos * w + sin * h, cos * h + sin * w) * (1 / 0.85) * 1.1 * (1 / 0.85)
    side *= expansion
    middle = (start + end) / 2
    crop_start = np.maximum(middle - side / 2, view_of_image.min(0))
    crop_end = np.minimum(middle + side / 2, view_of_image.max(0))
    scale = min(max_enlargement, box_side / max(w, h))
    new_K = K.copy()
    new_K[:2, 2] -= crop_start
    new_K[:2] *= scale
    size = tuple(int(s) for s in np.round(scale * (crop_end - crop_start)))
    crop = ReferenceCrop(new_K, R, size, np.zeros(4), scale, camera)
    points = crop.from_source(midpoints)
    crop.box = np.concatenate([points.min(0), points.max(0) - points.min(0)])
    return crop


def pinhole(K, points):
    """Camera-space points (N, 3) to pixels."""
    return (points[:, :2] / points[:, 2:]) @ K[:2, :2].T + K[:2, 2]


def to_source_pixels(camera, points):
    """Points (N, 3) in the source camera's space to source pixels, through its lens."""
    normalized = points[:, :2] / points[:, 2:]
    if camera['distortion'] is not None and np.any(camera['distortion']):
        normalized = distort(normalized, camera['distortion'])
    return normalized @ camera['K'][:2, :2].T + camera['K'][:2, 2]


def unproject(camera, pixels):
    """Rays (N, 3) with z = 1 of source pixels, by solving the lens equation for each."""
    normalized = (pixels - camera['K'][:2, 2]) @ np.linalg.inv(camera['K'][:2, :2]).T
    coeffs = camera['distortion']
    if coeffs is not None and np.any(coeffs):
        normalized = np.array(
            [root(lambda q, p=p: distort(q, coeffs) - p, p, tol=1e-13).x for p in normalized]
        )
    return np.concatenate([normalized, np.ones((len(normalized), 1))], axis=1)


def distort(points, coeffs):
    """Lens distortion of normalised image points (..., 2), OpenCV's models (4 coefficients:
    fisheye)."""
    x, y = points[..., 0], points[..., 1]
    r2 = x * x + y * y
    if len(coeffs) == 4:
        k1, k2, k3, k4 = coeffs
        r = np.sqrt(r2)
        theta = np.arctan(r)
        t2 = theta**2
        distorted = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
        factor = np.where(r > 0, distorted / np.where(r > 0, r, 1), 1)
        return points * factor[..., np.newaxis]
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = np.pad(coeffs, (0, 12 - len(coeffs)))
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    shared = radial + 2 * (p2 * x + p1 * y)
    distorted_x = x * shared + r2 * (p2 + s1 + s2 * r2)
    distorted_y = y * shared + r2 * (p1 + s3 + s4 * r2)
    return np.stack([distorted_x, distorted_y], axis=-1)
