"""Cameras of the synthetic studio, in float64.

Axes follow OpenCV: x right, y down, z forward in camera space; pixel centres at integer
coordinates. Lens models and coefficient orders are OpenCV's: 5, 8 or 12 coefficients
(k1 k2 p1 p2 k3 [k4 k5 k6 [s1 s2 s3 s4]]) are radial, tangential and thin-prism terms of the
rational model, 4 coefficients are the equidistant fisheye model.
"""

import dataclasses
import functools

import numpy as np

from posepile.errors import OptionError

# Rays further off axis than this (about 80 degrees) are never drawn.
_MAX_TAN = 5.67


@dataclasses.dataclass(frozen=True, eq=False)
class StudioCamera:
    """A calibrated camera with exact float64 projection.

    Attributes:
        K: (3, 3) intrinsic matrix in pixels, last row (0, 0, 1).
        R: (3, 3) rotation from world to camera axes.
        t: (3,) optical centre in world space, mm.
        imshape: (height, width) of the image in pixels.
        distortion: None, or 5, 8 or 12 Brown-Conrady coefficients, or 4 fisheye ones.
        world_up: (3,) unit vector that points up in world space.

    Raises:
        OptionError: if the number of distortion coefficients is none of these.
    """

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    imshape: tuple
    distortion: np.ndarray | None = None
    world_up: np.ndarray = (0.0, 0.0, 1.0)

    def __post_init__(self):
        for name in ('K', 'R', 't', 'world_up'):
            object.__setattr__(self, name, np.array(getattr(self, name), np.float64))
        object.__setattr__(self, 'imshape', (int(self.imshape[0]), int(self.imshape[1])))
        if self.distortion is not None:
            d = np.array(self.distortion, np.float64).ravel()
            if len(d) not in (4, 5, 8, 12):
                raise OptionError(
                    f'A lens has {len(d)} distortion coefficients; 4, 5, 8 or 12 are supported.'
                )
            object.__setattr__(self, 'distortion', d)

    @classmethod
    def look_at(
        cls, eye, target, imshape=(360, 640), fov=None, focal=None, distortion=None, roll=0.0
    ):
        """Camera at ``eye`` whose optical axis passes through ``target``; world z is up.

        Args:
            eye, target: (3,) points in world mm.
            imshape: (height, width) in pixels. The principal point is the image centre.
            fov: angle of view over the longer image side, in degrees (default 50, a normal lens).
            focal: focal length in pixels, instead of ``fov``.
            distortion: lens coefficients, see the class.
            roll: turn about the optical axis in radians, clockwise as seen in the image.
        """
        eye, target = np.asarray(eye, np.float64), np.asarray(target, np.float64)
        forward = (target - eye) / np.linalg.norm(target - eye)
        up = np.array([0.0, 0.0, 1.0])
        if abs(forward @ up) > 0.9999:  # looking straight up or down leaves the roll undefined
            up = np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        c, s = np.cos(roll), np.sin(roll)
        R = np.stack([c * right - s * down, s * right + c * down, forward])
        h, w = imshape
        if focal is None:
            focal = max(h, w) / 2 / np.tan(np.radians(50 if fov is None else fov) / 2)
        K = np.array([[focal, 0, (w - 1) / 2], [0, focal, (h - 1) / 2], [0, 0, 1]])
        return cls(K=K, R=R, t=eye, imshape=imshape, distortion=distortion)

    @property
    def is_fisheye(self):
        """Whether the lens follows the equidistant (4 coefficient) model."""
        return self.distortion is not None and len(self.distortion) == 4

    @functools.cached_property
    def identity(self):
        """A hashable value that is equal for cameras that make the same picture."""
        d = b'' if self.distortion is None else self.distortion.tobytes()
        return self.imshape, self.K.tobytes(), self.R.tobytes(), self.t.tobytes(), d

    def world_to_camera(self, points):
        """(..., 3) world points in camera coordinates, mm."""
        return (np.asarray(points, np.float64) - self.t) @ self.R.T

    def camera_to_world(self, points):
        """(..., 3) camera-space points in world coordinates, mm."""
        return np.asarray(points, np.float64) @ self.R + self.t

    def project(self, points):
        """(..., 3) world points in pixels (..., 2); NaN on or behind the camera plane."""
        return self.camera_to_image(self.world_to_camera(points))

    def camera_to_image(self, points):
        """(..., 3) camera-space points in pixels (..., 2); NaN where z <= 0."""
        points = np.asarray(points, np.float64)
        z = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        xy = self.distort(points[..., :2] / z)
        return xy @ self.K[:2, :2].T + self.K[:2, 2]

    def distort(self, xy):
        """Applies the lens model to (..., 2) points of the image plane at depth 1."""
        d = self.distortion
        if d is None:
            return xy
        x, y = xy[..., 0], xy[..., 1]
        r2 = x * x + y * y
        if self.is_fisheye:
            r = np.sqrt(r2)
            scale = np.where(r > 1e-12, _fisheye_angle(np.arctan(r), d) / np.maximum(r, 1e-12), 1)
            return xy * scale[..., np.newaxis]
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = np.pad(d, (0, 12 - len(d)))
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2)
        dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + s4 * r2)
        return np.stack([x * radial + dx, y * radial + dy], axis=-1)

    def undistort(self, xy):
        """Inverse of :meth:`distort` by Newton's method, within :attr:`max_tangent`."""
        if self.distortion is None:
            return xy
        xy = np.asarray(xy, np.float64)
        if self.is_fisheye:
            r_d = np.linalg.norm(xy, axis=-1)
            limit = np.arctan(self.max_tangent)
            theta = np.minimum(r_d, limit)
            for _ in range(20):
                h = 1e-6
                value = _fisheye_angle(theta, self.distortion)
                slope = (_fisheye_angle(theta + h, self.distortion) - value) / h
                theta = np.clip(theta - (value - r_d) / slope, 0, limit)
            return xy * np.where(r_d > 1e-12, np.tan(theta) / np.maximum(r_d, 1e-12), 1)[..., None]
        guess = self._within_max_tangent(xy)
        h = 1e-6
        for _ in range(12):
            residual = self.distort(guess) - xy
            jac_x = (self.distort(guess + [h, 0]) - self.distort(guess - [h, 0])) / (2 * h)
            jac_y = (self.distort(guess + [0, h]) - self.distort(guess - [0, h])) / (2 * h)
            det = jac_x[..., 0] * jac_y[..., 1] - jac_y[..., 0] * jac_x[..., 1]
            det = np.where(np.abs(det) < 1e-3, 1e-3, det)
            step_x = (residual[..., 0] * jac_y[..., 1] - residual[..., 1] * jac_y[..., 0]) / det
            step_y = (residual[..., 1] * jac_x[..., 0] - residual[..., 0] * jac_x[..., 1]) / det
            guess = self._within_max_tangent(guess - np.stack([step_x, step_y], axis=-1))
        return guess

    def _within_max_tangent(self, xy):
        r = np.linalg.norm(xy, axis=-1, keepdims=True)
        return xy * np.minimum(1, self.max_tangent / np.maximum(r, 1e-12))

    @functools.cached_property
    def max_tangent(self):
        """Largest tangent of the angle off axis up to which the lens model does not fold back."""
        if self.distortion is None:
            return np.inf
        r = np.linspace(0, _MAX_TAN, 4000)
        rings = [
            np.linalg.norm(self.distort(np.stack([r * np.cos(a), r * np.sin(a)], axis=-1)), axis=-1)
            for a in np.arange(8) * np.pi / 4
        ]
        growing = np.all(np.diff(rings, axis=1) > 0, axis=0)
        return float(r[-1] if growing.all() else r[np.argmin(growing)])

    def is_drawable(self, points_cam):
        """Whether (..., 3) camera-space points lie in front, where the lens model is valid."""
        z = points_cam[..., 2]
        if self.distortion is None:
            return z > 50
        return (z > 50) & (np.hypot(points_cam[..., 0], points_cam[..., 1]) < self.max_tangent * z)

    def pixel_rays(self, scale=1):
        """World directions of all pixels of the image at ``scale`` samples per pixel side.

        Returns:
            (h * scale, w * scale, 3) float32; the depth component in camera space is 1.
            Distorted lenses are inverted on a grid of 8 px and interpolated between.
        """
        h, w = self.imshape
        xs = (np.arange(w * scale) + 0.5) / scale - 0.5
        ys = (np.arange(h * scale) + 0.5) / scale - 0.5
        if self.distortion is None:
            node_xs, node_ys = np.array([-0.5, w - 0.5]), np.array([-0.5, h - 0.5])
        else:
            node_xs = np.linspace(-0.5, w - 0.5, w // 8 + 2)
            node_ys = np.linspace(-0.5, h - 0.5, h // 8 + 2)
        pixels = np.stack(np.meshgrid(node_xs, node_ys), axis=-1)
        plane = self.undistort((pixels - self.K[:2, 2]) @ np.linalg.inv(self.K[:2, :2]).T)
        nodes = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1) @ self.R
        nodes = nodes.astype(np.float32)
        across = _interpolation_matrix(node_xs, xs)
        along = _interpolation_matrix(node_ys, ys)
        return np.stack([along @ nodes[..., i] @ across.T for i in range(3)], axis=-1)

    def scaled(self, factor):
        """The same view on an image of ``factor`` times the size (rounded)."""
        h, w = (round(side * factor) for side in self.imshape)
        fy, fx = h / self.imshape[0], w / self.imshape[1]
        K = np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]]) @ self.K
        return dataclasses.replace(self, K=K, imshape=(h, w))

    def to_deltacamera(self):
        """The same camera as a ``deltacamera.Camera``, which holds float32."""
        import deltacamera

        if self.distortion is None:
            model = None
        elif self.is_fisheye:
            model = deltacamera.FisheyeKannalaBrandt(self.distortion)
        else:
            model = deltacamera.BrownConradyEx(self.distortion)
        return deltacamera.Camera(
            optical_center=self.t,
            rot_world_to_cam=self.R,
            intrinsic_matrix=self.K,
            distortion_model=model,
            world_up=self.world_up,
            image_shape=self.imshape,
        )


def _fisheye_angle(theta, k):
    t2 = theta * theta
    return theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))


def _interpolation_matrix(nodes, values):
    """(len(values), len(nodes)) float32 weights of linear interpolation on an even grid."""
    position = (values - nodes[0]) / (nodes[1] - nodes[0])
    left = np.clip(position.astype(int), 0, len(nodes) - 2)
    matrix = np.zeros((len(values), len(nodes)), np.float32)
    rows = np.arange(len(values))
    matrix[rows, left] = 1 - (position - left)
    matrix[rows, left + 1] = position - left
    return matrix
