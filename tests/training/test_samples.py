"""From packed examples to batches."""

import numpy as np
import pytest
import torch

from posepile.datasets2d import Pose2DDataset, Pose2DExample
from posepile.datasets3d import Pose3DDataset
from posepile.errors import BadFileError
from posepile.joint_info import JointInfo
from posepile.storage.lazy import open_dataset
from posepile.training import PoseDataset, RandomView
from posepile.training.collate import collate
from posepile.training.occlusion import Backgrounds
from posepile.training.skeleton import JointMap, common_skeleton
from posepile.util import TRAIN, VALID
from tests.storage.packed_samples import JOINT_INFO, N_PER_SPLIT, make_example, write_dataset


@pytest.fixture(scope='module', params=['3d', '2d'])
def packed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return open_dataset(write_dataset(folder, request.param), str(folder / 'images.barecat'))


def test_samples_are_true_to_the_example(packed):
    dataset = PoseDataset([packed], TRAIN)
    assert len(dataset) == N_PER_SPLIT[TRAIN]
    for i in range(len(dataset)):
        for visit in range(4):
            sample, ex = dataset[0, i, visit], packed.examples[TRAIN][i].load()
            coords2d = sample['coords2d']
            is_3d = hasattr(ex, 'world_coords')
            known = ex.world_coords if is_3d else ex.coords
            mirrored = np.linalg.det(sample['extrinsics'][:3, :3]) < 0
            if mirrored:
                known = known[JOINT_INFO.mirror_mapping]
            np.testing.assert_array_equal(np.isnan(coords2d[:, 0]), np.isnan(known[:, 0]))
            assert sample['is_calibrated'] and sample['key'].tolist() == [0, i, visit]
            if not is_3d:
                assert np.isnan(sample['coords3d']).all()
                continue
            extrinsics = sample['extrinsics']
            in_camera = known @ extrinsics[:3, :3].T + extrinsics[:3, 3]
            np.testing.assert_allclose(sample['coords3d'], in_camera, atol=0.01)
            in_image = in_camera @ sample['intrinsics'].T
            np.testing.assert_allclose(coords2d, in_image[:, :2] / in_image[:, 2:], atol=0.01)


def test_the_person_is_where_the_sample_says(packed):
    """The mask goes the way of the image, and joints and box the way of the mask."""
    dataset = PoseDataset(
        [packed], view=RandomView(side=128, scale=(0.5, 0.7), roll=10), with_mask=True
    )
    for i in range(len(dataset)):
        sample = dataset[0, i, 1]
        assert sample['has_mask'] and sample['mask'].dtype == bool
        points = sample['coords2d'][np.isfinite(sample['coords2d'][:, 0])]
        x, y = np.rint(points).astype(int).T
        assert sample['mask'][y, x].mean() > 0.9
        rows, columns = np.nonzero(sample['mask'])
        left, top, width, height = sample['box']
        assert abs((left + width / 2) - (columns.min() + columns.max()) / 2) < 12
        assert abs(height - np.ptp(rows)) < 12
    places = np.zeros((64, 64, 3), np.uint8)
    dataset.effects = [Backgrounds([places], 1, softness=0)]
    changed = dataset[0, 0, 1]
    assert changed['image'][~changed['mask']].mean() < 3
    assert changed['image'][changed['mask']].mean() > 30


def test_views_differ_between_visits_examples_and_seeds(packed):
    dataset, other = (PoseDataset([packed], seed=seed) for seed in (0, 1))
    images = [dataset[0, 0, 0], dataset[0, 0, 1], dataset[0, 1, 0], other[0, 0, 0]]
    assert len({sample['image'].tobytes() for sample in images}) == 4
    again = dataset[0]
    for name, value in images[0].items():
        np.testing.assert_array_equal(again[name], value)
    np.testing.assert_array_equal(dataset[-1]['key'], [0, len(dataset) - 1, 0])
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_fixed_views_are_the_same_in_every_visit(packed):
    dataset = PoseDataset([packed], VALID, view=RandomView.fixed(64))
    first, later = dataset[0, 2, 0], dataset[0, 2, 7]
    np.testing.assert_array_equal(first['image'], later['image'])
    assert first['image'].shape == (64, 64, 3)


