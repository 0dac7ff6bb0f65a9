"""The studio's cameras project as OpenCV and deltacamera do."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.errors import OptionError
from posepile.simulate.camera import StudioCamera

LENSES = {
    'pinhole': None,
    'five': (-0.28, 0.11, 0.0012, -0.0009, -0.02),
    'eight': (0.25, -0.05, 0.001, 0.0005, 0.01, 0.4, -0.02, 0.001),
    'twelve': (-0.2, 0.06, 0.001, -0.001, 0, 0.01, 0.002, 0, 0.001, -0.0005, 0.0008, 0.0002),
    'fisheye': (0.03, -0.012, 0.004, -0.001),
}


def make_camera(lens, eye=(4200, -1300, 1700), roll=0.1):
    return StudioCamera.look_at(eye, (0, 0, 900), (480, 640), 75, distortion=lens, roll=roll)


def points_in_front(camera, rng, n=300):
    xy = rng.uniform(-0.6, 0.6, (n, 2))
    z = rng.uniform(1500, 9000, n)
    return camera.camera_to_world(np.concatenate([xy * z[:, None], z[:, None]], axis=1))


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES)
def test_projects_like_opencv_and_deltacamera(lens):
    camera = make_camera(lens)
    points = points_in_front(camera, np.random.default_rng(0))
    projected = camera.project(points)
    rvec, tvec = cv2.Rodrigues(camera.R)[0], -camera.R @ camera.t
    if lens is not None and len(lens) == 4:
        expected, _ = cv2.fisheye.projectPoints(
            points[:, None], rvec, tvec, camera.K, np.array(lens)
        )
    else:
        expected, _ = cv2.projectPoints(
            points, rvec, tvec, camera.K, None if lens is None else np.array(lens)
        )
    np.testing.assert_allclose(projected, expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(
        camera.to_deltacamera().world_to_image(points.astype(np.float32)), projected, atol=1e-2
    )


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES)
def test_rays_of_pixels_project_back_to_them(lens):
    camera = make_camera(lens)
    for scale in (1, 2):
        rays = camera.pixel_rays(scale)
        projected = camera.project(camera.t + 3000.0 * rays)
        h, w = camera.imshape
        xs = (np.arange(w * scale) + 0.5) / scale - 0.5
        ys = (np.arange(h * scale) + 0.5) / scale - 0.5
        expected = np.stack(np.meshgrid(xs, ys), axis=-1)
        # The rays of distorted lenses are interpolated on a grid.
        assert np.abs(projected - expected).max() < (2e-2 if lens is None else 0.1)


@given(st.sampled_from(sorted(LENSES)), st.floats(-0.55, 0.55), st.floats(-0.55, 0.55))
def test_undistort_inverts_distort(name, x, y):
    camera = make_camera(LENSES[name])
    point = np.array([x, y])
    np.testing.assert_allclose(camera.undistort(camera.distort(point)), point, atol=1e-7)


def test_look_at_centres_the_target_upright():
    camera = StudioCamera.look_at((3000, 2000, 2500), (100, 0, 1000), (480, 640))
    np.testing.assert_allclose(camera.project([100, 0, 1000]), [319.5, 239.5], atol=1e-9)
    np.testing.assert_allclose(camera.R @ camera.R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.R) > 0
    above, below = camera.project([[100, 0, 1100], [100, 0, 900]])
    assert above[1] < below[1]
    np.testing.assert_allclose(above[0], below[0], atol=1e-9)


def test_straight_down_is_a_rotation_too():
    camera = StudioCamera.look_at((0, 0, 5000), (0, 0, 0))
    np.testing.assert_allclose(camera.R @ camera.R.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(camera.project([0, 0, 0]), [319.5, 179.5])


def test_points_behind_are_nan():
    camera = make_camera(None)
    behind = camera.camera_to_world([0.0, 0.0, -100.0])
    assert np.isnan(camera.project(behind)).all()


def test_scaled_image_keeps_pixel_edges():
    camera = make_camera(LENSES['five'])
    half = camera.scaled(0.5)
    assert half.imshape == (240, 320)
    points = points_in_front(camera, np.random.default_rng(2))
    np.testing.assert_allclose(
        half.project(points) + 0.5, (camera.project(points) + 0.5) / 2, atol=1e-9
    )


def test_wrong_number_of_coefficients_is_refused():
    with pytest.raises(OptionError, match='6 distortion coefficients'):
        make_camera((0.1,) * 6)
