import boxlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posepile.util import boxes as bx

NAN = np.nan
pixels = st.integers(-20, 20).map(float)
sizes = st.integers(0, 20).map(float)
box_pairs = st.lists(st.tuples(*[pixels, pixels, sizes, sizes] * 2), min_size=1, max_size=5)


@given(box_pairs, st.sampled_from([0.5, 1.05, 2.0]))
def test_many_boxes_are_treated_like_each_alone(pairs, factor):
    a, b = np.split(np.array(pairs), 2, axis=1)
    each = list(zip(a, b, strict=True))
    np.testing.assert_allclose(bx.hulls(a, b), [boxlib.box_hull(*p) for p in each])
    np.testing.assert_allclose(bx.intersections(a, b), [boxlib.intersection(*p) for p in each])
    np.testing.assert_allclose(
        bx.vertical_intersections(a, b), [boxlib.intersection_vertical(*p) for p in each]
    )
    np.testing.assert_allclose(
        bx.expanded(a, factor), [boxlib.expand(box, factor) for box in a], atol=1e-12
    )
    np.testing.assert_allclose(
        bx.clipped(a, (7, 9)), [boxlib.intersection(box, boxlib.full((7, 9))) for box in a]
    )
    np.testing.assert_allclose(bx.areas(a), [boxlib.area(box) for box in a])
    assert bx.long_sides(a).tolist() == [max(box[2:]) for box in a]
    assert bx.short_sides(a).tolist() == [min(box[2:]) for box in a]


@pytest.mark.parametrize('empty', [[], (), np.zeros(0), np.zeros((0, 4)), np.zeros((0, 5))])
def test_no_boxes(empty):
    assert bx.as_boxes(empty).shape == (0, 4)
    assert bx.mirrored(empty, 100).shape == bx.scaled(empty, 2).shape == (0, 4)
    assert bx.turned_back(empty, 90, (10, 20)).shape == (0, 4)


@pytest.mark.parametrize('wrong', [[1, 2, 3, 4], [[1, 2, 3]], np.zeros((2, 3, 4))])
def test_what_is_no_list_of_boxes_is_refused(wrong):
    with pytest.raises(ValueError, match='left, top, width, height'):
        bx.as_boxes(wrong)


def test_a_box_is_finite_and_has_an_area():
    boxes = [[0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, -1], [NAN] * 4, [np.inf, 0, 1, 1]]
    assert bx.is_box(boxes).tolist() == [True, False, False, False, False]
    assert bx.is_box([[-5, -5, 2, 2, NAN]]).tolist() == [True]  # the score does not matter


def test_joint_boxes():
    points = [
        [[10, 20], [30, 60], [NAN, NAN]],
        [[10, 20], [30, 60], [900, 900]],  # the last joint is behind the camera
        [[NAN, 1], [NAN, NAN], [2, NAN]],
    ]
    in_front = [[True] * 3, [True, True, False], [True] * 3]
    boxes = bx.joint_boxes(points, 1.5, where=in_front)
    # [10, 20, 20, 40] about its centre (20, 40): 30 by 60.
    np.testing.assert_allclose(boxes, [[5, 10, 30, 60], [5, 10, 30, 60], [NAN] * 4])
    np.testing.assert_allclose(bx.joint_boxes(points[1]), [10, 20, 890, 880])
    assert np.isnan(bx.joint_boxes(points, min_joints=3)).all(axis=1).tolist() == [1, 0, 1]
    assert np.isnan(bx.joint_boxes(np.zeros((2, 0, 2)), min_joints=0)).all()


@given(arrays(np.float64, (3, 4, 2), elements=pixels), st.booleans())
def test_joint_boxes_agree_with_boxlib(points, with_gap):
    if with_gap:
        points[:, 2] = NAN
    expected = [boxlib.bb_of_points(p) for p in points]
    np.testing.assert_allclose(bx.joint_boxes(points), expected)


def test_room_above_the_head_for_those_who_need_it():
    boxes = [[0, 100, 50, 200], [0, 100, 50, 200]]
    extended = bx.extended_up(boxes, 0.25 * np.array([True, False]))
    assert extended.tolist() == [[0, 50, 50, 250], [0, 100, 50, 200]]


def test_boxes_contain_their_first_and_not_their_last_edge():
    boxes = [[10, 20, 5, 5], [NAN] * 4]
    points = [[[10, 20], [15, 22], [12, 25], [14.9, 24.9], [NAN, 22]]] * 2
    expected = [[True, False, False, True, False], [False] * 5]
    assert bx.contains(boxes, points).tolist() == expected


def test_joints_in_view():
    points = [[[0, 0], [99.9, 49.9], [100, 20], [20, 50], [-0.1, 5], [NAN, 5]]]
    is_inside = [[True, True, False, False, False, False]]
    assert bx.inside_image(points, (50, 100)).tolist() == is_inside
    depths = [[1, -1, 1, 1, 1, 1]]
    assert bx.inside_image(points, (50, 100), depths).tolist() == [[True] + [False] * 5]


def test_boxes_in_a_downscaled_image():
    np.testing.assert_allclose(
        bx.scaled([[14, 28, 7, 14, 0.9]], 2160 / 448), [[67.5, 135, 33.75, 67.5, 0.9]]
    )


def test_boxes_in_a_mirrored_image():
    boxes = [[100, 50, 300, 400, 0.9]]
    assert bx.mirrored(boxes, 1920).tolist() == [[1520, 50, 300, 400, 0.9]]
    assert bx.mirrored(bx.mirrored(boxes, 1920), 1920).tolist() == boxes


@settings(deadline=None)
@given(
    st.sampled_from([0, 90, 180, 270]),
    st.integers(0, 6),
    st.integers(0, 4),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_boxes_in_a_turned_image_come_back(degrees, left, top, width, height):
    image = np.zeros((7, 11), np.uint8)
    image[top : top + height, left : left + width] = 1
    turned = np.rot90(image, degrees // 90)
    found = [*boxlib.bb_of_mask(turned), 0.7]
    raw = bx.turned_back([found], degrees, image.shape)
    assert raw.tolist() == [[left, top, width, height, 0.7]]


def test_images_are_turned_by_right_angles_only():
    with pytest.raises(ValueError, match='45'):
        bx.turned_back([[0, 0, 1, 1]], 45, (10, 10))
