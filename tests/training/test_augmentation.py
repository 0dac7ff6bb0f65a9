"""Views: joints, cameras and pixels must agree, whatever the change."""

import cv2
import numpy as np
import pytest
from deltacamera import BrownConradyEx, Camera, FisheyeKannalaBrandt
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.training import RandomView
from posepile.training.augmentation import (
    ViewChange,
    camera_coords,
    image_coords,
    plan_view,
    project,
)
from posepile.training.rendering import render

IMSHAPE = (480, 400)
DISTORTIONS = {
    'none': None,
    'brown': BrownConradyEx(np.float32([-0.2, 0.08, 0.002, -0.001, 0.01])),
    'fisheye': FisheyeKannalaBrandt(np.float32([-0.02, 0.01, -0.003, 0.001])),
}

changes = st.builds(
    ViewChange,
    shift=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
    scale=st.floats(0.5, 1.5),
    roll=st.floats(-np.pi, np.pi),
    mirror=st.booleans(),
)


def make_camera(rng, distortion=None):
    """A camera far from the world's origin, with unequal focal lengths and some skew."""
    gaze = rng.normal(size=3) * [1, 1, 0.3]
    z = gaze / np.linalg.norm(gaze)
    x = np.cross(z, [0, 0, 1]) + rng.normal(size=3) * 0.1
    x -= z * (x @ z)
    x /= np.linalg.norm(x)
    return Camera(
        optical_center=rng.uniform(-20000, 20000, 3),
        rot_world_to_cam=np.stack([x, np.cross(z, x), z]),
        intrinsic_matrix=[[510, 2, 195], [0, 530, 246], [0, 0, 1]],
        distortion_model=distortion,
        world_up=(0, 0, 1),
    )


def points_in_front(camera, rng, n=8):
    """World points (n, 3) inside the image, 2 to 6 m away, and their pixels, double precision."""
    rays = np.column_stack([rng.uniform((-0.2, -0.25), (0.2, 0.25), (n, 2)), np.ones(n)])
    in_camera = rays * rng.uniform(2000, 6000, (n, 1))
    rotation = np.array(camera.R, np.float64)
    world = in_camera @ np.linalg.inv(rotation).T + np.array(camera.t, np.float64)
    no_motion, intrinsics = np.zeros(3), np.array(camera.intrinsic_matrix, np.float64)
    if camera.has_distortion():
        coeffs = np.array(camera.distortion_model.coeffs, np.float64)
        module = cv2.fisheye if camera.has_fisheye_distortion() else cv2
        pixels, _ = module.projectPoints(
            in_camera[:, np.newaxis], no_motion, no_motion, intrinsics, coeffs
        )
        return world, pixels[:, 0]
    return world, (rays @ intrinsics.T)[:, :2]


def box_of(pixels):
    first, last = pixels.min(axis=0) - 15, pixels.max(axis=0) + 15
    return np.concatenate([first, last - first])


@settings(max_examples=60)
@given(changes, st.sampled_from(sorted(DISTORTIONS)), st.integers(0, 10**6))
def test_projected_joints_are_where_the_pixels_of_the_joints_go(change, distortion, seed):
    rng = np.random.default_rng(seed)
    camera = make_camera(rng, DISTORTIONS[distortion])
    world, pixels = points_in_front(camera, rng)
    mirror_mapping = np.array([1, 0, 3, 2, 4, 5, 7, 6])
    view = plan_view(camera, box_of(pixels), change, 256)
    coords3d = camera_coords(view, camera, world, mirror_mapping)
    coords2d = image_coords(view, pixels, mirror_mapping)
    np.testing.assert_allclose(project(coords3d, view.intrinsics), coords2d, atol=1e-3)
    # What is stored is single precision: it has to agree as well.
    stored = project(coords3d.astype(np.float32), view.intrinsics.astype(np.float32))
    np.testing.assert_allclose(stored, coords2d, atol=1e-3)
    # The extrinsics lead from the world to the same place.
    extrinsics = view.extrinsics(camera)
    from_world = world @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    expected = from_world[mirror_mapping] if change.mirror else from_world
    np.testing.assert_allclose(coords3d, expected, atol=1e-6)
    assert np.linalg.det(extrinsics[:3, :3]) == pytest.approx(-1 if change.mirror else 1, abs=1e-4)
    # Turning and mirroring change no distance.
    order = mirror_mapping if change.mirror else np.arange(len(world))
    np.testing.assert_allclose(
        np.linalg.norm(coords3d - coords3d[0], axis=1),
        np.linalg.norm(world[order] - world[order][0], axis=1),
        rtol=1e-5,
    )


def blob_image(center, sigma=4):
    y, x = np.mgrid[: IMSHAPE[0], : IMSHAPE[1]]
    square = (x - center[0]) ** 2 + (y - center[1]) ** 2
    value = np.rint(250 * np.exp(-square / (2 * sigma**2))).astype(np.uint8)
    return np.repeat(value[..., np.newaxis], 3, axis=2)


def centroid(image):
    weights = image[..., 0].astype(np.float64)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


