"""Contact sheets, looked at by their pixels."""

import numpy as np
import pytest
from deltacamera import Camera

from posepile.datasets2d import Pose2DDataset
from posepile.datasets3d import Pose3DDataset
from posepile.joint_info import JointInfo
from posepile.util import TEST, TRAIN, VALID
from posepile.viewer import draw, view3d
from posepile.viewer.contact_sheet import choose_examples, contact_sheet, photo_tile
from tests.storage.packed_samples import JOINT_INFO, make_example, walking_pose


def in_memory(kind, n=6, **kwargs):
    examples = []
    for i in range(n):
        example, example.image = make_example(i, kind, **kwargs)
        examples.append(example)
    cls = Pose2DDataset if kind == '2d' else Pose3DDataset
    return cls(JOINT_INFO, examples[: n // 2], examples[n // 2 :])


def near(image, color, tolerance=40):
    """Pixels of about this colour, (N, 2) as x, y."""
    distance = np.abs(image.astype(int) - color).max(axis=2)
    return np.argwhere(distance <= tolerance)[:, ::-1]


def test_examples_are_shared_among_splits_and_spread_out():
    chosen = choose_examples([1000, 0, 3, 500], 21, seed=0)
    assert [sum(g == k for g, _ in chosen) for k in range(4)] == [9, 0, 3, 9]
    for group, available in ((0, 1000), (3, 500)):
        indices = [i for g, i in chosen if g == group]
        assert [i * 9 // available for i in indices] == list(range(9))  # one from each ninth
    assert {i for g, i in chosen if g == 2} == {0, 1, 2}
    assert chosen == choose_examples([1000, 0, 3, 500], 21, seed=0)
    assert chosen != choose_examples([1000, 0, 3, 500], 21, seed=1)


def test_more_wanted_than_there_are():
    assert choose_examples([2, 1], 24, 0) == [(0, 0), (0, 1), (1, 0)]
    assert choose_examples([0, 0], 24, 0) == []


@pytest.mark.parametrize('kind', ['3d', '2d'])
@pytest.mark.parametrize('n, width', [(1, 400), (6, 1920), (24, 900)])
def test_sheet(kind, n, width):
    dataset = in_memory(kind)
    sheet = contact_sheet(dataset, n=n, seed=3, width=width)
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (width, 3) and sheet.shape[0] > 200
    for color in (draw.LEFT, draw.RIGHT, draw.CENTER):
        assert len(near(sheet, color)) > 50
    np.testing.assert_array_equal(sheet, contact_sheet(dataset, n=n, seed=3, width=width))


def test_splits_to_choose_from():
    dataset = in_memory('3d')
    only_valid = contact_sheet(dataset, splits=[VALID], width=900)
    assert only_valid.shape[0] <= contact_sheet(dataset, width=900).shape[0]
    assert contact_sheet(dataset, splits=[TRAIN], width=900).shape == only_valid.shape
    with pytest.raises(ValueError, match='no examples in the split test'):
        contact_sheet(dataset, splits=[TEST])


def test_parametric_examples_without_joints():
    dataset = in_memory('3d', 2)
    for example in dataset.iter_examples():
        example.world_coords = None
    assert contact_sheet(dataset).shape[1] == 1920
    for example in dataset.iter_examples():
        example.parameters = dict(type='smplx', gender='female', pose=np.zeros(165), scale=1.5)
    assert contact_sheet(dataset).shape[1] == 1920


def test_placeholders_of_joints_are_drawn_as_no_joints():
    sheets = []
    for coords in (None, np.ones((JOINT_INFO.n_joints, 3), np.float32)):
        dataset = in_memory('3d', 2)
        for example in dataset.iter_examples():
            example.world_coords = coords
        sheets.append(contact_sheet(dataset))
    np.testing.assert_array_equal(*sheets)


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_the_skeleton_lies_on_the_image(kind):
    imshape = (480, 400)
    example, _ = make_example(0, kind, imshape, with_mask=False)
    example.image = np.full((*imshape, 3), 128, np.uint8)
    example.bbox = np.float32([-900, -900, 10, 10])
    tile = photo_tile(example, JOINT_INFO, 240)  # half the size, 20 px of border on either side
    points = example.coords if kind == '2d' else example.camera.world_to_image(example.world_coords)
    expected = (points + 0.5) / 2 - 0.5 + [20, 0]
    for name, color in (('lank', draw.LEFT), ('rank', draw.RIGHT), ('htop', draw.CENTER)):
        x, y = np.round(expected[JOINT_INFO.ids[name]]).astype(int)
        around = tile[y - 3 : y + 4, x - 3 : x + 4]
        hue = np.sign(np.subtract(color, np.mean(color)))
        assert np.all(np.sign(around[3, 3] - around[3, 3].mean()) == hue), (name, around[3, 3])
    drawn = near(tile[:, 20:220], (128, 128, 128), 3)
    assert len(drawn) > 0.8 * 240 * 200  # nothing else but the skeleton


def test_missing_joints_are_left_out():
    example, _ = make_example(0)
    example.image = np.full((480, 400, 3), 128, np.uint8)
    example.mask = None
    example.bbox = np.float32([-900, -900, 10, 10])
    assert len(near(photo_tile(example, JOINT_INFO, 240), draw.LEFT)) > 20
    left = [i for i, name in enumerate(JOINT_INFO.names) if name.startswith('l')]
    example.world_coords[left] = np.nan
    tile = photo_tile(example, JOINT_INFO, 240)
    assert len(near(tile, draw.LEFT, 60)) == 0 and len(near(tile, draw.RIGHT)) > 20
    example.world_coords[:] = np.nan
    blank = photo_tile(example, JOINT_INFO, 240)
    assert len(near(blank[:, 25:215], (128, 128, 128), 3)) == 240 * 190


def test_box_and_mask():
    image = np.full((100, 120, 3), 60, np.uint8)
    mask = np.zeros((50, 60), np.uint8)  # half the size of the image: scaled to it
    mask[10:30, 20:40] = 1
    draw.draw_mask(image, mask)
    ys, xs = np.nonzero(image[..., 1] > 70)
    assert abs(xs.min() - 40) <= 1 and abs(xs.max() - 79) <= 1
    assert abs(ys.min() - 20) <= 1 and abs(ys.max() - 59) <= 1
    image[:] = 60
    draw.draw_box(image, [10, 20, 60, 50])
    white = near(image, draw.BOX, 60)
    assert set(white.min(axis=0)) <= {10, 20} and set(white.max(axis=0)) <= {70}


def test_colours_of_edges():
    info = JointInfo('pelv,lhip,rhip,neck', 'pelv-lhip-neck,lhip-rhip')
    colors = draw.joint_colors(info)
    assert colors[:3] == [draw.CENTER, draw.LEFT, draw.RIGHT]
    assert draw.edge_color(colors, 0, 1) == draw.LEFT
    assert draw.edge_color(colors, 0, 2) == draw.RIGHT
    assert draw.edge_color(colors, 1, 2) == draw.CENTER


def test_points_far_outside_and_not_finite_do_no_harm():
    image = np.zeros((50, 50, 3), np.uint8)
    info = JointInfo('a,b,c,d', 'a-b-c-d')
    points = np.array([[1e9, 25], [25, 25], [np.inf, 0], [np.nan, 3]])
    draw.draw_skeleton(image, points, info)
    assert image[25, 25].max() > 100
    draw.draw_box(image, [-1e9, 10, 2e9, 20])
    assert image[10, 25].max() > 100


def looking_camera(up, ahead):
    z, up = np.float64(ahead), np.float64(up)
    x = np.cross(z, up)
    R = np.stack([x, np.cross(z, x), z])
    return Camera(rot_world_to_cam=R, world_up=up)


@pytest.mark.parametrize('up, ahead', [((0, 0, 1), (1, 0, 0)), ((0, -1, 0), (0, 0, 1))])
def test_the_3d_view_is_upright_and_turned(up, ahead):
    # A person facing away from the camera, given in the axes of this world.
    up, ahead = np.float64(up), np.float64(ahead)
    to_world = np.stack([ahead, np.cross(up, ahead), up])  # of x, y, z of the pose
    coords = walking_pose(0.0) @ to_world
    picture = view3d.draw_pose3d((300, 400), coords, JOINT_INFO, looking_camera(up, ahead))
    assert picture.shape == (400, 300, 3)
    yellow = near(picture, draw.CENTER)
    blue, red = near(picture, draw.LEFT), near(picture, draw.RIGHT)
    assert yellow[:, 1].mean() < min(blue[:, 1].mean(), red[:, 1].mean())  # the head is up
    assert blue[:, 0].mean() < yellow[:, 0].mean() < red[:, 0].mean()  # left is to the left
    assert blue[:, 1].min() > 10 and blue[:, 1].max() < 390


def test_the_3d_view_has_equal_axes():
    # Three edges of a cube, seen from anywhere, span the same whatever way the cube is turned.
    info = JointInfo('a,b', 'a-b')
    camera = looking_camera((0, 0, 1), (1, 0, 0))
    axes = view3d._view_axes(camera)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    # One upright rod fills the height.
    picture = view3d.draw_pose3d((200, 200), np.float64([[0, 0, 0], [0, 0, 1800]]), info, camera)
    ys = near(picture, draw.CENTER)[:, 1]
    assert 150 < ys.max() - ys.min() < 180


@pytest.mark.parametrize(
    'coords',
    [
        np.full((17, 3), np.nan),
        np.where(np.arange(17)[:, None] == 3, np.ones(3), np.nan),
        np.ones((17, 3)) * 1e7,
    ],
)
def test_the_3d_view_of_degenerate_poses(coords):
    camera = Camera(world_up=(0, -1, 0))
    assert view3d.draw_pose3d((60, 80), coords, JOINT_INFO, camera).shape == (80, 60, 3)


def test_a_camera_that_looks_straight_down():
    camera = Camera(rot_world_to_cam=[[1, 0, 0], [0, -1, 0], [0, 0, -1]], world_up=(0, 0, 1))
    picture = view3d.draw_pose3d((200, 300), walking_pose(0.5), JOINT_INFO, camera)
    yellow, red = near(picture, draw.CENTER), near(picture, draw.RIGHT)
    assert yellow[:, 1].mean() < red[:, 1].mean()


def test_long_texts_are_cut():
    image = np.zeros((40, 300, 3), np.uint8)
    text = 'folder/' * 30 + 'end.jpg'
    width = draw.draw_text(image, text, (5, 25), 10, (255, 255, 255), max_width=200)
    assert 150 < width <= 200
    assert np.nonzero(image.max(axis=(0, 2)))[0].max() < 210
    assert draw.draw_text(image, 'ünï', (5, 25), 10, (255, 255, 255)) > 10
