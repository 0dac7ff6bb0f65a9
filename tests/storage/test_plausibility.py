"""Examples that contradict themselves or their image, and what is merely unusual."""

import numpy as np
import pytest
import rlemasklib

from posepile.storage.plausibility import (
    SeenExample,
    example_problems,
    example_warnings,
    known_coords,
)
from posepile.storage.statistics import bone_lengths
from tests.storage.packed_samples import JOINT_INFO, make_example

SIZE = (400, 480)
EDGES = np.array(JOINT_INFO.stick_figure_edges)


@pytest.fixture(params=['3d', '2d'])
def example(request):
    return make_example(3, request.param)[0]


@pytest.fixture
def example3d():
    return make_example(3)[0]


def problems(example, size=SIZE):
    return dict(example_problems(SeenExample(example), size))


def warnings(example, size=SIZE, mean_bones=None):
    return dict(example_warnings(SeenExample(example), size, EDGES, mean_bones))


def test_good_examples(example):
    assert problems(example) == {} and warnings(example) == {}
    assert problems(example, None) == {} and warnings(example, None) == {}


@pytest.mark.parametrize('factor', [0.001, 0.01, 100])
def test_other_units_than_millimetres(example3d, factor):
    example3d.world_coords = example3d.world_coords * factor
    camera = example3d.camera.copy()
    camera.t = camera.t * factor
    example3d.camera = camera
    expected = {'units'}
    assert set(problems(example3d)) == expected


def test_a_span_that_is_rare(example3d):
    middle = example3d.camera.t
    example3d.world_coords = middle + (example3d.world_coords - middle) * np.float32(3)
    assert problems(example3d) == {} and set(warnings(example3d)) == {'units'}


def test_people_without_pose_have_placeholders(example3d):
    """As in the test split of a benchmark: every joint at (1, 1, 1), wherever the person is."""
    example3d.world_coords = np.ones_like(example3d.world_coords)
    assert problems(example3d) == {} and warnings(example3d) == {}
    example3d.world_coords[3] = np.nan  # a joint that the product has, and the release has not
    assert problems(example3d) == {} and known_coords(example3d) is None
    example3d.world_coords = example3d.world_coords + np.float32(1)
    assert 'units' in problems(example3d)


def test_joints_somewhere_else_than_the_box(example):
    example.bbox = np.float32([0, 0, 20, 20])
    example.mask = None
    assert 'none of 17 joints' in problems(example)['projection']


def test_few_joints_near_the_box_are_unusual(example):
    left, top, width, height = example.bbox
    example.bbox = np.float32([left + width / 3, top, width / 3, height / 8])
    example.mask = None
    assert problems(example) == {}
    assert 'of 17 joints appear in the box' in warnings(example)['projection']


def test_joints_off_the_image_need_not_be_near_the_box(example):
    """A person of whom only the head is in the picture."""
    left, top, width, height = example.bbox
    example.bbox = np.float32([left, top, width, height / 6])
    example.mask = None
    assert problems(example, (400, int(top + height / 6))) == {}
    assert warnings(example, (400, int(top + height / 6))) == {}


def test_another_camera(example3d):
    camera = example3d.camera.copy()
    camera.R = (
        np.float32([[1, 0, 0], [0, np.cos(0.9), -np.sin(0.9)], [0, np.sin(0.9), np.cos(0.9)]])
        @ camera.R
    )
    example3d.camera = camera
    assert set(problems(example3d)) == {'projection'}


def test_masks(example):
    mask = np.zeros((480, 400), np.uint8)
    example.mask = rlemasklib.encode(mask)
    assert problems(example) == {} and warnings(example) == {'mask': 'it is empty'}
    mask[:5, :5] = 1
    example.mask = rlemasklib.encode(mask)
    assert problems(example) == {'mask': 'it lies outside of the box'}
    assert 'it has 400 x 480 px, the image 401 x 480' in problems(example, (401, 480))['mask']
    example.mask = dict(size=[480, 400], ucounts=np.array([5, 7], np.uint32))
    assert 'it does not decode' in problems(example)['mask']


def test_tiny_boxes_are_unusual(example):
    box = example.bbox
    example.bbox = np.float32([box[0] + box[2] / 2, box[1] + box[3] / 2, 7, 200])
    assert warnings(example)['box'] == 'it has 7.0 x 200.0 px'


def test_images_too_small_for_their_boxes_are_unusual(example):
    """As if thumbnails had been packed."""
    left, top, width, height = example.bbox
    example.mask = None
    found = warnings(example, (int(left + width / 2), int(top + height / 3)))
    assert found['box'].startswith('only 1') and 'of it lies on the image' in found['box']
    assert 'box' not in warnings(example, (int(left + width / 2), int(top + height)))


def test_extreme_lenses_are_unusual(example3d):
    camera = example3d.camera.copy()
    camera.intrinsic_matrix = camera.intrinsic_matrix * np.float32([[1e3], [1e3], [1]])
    example3d.camera = camera
    assert 'camera' in warnings(example3d)


def test_bones(example3d):
    lengths = bone_lengths(make_example(0)[0].world_coords, EDGES)
    assert 'bones' not in warnings(example3d, mean_bones=lengths)
    assert 'bones' not in warnings(example3d, mean_bones=np.zeros_like(lengths))
    i = JOINT_INFO.ids.lwri
    i_bone = next(e for e, edge in enumerate(EDGES) if i in edge)
    coords = example3d.world_coords.copy()
    coords[i] += [0, 0, -1500]
    example3d.world_coords = coords
    found = warnings(example3d, mean_bones=lengths)['bones']
    assert found.startswith('1 bones') and f'on average {lengths[i_bone]:.0f} mm' in found
    coords[i] = coords[JOINT_INFO.ids.lelb]
    assert f'{lengths[i_bone]:.0f} mm' in warnings(example3d, mean_bones=lengths)['bones']
    coords[i] = np.nan
    assert 'bones' not in warnings(example3d, mean_bones=lengths)


def test_translations_in_millimetres_are_unusual(example3d):
    example3d.parameters = dict(type='smpl', pose=np.zeros(72), trans=np.float32([0, 0, 3000]))
    assert 'not in metres' in warnings(example3d)['units']