def test_batches_have_no_nan_but_say_what_is_known(packed):
    dataset = PoseDataset([packed])
    samples = [dataset[i] for i in range(len(dataset))]
    batch = collate(samples)
    n = len(samples)
    assert batch['image'].shape == (n, 3, 256, 256) and batch['image'].dtype == torch.uint8
    assert batch['image'].is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch['image'][1].permute(1, 2, 0), samples[1]['image'])
    for dim in ('2d', '3d'):
        coords, is_valid = batch[f'coords{dim}'], batch[f'is_valid{dim}']
        expected = np.stack([np.isfinite(s[f'coords{dim}'][:, 0]) for s in samples])
        np.testing.assert_array_equal(is_valid, expected)
        assert (coords[~is_valid] == 0).all() and (coords[is_valid] != 0).any(dim=-1).all()
    assert not batch['is_valid2d'].all()
    assert batch['intrinsics'].shape == (n, 3, 3) and batch['extrinsics'].shape == (n, 4, 4)
    # The samples keep their NaNs: collating does not write into them.
    assert any(np.isnan(s['coords2d']).any() for s in samples)


def test_datasets_with_different_skeletons_share_one():
    few = JointInfo('rwri,lwri,nose', 'nose-lwri')
    example3d, image3d = make_example(0)
    example3d.image = image3d
    photo = np.zeros((100, 80, 3), np.uint8)
    coords = np.array([[20, 30], [60, 40], [np.nan, np.nan]])
    example2d = Pose2DExample('photo.jpg', coords, image=photo)
    datasets = [
        Pose3DDataset(JOINT_INFO, [example3d], compute_bone_lengths=False),
        Pose2DDataset(few, [example2d]),
    ]
    dataset = PoseDataset(datasets, view=RandomView.fixed())
    ids = dataset.joint_info.ids
    assert dataset.joint_info.names == [*JOINT_INFO.names, 'nose']
    assert (ids.lwri, ids.nose) in [tuple(e) for e in dataset.joint_info.stick_figure_edges]
    batch = collate([dataset[0], dataset[1]])
    assert batch['is_valid3d'].sum(dim=1).tolist() == [17, 0]
    assert batch['is_valid2d'][1].nonzero().ravel().tolist() == [ids.lwri, ids.rwri]
    right, left = batch['coords2d'][1, [ids.rwri, ids.lwri]].numpy()
    # A box around two joints that are 40 px apart: 48 px become 256.
    np.testing.assert_allclose(left - right, [40 * 256 / 48, 10 * 256 / 48], rtol=1e-4)
    assert batch['is_calibrated'].tolist() == [True, False]
    chosen = PoseDataset(datasets, joint_info=JointInfo('lwri,rwri'))
    assert chosen[1]['coords2d'].shape == (2, 2)
    with pytest.raises(ValueError, match='none of the joints'):
        PoseDataset(datasets, joint_info=JointInfo('tail'))


def test_joint_maps_leave_gaps():
    source, target = JointInfo('a,b,c'), JointInfo('c,x,a')
    moved = JointMap(source, target)([[1, 1], [2, 2], [3, 3]])
    np.testing.assert_array_equal(moved, [[3, 3], [np.nan, np.nan], [1, 1]])
    assert common_skeleton([source, target]).names == ['a', 'b', 'c', 'x']


def test_examples_of_parameters_alone_are_samples():
    example, image = make_example(0)
    example.image, example.world_coords = image, None
    dataset = PoseDataset([Pose3DDataset(JOINT_INFO, [example], compute_bone_lengths=False)])
    batch = collate([dataset[0]])
    assert not batch['is_valid3d'].any() and not batch['is_valid2d'].any()


def test_without_box_and_joints_there_is_no_view():
    nowhere = Pose2DExample('photo.jpg', np.full((1, 2), np.nan), image=np.zeros((9, 9, 3), 'u1'))
    with pytest.raises(BadFileError, match=r'photo\.jpg'):
        PoseDataset([Pose2DDataset(JointInfo('a'), [nowhere])])[0]
