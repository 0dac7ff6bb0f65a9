"""The selection against the rules worked out person by person."""

import json
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.ds.coco import main, selection
from posepile.util import TRAIN, VALID
from tests.ds.coco.literal_rules import expected_people, iou, joint_box

# Multiples of 40 make boxes of exactly 200 px, and overlaps of exactly a tenth, likely.
coordinate = st.one_of(st.sampled_from([0, 40, 159, 160, 161, 200, 400, 560]), st.integers(0, 639))
flags = [st.sampled_from(values) for values in ([0, 1, 1, 2, 2, 2, 2], [0, 0, 1, 2, 2])]


@st.composite
def keypoints(draw, n, flags):
    numbers = []
    for _ in range(n):
        v = draw(flags)
        numbers += [draw(coordinate), draw(coordinate), v] if v else [0, 0, v]
    return numbers


@st.composite
def annotation(draw, whole_body):
    # Few distinct people make overlaps frequent.
    result = dict(
        image_id=draw(st.sampled_from([7, 8, 1000])),
        keypoints=draw(keypoints(17, draw(st.sampled_from(flags)))),
        bbox=[1.5, 2, 30, 40],
        segmentation=[[0, 0, 9, 0, 9, 9]],
    )
    if whole_body:
        for part, n in (('foot', 6), ('face', 68), ('lefthand', 21), ('righthand', 21)):
            is_valid = draw(st.booleans())
            one = draw(keypoints(1, st.sampled_from([0.0, 0.3, 1, 2])))
            result[f'{part}_valid'] = is_valid
            result[f'{part}_kpts'] = one * n if is_valid else [0] * (3 * n)
    return result


def content_of(annotations):
    images = [dict(id=i, file_name=f'{i:03d}.jpg', height=640, width=640) for i in (8, 1000, 7)]
    return dict(images=images, annotations=[dict(a, id=100 + k) for k, a in enumerate(annotations)])


@pytest.mark.parametrize('product', main.PRODUCTS)
def test_kept_people_follow_the_rules(product):
    whole_body = main.PRODUCTS[product].whole_body

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(annotation(whole_body), max_size=6),
        st.lists(annotation(whole_body), max_size=6),
    )
    def check(train, val):
        contents = [content_of(train), content_of(val)]
        with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
            patch.setenv('DATA_ROOT', root)
            check_contents(product, contents)

    check()


def check_contents(name, contents):
    recipe, product = main.make_recipe(name), main.PRODUCTS[name]
    expected = {}
    for split, content in ((TRAIN, contents[0]), (VALID, contents[1])):
        path = main.annotation_path(product, split)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            json.dump(content, f)
        for image_id, number, _, joints in expected_people(content, name, split == TRAIN):
            clip_name = f'{main.image_folder(product, split)}/{image_id:03d}.jpg'
            expected.setdefault(clip_name, {})[number] = joints
    clips = recipe.list_clips()
    assert [clip_name for clip_name, _ in clips] == sorted(expected)
    for clip_name, identity in clips:
        people = recipe.read_clip(identity).people
        assert [person.index for person in people] == sorted(expected[clip_name])
        for person in people:
            joints = np.array(expected[clip_name][person.index], np.float32)
            np.testing.assert_array_equal(person.joints, joints[np.newaxis])
            np.testing.assert_array_equal(person.boxes, [[1.5, 2, 30, 40]])


@given(st.lists(st.integers(-3, 3), max_size=20))
def test_numbers_within_an_image(i_image):
    expected = [i_image[:k].count(i) for k, i in enumerate(i_image)]
    assert selection.number_within_image(np.array(i_image, int)).tolist() == expected


box = st.tuples(*[st.integers(0, 30)] * 4)


@given(st.lists(st.tuples(box, st.integers(0, 2)), min_size=1, max_size=12))
def test_is_apart(boxes):
    expected = [
        all(iou(b, c) < 0.1 for k, (c, j) in enumerate(boxes) if j == i and k != n)
        for n, (b, i) in enumerate(boxes)
    ]
    arrays = np.array([b for b, _ in boxes], np.float64), np.array([i for _, i in boxes])
    assert selection.is_apart(*arrays).tolist() == expected


def test_overlap_of_a_tenth_is_too_much():
    boxes = np.array([[0, 0, 10, 11], [0, 9, 10, 11]], np.float64)  # 20 of 200
    assert selection.iou(boxes[:1], boxes[1:]) == [0.1]
    assert selection.is_apart(boxes, np.zeros(2, int)).tolist() == [False, False]
    assert selection.is_apart(boxes + [0, 0, 0, -0.1], np.zeros(2, int)).tolist() == [True, True]
    assert selection.is_apart(boxes, np.arange(2)).tolist() == [True, True]


def test_joint_boxes():
    joints = np.array([[[0, 0], [160, 80], [np.nan, np.nan]], [[5, 5]] * 3])
    boxes = selection.joint_boxes(joints)
    np.testing.assert_array_equal(boxes, [[-20, -10, 200, 100], [5, 5, 0, 0]])
    np.testing.assert_array_equal(boxes[0], joint_box([(0, 0), (160, 80), (np.nan, np.nan)]))
    assert selection.is_large(boxes).tolist() == [True, False]
    assert not selection.is_large(selection.joint_boxes(joints[:1] * 159 / 160))[0]


def test_enough_joints_at_the_limits():
    def flags(n_visible, n_occluded):
        return [2] * n_visible + [1] * n_occluded + [0] * (17 - n_visible - n_occluded)

    visibility = np.array([flags(6, 3), flags(6, 2), flags(5, 12), flags(9, 0), flags(8, 0)])
    assert selection.has_enough_joints(visibility).tolist() == [True, False, False, True, False]


def test_nobody_is_no_problem():
    nobody = np.zeros((0, 4)), np.zeros(0, int)
    assert selection.is_apart(*nobody).shape == (0,)
    assert selection.joint_boxes(np.zeros((0, 17, 2))).shape == (0, 4)
