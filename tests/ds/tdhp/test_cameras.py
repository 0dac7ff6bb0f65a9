"""Calibration files and the constants of the test cameras."""

import numpy as np
import pytest

from posepile.ds.tdhp.cameras import (
    get_test_camera_subj1_4,
    get_test_camera_subj5_6,
    read_calibrations,
)
from posepile.ds.tdhp.cameras import test_calibration as calibration_of
from posepile.errors import RawDataError

EXTRINSIC = [
    '0.9650164 0.00488022 0.262144 -562.8666',
    '-0.004488356 -0.9993728 0.0351275 1398.138',
    '0.262151 -0.03507521 -0.9643893 3852.623',
    '0 0 0 1',
]


def block(name, extrinsic=None, size='2048 2048', radial='0'):
    return '\n'.join(
        [
            f'name          {name}',
            '  sensor      10 10',
            f'  size        {size}',
            '  animated    0',
            '  intrinsic   1497.693 0 1024.704 0 0 1497.103 1051.394 0 0 0 1 0 0 0 0 1 ',
            f'  extrinsic   {extrinsic or " ".join(EXTRINSIC)} ',
            f'  radial      {radial}',
        ]
    )


def read(tmp_path, *blocks):
    path = tmp_path / 'camera.calibration'
    path.write_text('\n'.join(['Skeletool Camera Calibration File V1.0', *blocks, '']))
    return read_calibrations(path)


def test_numbers_of_a_real_camera(tmp_path):
    camera = read(tmp_path, block(0))[0]
    np.testing.assert_array_equal(
        camera.K, [[1497.693, 0, 1024.704], [0, 1497.103, 1051.394], [0, 0, 1]]
    )
    assert camera.imshape == (2048, 2048)
    R, translation = camera.R, np.array([-562.8666, 1398.138, 3852.623])
    assert R[1, 1] == -0.9993728
    np.testing.assert_allclose(R @ camera.t + translation, 0, atol=1e-2)
    point = np.array([120.0, 900, -340])
    in_camera = R @ point + translation
    np.testing.assert_allclose(camera.to_world(in_camera), point, atol=1e-2)
    deltacam = camera.camera()
    np.testing.assert_allclose(deltacam.world_to_camera(point[None])[0], in_camera, atol=1e-2)
    np.testing.assert_allclose(
        deltacam.world_to_image(point[None])[0], camera.project(in_camera), atol=1e-2
    )
    np.testing.assert_array_equal(deltacam.world_up, [0, 1, 0])


def test_exponents_in_any_place_drop_no_camera(tmp_path):
    rows = [' '.join(f'{float(v):.6e}' for v in row.split()) for row in EXTRINSIC]
    cameras = read(tmp_path, block(0), block(1, ' '.join(rows)), block(5))
    assert list(cameras) == [0, 1, 5]
    np.testing.assert_allclose(cameras[1].R, cameras[0].R, atol=1e-6)
    np.testing.assert_allclose(cameras[1].t, cameras[0].t, atol=1e-2)


@pytest.mark.parametrize(
    ('blocks', 'message'),
    [
        ([], 'no camera'),
        ([block(0), block(0)], 'new camera'),
        ([block('front')], 'numbers'),
        ([block(0, '1 0 0 0')], '16'),
        ([block(0, ' '.join(['nan'] * 16))], 'finite'),
        ([block(0, ' '.join(['1'] * 16))], 'no calibration'),
        ([block(0, radial='0.1')], 'distortion'),
        (['name 3\n  size 2048 2048'], 'camera 3 has no intrinsic and no extrinsic'),
    ],
)
def test_other_contents_are_refused(tmp_path, blocks, message):
    with pytest.raises(RawDataError, match=message):
        read(tmp_path, *blocks)


def test_missing_file(tmp_path):
    with pytest.raises(RawDataError, match='no such calibration'):
        read_calibrations(tmp_path / 'camera.calibration')


def test_test_cameras_are_those_of_the_sheet():
    for camera, (fx, fy, cx, cy), axis, origin in (
        (
            get_test_camera_subj1_4(),
            (1500.172288, 1500.832364, 1017.387336, 1043.490916),
            (-0.978083, -0.207785, -0.013390),
            (3427.28, 1387.86, 309.42),
        ),
        (
            get_test_camera_subj5_6(),
            (1683.983460, 1672.593708, 939.857540, 556.352188),
            (0.341210, -0.099063, 0.934752),
            (-2104.3074, 1038.6707, -4596.6367),
        ),
    ):
        K = np.asarray(camera.intrinsic_matrix)
        np.testing.assert_allclose(K, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], rtol=1e-6)
        np.testing.assert_allclose(np.asarray(camera.R)[2], axis, atol=1e-6)
        np.testing.assert_allclose(np.asarray(camera.t), origin, rtol=1e-6)
    assert not get_test_camera_subj1_4().has_distortion()
    np.testing.assert_allclose(
        get_test_camera_subj5_6().get_distortion_coeffs(),
        [-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332],
    )


def test_projection_with_distortion_is_that_of_opencv():
    import cv2

    camera = calibration_of(6)
    points = np.random.default_rng(0).uniform([-1500, -900, 3500], [1500, 900, 5500], (50, 3))
    expected = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), camera.K, np.array(camera.distortion)
    )[0][:, 0]
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-9)
    assert calibration_of(5) is not calibration_of(1)
    assert calibration_of(4).distortion is None