@pytest.mark.parametrize('distortion', DISTORTIONS)
@pytest.mark.parametrize(
    'change',
    [
        ViewChange(),
        ViewChange(shift=(0.1, -0.05), scale=1.2, roll=0.4),
        ViewChange(roll=-0.3, mirror=True),
        ViewChange(scale=0.3, mirror=True),  # blocks of pixels are averaged
    ],
)
def test_a_marker_is_where_its_joint_is_projected(change, distortion):
    rng = np.random.default_rng(3)
    camera = make_camera(rng, DISTORTIONS[distortion])
    world, pixels = points_in_front(camera, rng, 16)
    view = plan_view(camera, box_of(pixels), change, 256)
    joints = np.arange(16)
    coords2d = project(camera_coords(view, camera, world, joints), view.intrinsics)
    n_inside = 0
    for pixel, place in zip(pixels, coords2d, strict=True):
        if np.all((place > 25) & (place < 230)):
            n_inside += 1
            found = centroid(render(blob_image(pixel), view))
            assert np.linalg.norm(found - place) < 0.3
    assert n_inside >= 3


def test_blocks_are_averaged_when_the_view_is_much_smaller():
    camera = make_camera(np.random.default_rng(0))
    checkers = np.uint8(np.indices(IMSHAPE).sum(axis=0) % 2 * 255)
    view = plan_view(camera, [50, 50, 300, 380], ViewChange(scale=0.9), 128)
    inside = render(checkers, view)[40:88, 40:88]
    assert inside.std() < 10 and abs(inside.mean() - 127.5) < 3


@given(changes, st.integers(0, 10**6))
def test_images_without_a_camera_are_shifted_turned_and_scaled(change, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.uniform((50, 50), (350, 430), (5, 2))
    pixels[2] = np.nan
    box = box_of(pixels[[0, 1, 3, 4]])
    view = plan_view(None, box, change, 200)
    points = image_coords(view, pixels, np.arange(5))
    assert np.isnan(points[2]).all() and not view.is_calibrated
    factor = change.scale * 200 / max(box[2:])
    sign = -1 if change.mirror else 1
    turn = np.exp(1j * change.roll)
    center = box[:2] + box[2:] / 2 + np.array(change.shift) * max(box[2:])
    expected = (pixels - center) @ [1, 1j] * factor * turn
    expected = np.stack([sign * expected.real, expected.imag], axis=1) + 99.5
    np.testing.assert_allclose(points[[0, 1, 3, 4]], expected[[0, 1, 3, 4]], atol=1e-6)


def test_the_plain_view_is_upright_centered_and_as_large_as_the_box():
    rng = np.random.default_rng(8)
    camera = make_camera(rng)
    box = np.array([100, 60, 150, 300])
    view = plan_view(camera, box, ViewChange(), 256)
    np.testing.assert_allclose(view.points([[175, 210]]), [[127.5, 127.5]], atol=1e-6)
    assert view.box(box)[3] == pytest.approx(256, rel=0.02)
    up = view.extrinsics(camera)[:3, :3] @ [0, 0, 1]
    assert abs(up[0]) < 1e-6 and up[1] < 0
    # A clockwise roll takes what is above the middle to its right.
    rolled = plan_view(camera, box, ViewChange(roll=np.pi / 2), 256).points([[175, 100]])[0]
    assert rolled[0] > 180 and abs(rolled[1] - 127.5) < 25


def test_looking_straight_down_has_a_view():
    camera = Camera(
        optical_center=[0, 0, 5000],
        rot_world_to_cam=np.diag([1.0, -1, -1]),
        intrinsic_matrix=[[500, 0, 200], [0, 500, 240], [0, 0, 1]],
        world_up=(0, 0, 1),
    )
    view = plan_view(camera, [150, 190, 100, 100], ViewChange(), 256)
    np.testing.assert_allclose(view.to_view, np.eye(3), atol=1e-9)


def test_what_is_behind_the_camera_has_no_pixel():
    points = project(np.array([[0.0, 0, -1000], [0, 0, 0], [100, 50, 1000]]), np.eye(3))
    assert np.isnan(points[:2]).all() and np.allclose(points[2], [0.1, 0.05])


def test_random_views_keep_within_their_limits():
    rng = np.random.default_rng(0)
    view = RandomView(shift=0.2, scale=(0.8, 1.1), roll=30, mirror=0.25)
    drawn = [view.draw(rng) for _ in range(4000)]
    radii = np.linalg.norm([c.shift for c in drawn], axis=1)
    assert radii.max() <= 0.2 and abs(np.mean(radii < 0.1) - 0.25) < 0.03  # uniform in the disc
    scales = [c.scale for c in drawn]
    assert 0.8 <= min(scales) < 0.81 and 1.09 < max(scales) <= 1.1
    rolls = np.rad2deg([c.roll for c in drawn])
    assert -30 <= rolls.min() < -29 and 29 < rolls.max() <= 30
    assert abs(np.mean([c.mirror for c in drawn]) - 0.25) < 0.03
    assert RandomView.fixed().draw(rng) == ViewChange()


@pytest.mark.parametrize('box', [[10, 10, 0, 20], [10, np.nan, 5, 5]])
def test_boxes_that_are_none_are_refused(box):
    with pytest.raises(ValueError, match='empty or not finite'):
        plan_view(make_camera(np.random.default_rng(0)), box, ViewChange(), 256)
