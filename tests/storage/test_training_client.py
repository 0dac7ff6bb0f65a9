"""What training programs do with examples, step by step, on an archive and in memory."""

import os
import pickle
import random
import sys
import types

import boxlib
import deltacamera
import numpy as np
import pytest
import rlemasklib
import simplepyutils as spu

from posepile import datasets2d, datasets3d
from posepile.datasets2d import Pose2DDataset
from posepile.datasets3d import Pose3DDataset
from posepile.joint_info import JointInfo, get_joint2bone_mat
from posepile.util import TRAIN, VALID
from tests.storage.packed_samples import JOINT_INFO, make_example, write_dataset

PROC_SIDE = 256


@pytest.fixture(params=['archive', 'memory'])
def dataset3d(request, tmp_path):
    if request.param == 'archive':
        path = write_dataset(tmp_path)
        return Pose3DDataset.open(path, path.replace('annotations', 'images'))
    examples = [[], [], []]
    for i in range(10):
        example, image = make_example(i)
        example.image = image
        examples[0 if i < 5 else 1 if i < 8 else 2].append(example)
    return Pose3DDataset(JOINT_INFO, *examples)


@pytest.fixture(scope='module')
def one_packed(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp('packed'))


def test_members_read_at_the_start_of_training(dataset3d):
    train_and_valid = [*dataset3d.examples[TRAIN], *dataset3d.examples[VALID]]
    assert len(train_and_valid) == len(dataset3d.examples[0] + dataset3d.examples[1]) == 8
    n_edges = len(dataset3d.joint_info.stick_figure_edges)
    for bones in (dataset3d.train_bones, dataset3d.trainval_bones):
        assert bones is None or bones.shape == (n_edges,)
    # Sections are built from paths, before anything is loaded.
    assert all('walkers' in ex.image_path.lower() for ex in train_and_valid)
    random.Random(0).shuffle(train_and_valid)


def test_joint_info_as_models_use_it(dataset3d):
    joint_info = dataset3d.joint_info
    coords = np.arange(joint_info.n_joints)
    assert joint_info.names.index('lwri') == joint_info.ids['lwri'] == joint_info.ids.lwri
    assert 'lwri' in joint_info.ids and 'tail' not in joint_info.ids
    assert dict(joint_info.ids.items())['pelv'] == joint_info.names.index('pelv')
    mirrored = coords[joint_info.mirror_mapping]
    assert mirrored[joint_info.ids.lwri] == joint_info.ids.rwri
    assert type(joint_info.mirror_mapping) is list
    assert (
        np.array(joint_info.stick_figure_edges).shape == (len(dataset3d.train_bones), 2)
        if (dataset3d.train_bones is not None)
        else True
    )
    assert get_joint2bone_mat(joint_info).shape[1] == joint_info.n_joints
    # Saved models give names and edges as arrays.
    again = JointInfo(np.array(joint_info.names), np.array(joint_info.stick_figure_edges))
    assert again.names == joint_info.names
    assert again.stick_figure_edges == joint_info.stick_figure_edges
    assert again.mirror_mapping == joint_info.mirror_mapping


def test_openpose_skeleton_of_two_texts():
    joint_info = JointInfo(
        'nose,neck,rsho,relb,rwri,lsho,lelb,lwri,rhip,rkne,rank,lhip,lkne,lank,reye,leye,lear,rear',
        'lsho-lelb-lwri,rsho-relb-rwri,lhip-lkne-lank,rhip-rkne-rank,lear-leye-nose-reye-rear',
    )
    assert joint_info.n_joints == 18 and joint_info.ids.rear == 17


def test_crop_of_a_training_example(dataset3d):
    """Centre on the box, turn, undistort, square the pixels, zoom, roll, and look at it again."""
    example = dataset3d.examples[TRAIN][1].load()
    assert example.bbox.dtype.kind == 'f'
    center = boxlib.center(example.bbox)
    old = example.camera
    camera = old.copy()
    camera.turn_towards(target_image_point=center)
    camera.undistort()
    camera.square_pixels()
    half = np.array([0, example.bbox[3] / 2])
    ends = deltacamera.reproject_image_points(
        np.stack([center - half, center + half]).astype(np.float32), old, camera
    )
    camera.zoom(PROC_SIDE / np.linalg.norm(ends[0] - ends[1]))
    camera.center_principal_point((PROC_SIDE, PROC_SIDE))
    camera.rotate(roll=0.1)
    camera.horizontal_flip()
    image = deltacamera.reproject_image(example.image, old, camera, (PROC_SIDE, PROC_SIDE))
    assert image.shape == (PROC_SIDE, PROC_SIDE, 3) and image.dtype == np.uint8
    mask = rlemasklib.decode(example.mask)
    assert mask.shape == example.image.shape[:2] and set(np.unique(mask)) <= {0, 1}
    small_mask = deltacamera.reproject_image(mask, old, camera, (PROC_SIDE, PROC_SIDE))
    assert small_mask.shape == (PROC_SIDE, PROC_SIDE)

    # The person is in the middle, and as tall as the crop.
    points = camera.world_to_image(example.get_world_coords())
    valid = np.isfinite(points).all(axis=1)
    assert np.all(np.abs(points[valid] - PROC_SIDE / 2) < PROC_SIDE)
    in_camera = camera.world_to_camera(example.get_world_coords())
    again = camera.R.T @ in_camera[valid].T + np.asarray(camera.t)[:, np.newaxis]
    np.testing.assert_allclose(again.T, example.get_world_coords()[valid], atol=0.02)


