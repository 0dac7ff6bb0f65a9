"""Cameras of MPI-INF-3DHP: those of the training set from their files, those of the test set."""

import functools
from dataclasses import dataclass

import numpy as np
from deltacamera import BrownConradyEx, Camera

from posepile.errors import RawDataError

_UP = (0, 1, 0)
_REMEDY = 'Delete it and download it again.'
_MOST_BYTES = 1 << 20
_MATRICES = ('intrinsic', 'extrinsic')


@dataclass(frozen=True, eq=False)
class Calibration:
    """One camera in float64.

    Attributes:
        K: (3, 3) px.
        R: (3, 3) from the world to the camera.
        t: (3,) optical centre in the world, mm.
        imshape: (height, width) px.
        distortion: (5,) k1, k2, p1, p2, k3 as in OpenCV, or None.
    """

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    imshape: tuple[int, int]
    distortion: tuple[float, ...] | None = None

    def camera(self) -> Camera:
        """As the pipeline takes it; world y points up."""
        k = self.distortion
        return Camera(
            intrinsic_matrix=self.K,
            rot_world_to_cam=self.R,
            optical_center=self.t,
            distortion_model=k and BrownConradyEx(k),
            world_up=_UP,
        )

    def to_world(self, points) -> np.ndarray:
        """(..., 3) camera space to world, mm."""
        return np.asarray(points, np.float64) @ self.R + self.t

    def project(self, points) -> np.ndarray:
        """(..., 3) camera space to pixels (..., 2); meaningless behind the camera."""
        points = np.asarray(points, np.float64)
        with np.errstate(divide='ignore', invalid='ignore'):
            x, y = np.moveaxis(points[..., :2] / points[..., 2:], -1, 0)
        if self.distortion is not None:
            k1, k2, p1, p2, k3 = self.distortion
            r2 = x * x + y * y
            factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + 2 * (p1 * y + p2 * x)
            x, y = x * factor + p2 * r2, y * factor + p1 * r2
        return np.stack([x, y], axis=-1) @ self.K[:2, :2].T + self.K[:2, 2]


def read_calibrations(path) -> dict[int, Calibration]:
    """Read a file ``camera.calibration`` of a training sequence.

    Returns:
        Number of the camera (``name``) -> calibration.

    Raises:
        RawDataError: if the file is missing, or a camera lacks something or has other numbers.
    """
    blocks = {}
    block = None
    for line in _text(path).splitlines():
        key, _, value = line.strip().partition(' ')
        if key == 'name':
            number = _numbers(path, line, value, 1)[0]
            if number != int(number) or int(number) in blocks:
                raise RawDataError(path, f'{line.strip()!r} is no name of a new camera', _REMEDY)
            block = blocks[int(number)] = {}
        elif block is not None and key in _MATRICES:
            block[key] = _numbers(path, line, value, 16).reshape(4, 4)
        elif block is not None and key == 'size':
            block[key] = _numbers(path, line, value, 2)
        elif block is not None and key == 'radial' and np.any(_numbers(path, line, value)):
            raise RawDataError(path, 'has lens distortion, which was not expected', _REMEDY)
    if not blocks:
        raise RawDataError(path, 'is no calibration file: there is no camera in it', _REMEDY)
    return {number: _calibration(path, number, block) for number, block in blocks.items()}


def _text(path):
    try:
        with open(path, 'rb') as f:
            return f.read(_MOST_BYTES).decode('ascii', 'replace')
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such calibration file', 'Download it.') from e


def _numbers(path, line, text, n=None):
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError as e:
        raise RawDataError(path, f'{line.strip()!r} does not hold numbers', _REMEDY) from e
    if not np.isfinite(numbers).all() or (n is not None and len(numbers) != n):
        raise RawDataError(path, f'{line.strip()!r} should hold {n} finite numbers', _REMEDY)
    return numbers


def _calibration(path, number, block):
    missing = [key for key in (*_MATRICES, 'size') if key not in block]
    if missing:
        raise RawDataError(path, f'camera {number} has no {" and no ".join(missing)}', _REMEDY)
    R, translation = block['extrinsic'][:3, :3], block['extrinsic'][:3, 3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or block['intrinsic'][0, 0] <= 0:
        raise RawDataError(path, f'the matrices of camera {number} are no calibration', _REMEDY)
    width, height = block['size'].astype(int).tolist()
    return Calibration(block['intrinsic'][:3, :3], R, -R.T @ translation, (height, width))


@functools.cache
def test_calibration(number) -> Calibration:
    """That of a test sequence (1 to 6), from the constants of its scene."""
    if number <= 4:
        return _from_lens(
            sensor=(10, 10),
            size=(2048, 2048),
            focal=7.32506,
            aspect=1.00044,
            offset=(-0.0322884, 0.0929296),
            origin=(3427.28, 1387.86, 309.42),
            up=(-0.208215, 0.976233, 0.06014),
            right=(0.000575281, 0.0616098, -0.9981),
        )
    return _from_lens(
        sensor=(10, 5.625),
        size=(1920, 1080),
        focal=8.770747185,
        aspect=0.993236423,
        offset=(-0.104908645, 0.104899704),
        origin=(-2104.3074, 1038.6707, -4596.6367),
        up=(0.025272345, 0.995038509, 0.096227370),
        right=(-0.939647257, -0.009210289, 0.342020929),
        distortion=(-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332),
    )


test_calibration.__test__ = False  # pytest


def get_test_camera_subj1_4() -> Camera:
    """The camera of the test sequences TS1 to TS4."""
    return test_calibration(1).camera()


def get_test_camera_subj5_6() -> Camera:
    """The camera of the test sequences TS5 and TS6, with its lens distortion."""
    return test_calibration(5).camera()


def _from_lens(sensor, size, focal, aspect, offset, origin, up, right, distortion=None):
    """Calibration from lengths in mm; ``up`` and ``right`` are directions in the world."""
    (width, height), (cx, cy) = sensor, offset
    x_scale, y_scale = size[0] / width, size[1] / height * aspect
    K = [
        [focal * x_scale, 0, (width / 2 + cx) * x_scale],
        [0, focal * y_scale, (height / 2 + cy) * y_scale],
        [0, 0, 1],
    ]
    R = [right, np.negative(up), np.cross(up, right)]
    return Calibration(np.array(K), np.array(R), np.array(origin), size[::-1], distortion)
