"""The cameras of the simulated MPI-INF-3DHP release, and their file of calibrations.

The release's world has y pointing up, the studio's z.
"""

import numpy as np

from posepile.simulate.camera import StudioCamera

N_CAMERAS = 14
VNECT_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
OTHER_ANGLED_CAMERAS = (3, 9, 10)
#: Half of the real size; focal lengths are scaled likewise.
TRAINING_SIZE = 1024

#: (3, 3) from the studio's axes to the release's.
TO_RELEASE = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_Y_UP = (0.0, 1.0, 0.0)

#: By scene: sensor (mm), image (px), focal length (mm), pixel aspect, offset of the centre (mm),
#: origin (mm), up, right, distortion.
_TEST_SCENES = {
    'studio': (
        (10, 10), (2048, 2048), 7.32506, 1.00044, (-0.0322884, 0.0929296),
        (3427.28, 1387.86, 309.42), (-0.208215, 0.976233, 0.06014),
        (0.000575281, 0.0616098, -0.9981), None,
    ),
    'outdoor': (
        (10, 5.625), (1920, 1080), 8.770747185, 0.993236423, (-0.104908645, 0.104899704),
        (-2104.3074, 1038.6707, -4596.6367), (0.025272345, 0.995038509, 0.096227370),
        (-0.939647257, -0.009210289, 0.342020929),
        (-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332),
    ),
}  # fmt: skip


def training_cameras(rng) -> list[StudioCamera]:
    """The 14 cameras of a sequence in the release's world, with the digits of its file."""
    cameras = []
    for i in range(N_CAMERAS):
        angle = 2 * np.pi * i / N_CAMERAS + rng.uniform(-0.1, 0.1)
        if i in VNECT_CAMERAS:
            height, radius = rng.uniform(1300, 1600), rng.uniform(3700, 4200)
        elif i in OTHER_ANGLED_CAMERAS:
            height, radius = rng.uniform(2200, 2600), rng.uniform(3300, 3700)
        else:  # at the ceiling
            height, radius = rng.uniform(3300, 3500), rng.uniform(1400, 1800)
        eye = [radius * np.sin(angle), -radius * np.cos(angle), height]
        looking = StudioCamera.look_at(eye, [0, 0, 900], (TRAINING_SIZE,) * 2, focal=748.7)
        fx, fy, cx, cy = np.array(
            [748.7, 748.5, TRAINING_SIZE / 2, TRAINING_SIZE / 2]
        ) + rng.uniform(-1, 1, 4) * [1, 1, 9, 9]
        K = _rounded([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        R = _rounded(looking.R @ TO_RELEASE.T)
        translation = _rounded(-R @ TO_RELEASE @ looking.t)
        cameras.append(StudioCamera(K, R, -R.T @ translation, looking.imshape, world_up=_Y_UP))
    return cameras


def camera_of_test_sequence(i_sequence) -> StudioCamera:
    """The real camera of a test sequence (1..6)."""
    sensor, size, focal, aspect, offset, origin, up, right, distortion = _TEST_SCENES[
        'studio' if i_sequence <= 4 else 'outdoor'
    ]
    x_scale, y_scale = size[0] / sensor[0], size[1] / sensor[1] * aspect
    K = np.array(
        [
            [focal * x_scale, 0, (sensor[0] / 2 + offset[0]) * x_scale],
            [0, focal * y_scale, (sensor[1] / 2 + offset[1]) * y_scale],
            [0, 0, 1],
        ]
    )
    R = np.array([right, np.negative(up), np.cross(up, right)])
    return StudioCamera(K, R, origin, size[::-1], distortion, world_up=_Y_UP)


def in_studio(camera) -> StudioCamera:
    """A camera of the release's world as it stands in the studio's."""
    R, t = camera.R @ TO_RELEASE, TO_RELEASE.T @ camera.t
    return StudioCamera(camera.K, R, t, camera.imshape, camera.distortion)


def write_calibration(path, cameras):
    """Write ``camera.calibration``. Some of its numbers have exponents."""
    lines = ['Skeletool Camera Calibration File V1.0']
    for i, camera in enumerate(cameras):
        intrinsic, extrinsic = np.eye(4), np.eye(4)
        intrinsic[:3, :3] = camera.K
        extrinsic[:3, :3] = camera.R
        extrinsic[:3, 3] = -camera.R @ camera.t
        height, width = camera.imshape
        lines += [
            f'name          {i}',
            '  sensor      10 10',
            f'  size        {width} {height}',
            '  animated    0',
            f'  intrinsic   {_numbers(intrinsic)} ',
            f'  extrinsic   {_numbers(extrinsic, exponents=i == 2)} ',
            '  radial      0',
        ]
    with open(path, 'w') as f:
        f.write('\n'.join(lines) + '\n')


def _rounded(values):
    """Seven significant digits, as in the release."""
    return np.array([[float(f'{v:.7g}') for v in row] for row in np.atleast_2d(values)]).reshape(
        np.shape(values)
    )


def _numbers(matrix, exponents=False):
    return ' '.join(f'{v:.6e}' if exponents else f'{v:.7g}' for v in matrix.ravel())