def test_loads_are_independent_and_writable(one_packed):
    """Some coordinates are shifted in place by the position of the camera."""
    ds = Pose3DDataset.open(one_packed)
    first = ds.examples[TRAIN][0].load(load_image=False)
    before = first.get_world_coords().copy(), np.array(first.camera.t)
    coords = first.get_world_coords()
    coords -= np.asarray(first.camera.t)
    with pytest.warns(DeprecationWarning, match='Direct mutation'):
        first.camera.t[:] = 0
    second = ds.examples[TRAIN][0].load(load_image=False)
    np.testing.assert_array_equal(second.get_world_coords(), before[0])
    np.testing.assert_array_equal(second.camera.t, before[1])
    assert second.camera is not first.camera


def test_2d_examples_are_used_without_load(tmp_path):
    path = write_dataset(tmp_path, kind='2d')
    ds = Pose2DDataset.open(path)
    for example in [*ds.examples[0], *ds.examples[1]]:
        assert example.coords.shape == (17, 2) and example.coords.dtype.kind == 'f'
        assert example.bbox.shape == (4,) and example.image_path.endswith('.jpg')
        assert example.mask is not None and example.camera is not None
    # Annotations near the lower border are discarded in place, which must last.
    example = ds.examples[0][0]
    example.coords[0] = np.nan
    assert np.isnan(example.coords[0]).all()


def test_examples_go_to_worker_processes(dataset3d):
    example = dataset3d.examples[TRAIN][2]
    again = pickle.loads(pickle.dumps(example))
    np.testing.assert_array_equal(again.load().image, example.load().image)
    assert pickle.loads(pickle.dumps(dataset3d.joint_info)).names == dataset3d.joint_info.names


def test_joint_info_pickled_under_its_old_module_name(monkeypatch):
    """Programs that convert models register today's modules under the old names."""
    import posepile
    import posepile.joint_info

    monkeypatch.setitem(sys.modules, 'data', posepile)
    monkeypatch.setitem(sys.modules, 'data.joint_info', posepile.joint_info)
    pickled = pickle.dumps(JointInfo('a,b', 'a-b'), protocol=2)
    pickled = pickled.replace(b'posepile.joint_info', b'data.joint_info')
    assert pickle.loads(pickled).names == ['a', 'b']


def test_datasets_by_path_and_flags(one_packed, monkeypatch):
    images = one_packed.replace('annotations', 'images')
    monkeypatch.setattr(spu, 'FLAGS', types.SimpleNamespace(image_barecat_path=images))
    ds = datasets3d.get_dataset(one_packed)
    assert ds.images_path == images and ds.examples[TRAIN][0].load().image.shape == (480, 400, 3)
    assert datasets3d.get_joint_info(one_packed).n_joints == 17
    assert callable(datasets2d.get_dataset)


@pytest.mark.parametrize(
    'name, key',
    [('h36m', 'h36m_'), ('aspset', 'aspset_'), ('coco', 'coco_down')],
)  # fmt: skip
def test_crops_lie_in_folders_that_sections_are_chosen_by(name, key):
    from posepile.storage.access import dataset_module

    recipe = dataset_module(name).make_recipe(name)
    assert key in f'{recipe.crops_folder}/'.lower()


def test_h36m_functions_of_prediction_programs(monkeypatch, tmp_path):
    from posepile.ds.h36m import main as h36m

    for name in ('get_activity_names', 'get_cameras', 'correct_world_coords', 'correct_boxes'):
        assert callable(getattr(h36m, name))
    coords = np.ones((2, 3), np.float32)
    corrected = h36m.correct_world_coords(
        coords, 'h36m/S9/Images/Greeting.54138969/frame_000000.jpg'
    )
    np.testing.assert_allclose(corrected[:, 0], 1 - 200)
    same = h36m.correct_world_coords(coords, 'h36m/S9/Images/Greeting 1.54138969/frame_000000.jpg')
    np.testing.assert_array_equal(same, coords)


def test_memory_of_the_loader_does_not_grow(one_packed):
    """Light examples keep nothing of what load() gave."""
    ds = Pose3DDataset.open(one_packed, one_packed.replace('annotations', 'images'))
    example = ds.examples[TRAIN][0]
    example.load()
    assert '_loaded' not in vars(example)
    assert os.path.exists(one_packed)
