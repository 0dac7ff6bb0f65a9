"""The view of a crop: golden values, and agreement with an independent float64 reference."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.pipeline.crop_geometry import Framing, plan_crop
from posepile.simulate.reference_crop import distort, reference_crop
from tests.pipeline.lenses import LENSES, studio_camera


def test_golden_values_without_distortion():
    crop = plan_crop(studio_camera(None), [300, 200, 200, 400], (1000, 1000))
    assert crop.scale == pytest.approx(0.9739657, rel=1e-6)
    assert crop.imshape == (652, 652)
    np.testing.assert_allclose(crop.box, [230.2424, 134.2101, 191.9352, 383.9999], atol=0.01)
    rotation = [[0.99504, 0, 0.0995], [-0.00985, 0.99509, 0.09852], [-0.09901, -0.09901, 0.99015]]
    np.testing.assert_allclose(crop.camera.R, rotation, atol=1e-5)
    intrinsics = [[973.9657, 0, 325.26917], [0, 973.9657, 322.4453], [0, 0, 1]]
    np.testing.assert_allclose(crop.camera.intrinsic_matrix, intrinsics, rtol=1e-4)
    assert not crop.camera.has_distortion()


def test_golden_values_with_distortion():
    camera = studio_camera(LENSES['radial'])
    crop = plan_crop(camera, [300, 200, 200, 400], (1000, 1000))
    assert crop.scale == pytest.approx(0.9589914, rel=1e-6)
    assert crop.imshape == (651, 651)
    np.testing.assert_allclose(crop.box, [230.3971, 133.7170, 190.6399, 384.0], atol=0.01)
    rotation = [[0.995, 0, 0.09984], [-0.00992, 0.99505, 0.09891], [-0.09934, -0.0994, 0.99008]]
    np.testing.assert_allclose(crop.camera.R, rotation, atol=1e-5)
    intrinsics = [[958.9914, 0, 325.27698], [0, 958.9914, 324.26074], [0, 0, 1]]
    np.testing.assert_allclose(crop.camera.intrinsic_matrix, intrinsics, rtol=1e-4)


def test_golden_values_without_camera():
    crop = plan_crop(None, [300, 100, 100, 200], (480, 640))
    assert crop.scale == pytest.approx(1.2)
    assert crop.imshape == (408, 408)
    np.testing.assert_allclose(crop.box, [143.8967, 83.8967, 120.0, 240.0], atol=0.01)
    np.testing.assert_allclose(crop.intrinsics[:2, 2], [-216.70332, -36.70332], rtol=1e-4)
    assert crop.camera is None
    np.testing.assert_allclose(crop.points([[300, 100]]), [crop.box[:2]], atol=1e-9)


@pytest.mark.parametrize('coeffs', LENSES.values(), ids=LENSES)
@settings(max_examples=30, deadline=None)
@given(
    box=st.tuples(st.floats(100, 700), st.floats(100, 700), st.floats(5, 200), st.floats(5, 200)),
    angles=st.tuples(*[st.floats(-1, 1)] * 3),
    center=st.tuples(*[st.floats(-2e4, 2e4)] * 3),
    expansion=st.sampled_from([1.0, 1.8]),
)
def test_agrees_with_the_reference(coeffs, box, angles, center, expansion):
    rotation, _ = cv2.Rodrigues(np.float64(angles))
    camera = studio_camera(coeffs, rotation, center)
    crop = plan_crop(camera, box, (1000, 1000), expansion)
    reference = reference_crop(as_dict(camera), box, (1000, 1000), expansion)
    assert crop.imshape == reference.size[::-1]
    np.testing.assert_allclose(crop.box, reference.box, atol=1e-3)
    points = np.random.default_rng(0).uniform(50, 950, (20, 2))
    np.testing.assert_allclose(crop.points(points), reference.from_source(points), atol=1e-3)
    np.testing.assert_allclose(crop.camera.R, reference.R, atol=1e-6)
    np.testing.assert_array_equal(crop.camera.world_up, camera.world_up)
    np.testing.assert_array_equal(crop.camera.t, camera.t)


def as_dict(camera):
    model = camera.distortion_model
    return dict(
        K=np.array(camera.intrinsic_matrix, np.float64),
        R=np.array(camera.R, np.float64),
        t=np.array(camera.t, np.float64),
        distortion=None if model is None else np.array(model.coeffs, np.float64),
        world_up=np.array(camera.world_up, np.float64),
    )


@pytest.mark.parametrize('coeffs', LENSES.values(), ids=LENSES)
def test_crop_camera_sees_world_points_where_the_crop_shows_them(coeffs):
    """World -> source pixel -> crop pixel is the same as world -> crop camera."""
    camera = studio_camera(coeffs, center=(12000, -3000, 18000))
    crop = plan_crop(camera, [600, 250, 150, 300], (1000, 1000))
    rays = np.random.default_rng(1).uniform([0.1, -0.25], [0.25, 0.05], (50, 2))
    depth = 7000
    world = np.array(camera.t, np.float64) + depth * np.hstack([rays, np.ones((50, 1))])
    distorted = rays if coeffs is None else np.array([distort(r, np.array(coeffs)) for r in rays])
    in_crop = crop.points(distorted * 1000 + 500)
    np.testing.assert_allclose(crop.camera.world_to_image(world), in_crop, atol=0.05)


def test_camera_that_keeps_its_direction():
    """A shift and a scaling of the image plane: all numbers worked out by hand."""
    camera = studio_camera(None)
    framing = Framing(turns=False, box_side=200, max_enlargement=1)
    crop = plan_crop(camera, [300, 100, 200, 400], (1000, 1000), 1 / 1.1, framing=framing)
    assert crop.scale == 0.5
    side = (200 * 0.5 + 400 * np.sqrt(0.75)) / 0.85**2  # more than 2 * 300
    left = 400 - side / 2
    assert crop.imshape == (round(0.5 * (300 + side / 2)), round(0.5 * side))
    np.testing.assert_allclose(crop.box, [0.5 * (300 - left), 50, 100, 200], atol=1e-9)
    np.testing.assert_array_equal(crop.camera.R, camera.R)
    fx, cx, cy = 1000 * 0.5, (500 - left) * 0.5, 500 * 0.5
    np.testing.assert_allclose(crop.intrinsics, [[fx, 0, cx], [0, fx, cy], [0, 0, 1]])
    reference = reference_crop(
        as_dict(camera), [300, 100, 200, 400], (1000, 1000), 1 / 1.1, False, 200, 1
    )
    np.testing.assert_allclose(reference.K, crop.intrinsics)
    assert reference.size == crop.imshape[::-1]
    small = plan_crop(camera, [300, 200, 20, 40], (1000, 1000), framing=framing)
    assert small.scale == 1


def test_person_straight_above_the_camera():
    looking_up = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # optical axis along world up (0, -1, 0)
    crop = plan_crop(studio_camera(None, looking_up), [450, 450, 100, 100], (1000, 1000))
    np.testing.assert_allclose(crop.camera.R @ crop.camera.R.T, np.eye(3), atol=1e-6)


def test_crop_stays_in_the_image_unless_perspective_is_extreme():
    box = [900, 10, 90, 200]
    inside = plan_crop(None, box, (1000, 1000))
    corners = inside.points([[0, 0], [1000, 1000]])
    assert corners[1, 0] == pytest.approx(inside.imshape[1], abs=1)
    beyond = plan_crop(None, box, (1000, 1000), extreme_perspective=True)
    assert beyond.imshape[0] == beyond.imshape[1] > inside.imshape[1]


def test_expansion_of_zero_gives_the_box_itself():
    crop = plan_crop(None, [100, 100, 100, 200], (1000, 1000), expansion=0)
    assert crop.imshape == (240, 120)


@pytest.mark.parametrize(
    'box',
    [[0, 0, 0, 10], [np.nan, 0, 10, 10], [0, 0, 10, -1], [5000, 100, 10, 10], [100, 5000, 10, 10]],
)
def test_unusable_boxes_are_refused(box):
    with pytest.raises(ValueError, match='box'):
        plan_crop(None, box, (480, 640))


def test_missing_points_stay_missing():
    crop = plan_crop(None, [100, 100, 100, 200], (1000, 1000))
    points = crop.points([[np.nan, 3], [3, np.nan], [4, 5]])
    assert np.isnan(points[:2]).all() and np.isfinite(points[2]).all()
