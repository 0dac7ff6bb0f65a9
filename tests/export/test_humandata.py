"""HumanData files as NumPy, and so MMHuman3D, reads them."""

import numpy as np
import pytest

from posepile.datasets3d import Pose3DDataset
from posepile.export import export
from posepile.export.humandata import POSE_PARTS
from posepile.export.plain import camera_from_plain, densepose_from_plain, mask_from_plain
from posepile.util import SPLIT_NAMES, TRAIN
from tests.export.samples import (
    assert_same_camera,
    assert_same_mask,
    body,
    loaded,
    rich_dataset,
)
from tests.storage.packed_samples import JOINT_INFO, make_example


def read(path):
    """As HumanData.load does: entries without dimensions are objects."""
    with np.load(path, allow_pickle=True) as file:
        return {key: file[key].item() if file[key].ndim == 0 else file[key] for key in file}


@pytest.fixture
def exported3d(tmp_path):
    dataset = rich_dataset(tmp_path, '3d')
    report = export(dataset, 'humandata', tmp_path / 'out')
    assert report.lost == {}
    files = {name: read(tmp_path / 'out' / f'walkers_{name}.npz') for name in SPLIT_NAMES}
    return dataset, files


def test_shapes_and_types(exported3d):
    dataset, files = exported3d
    for split, name in enumerate(SPLIT_NAMES):
        n, data = len(dataset.examples[split]), files[name]
        assert data['__data_len__'] == n and data['__keypoints_compressed__'] is False
        assert data['__key_strict__'] is False
        assert data['bbox_xywh'].shape == (n, 5)
        assert data['keypoints2d'].shape == (n, 17, 3)
        assert data['keypoints3d'].shape == (n, 17, 4)
        assert data['keypoints3d_mask'].tolist() == [1] * 17
        assert (
            data['keypoints3d_convention'] == data['keypoints2d_convention'] == 'posepile_walkers'
        )
        assert data['misc']['joint_names'].tolist() == [JOINT_INFO.names]
        assert len(data['meta']['gender']) == n and data['config'] == 'walkers'
    smpl, smplx = files['train']['smpl'], files['val']['smplx']
    assert smpl['global_orient'].shape == (5, 3) and smpl['body_pose'].shape == (5, 23, 3)
    assert smpl['betas'].shape == (5, 10) and smpl['transl'].shape == (5, 3)
    assert smplx['body_pose'].shape == (2, 21, 3) and smplx['left_hand_pose'].shape == (2, 15, 3)
    assert smplx['jaw_pose'].shape == (2, 3) and smplx['expression'].shape == (2, 10)
    assert 'smplx' not in files['train'] and 'smpl' not in files['test']


def test_values(exported3d, tmp_path):
    dataset, files = exported3d
    for split, name in enumerate(SPLIT_NAMES):
        data, misc = files[name], files[name]['misc']
        for i, (key, example) in enumerate(loaded(dataset, split).items()):
            assert misc['key'][i] == key and data['image_path'][i] == example.image_path
            assert (tmp_path / 'out/images' / data['image_path'][i]).exists()
            np.testing.assert_array_equal(data['bbox_xywh'][i], [*example.bbox, 1])
            valid = ~np.isnan(example.world_coords[:, 0])
            xyz, confidence = data['keypoints3d'][i, :, :3], data['keypoints3d'][i, :, 3]
            np.testing.assert_array_equal(confidence, valid)
            np.testing.assert_allclose(xyz[valid], example.world_coords[valid] / 1000, rtol=1e-6)
            assert np.all(xyz[~valid] == 0)
            seen = data['keypoints2d'][i, :, 2] == 1
            np.testing.assert_allclose(
                data['keypoints2d'][i, seen, :2],
                example.camera.world_to_image(example.world_coords[seen]),
                atol=0.02,
            )
            camera = {
                k: misc[f'camera_{k}'][i]
                for k in ('rotation', 'intrinsic_matrix', 'distortion_coeffs', 'world_up')
            }
            camera['optical_center'] = misc['camera_optical_center'][i] * 1000
            expected = example.camera
            np.testing.assert_allclose(camera['optical_center'], expected.t, rtol=1e-6)
            camera['optical_center'] = expected.t
            assert_same_camera(camera_from_plain(camera), expected)
            mask = misc['mask'][i]
            assert_same_mask(mask and mask_from_plain(mask), example.mask)
            assert (misc.get('activity', [None] * 9)[i] or 'unknown') == example.activity_name


def test_body_models(exported3d):
    dataset, files = exported3d
    n_bodies = 0
    for split, name in enumerate(SPLIT_NAMES):
        data, misc = files[name], files[name]['misc']
        for i, example in enumerate(loaded(dataset, split).values()):
            for model in POSE_PARTS:
                has = data.get(f'has_{model}', np.zeros(9))[i]
                parameters = example.parameters or {}
                assert has == (parameters.get('type') == model)
                if not has:
                    continue
                n_bodies += 1
                saved = data[model]
                pose = [saved[part][i].ravel() for part in POSE_PARTS[model]]
                np.testing.assert_array_equal(np.concatenate(pose), parameters['pose'])
                betas = saved['betas'][i]
                n_betas = len(parameters['shape'])
                np.testing.assert_array_equal(betas[:n_betas], parameters['shape'])
                assert np.all(betas[n_betas:] == 0)
                np.testing.assert_array_equal(saved['transl'][i], parameters['trans'])
                assert data['meta']['gender'][i] == parameters['gender'][0]
                for key in ('kid_factor', 'scale'):
                    if key in parameters:
                        assert misc[key][i] == parameters[key]
    assert n_bodies == 3


def test_univ_joints_in_metres(exported3d):
    dataset, files = exported3d
    expected = [ex.univ_coords for ex in loaded(dataset, TRAIN).values()]
    saved = files['train']['misc']['univ_keypoints3d']
    assert sum(e is not None for e in expected) == 1
    for actual, univ in zip(saved, expected, strict=True):
        assert (actual is None) == (univ is None)
        if univ is not None:
            np.testing.assert_allclose(actual, univ / 1000, rtol=1e-6)


def test_2d_dataset_in_cocos_order(tmp_path):
    dataset = rich_dataset(tmp_path, '2d')
    export(dataset, 'humandata', tmp_path / 'out')
    data = read(tmp_path / 'out' / 'walkers_train.npz')
    assert data['keypoints2d_convention'] == 'coco' and 'keypoints3d' not in data
    assert data['keypoints2d'].shape == (3, 17, 3)
    # Nose and eyes, no ears, no shoulders, the limbs.
    assert data['keypoints2d_mask'].tolist() == [1] * 3 + [0] * 4 + [1] * 10
    for i, example in enumerate(loaded(dataset, TRAIN).values()):
        nose = example.coords[dataset.joint_info.ids.nose]
        expected = [0, 0, 0] if np.isnan(nose[0]) else [*nose, 1]
        np.testing.assert_array_equal(data['keypoints2d'][i, 0], expected)
        densepose = data['misc']['densepose'][i]
        assert (densepose is None) == (example.densepose is None)
        if densepose is not None:
            for a, b in zip(densepose_from_plain(densepose), example.densepose, strict=True):
                np.testing.assert_array_equal(a, b)


def test_what_cannot_be_mapped_is_told(tmp_path):
    examples = [make_example(i)[0] for i in range(3)]
    rng = np.random.default_rng(0)
    examples[0].parameters = dict(body('smpl', rng), pose=np.zeros(9, np.float32))
    examples[1].parameters = dict(body('smpl', rng), type='star')
    examples[2].parameters = dict(body('smpl', rng), muscles=np.zeros(3))
    dataset = Pose3DDataset(JOINT_INFO, examples)
    report = export(dataset, 'humandata', tmp_path / 'out', images=False)
    assert report.lost['parameters.muscles'] == 1
    assert sum(report.lost.values()) == 3 and any('star' in what for what in report.lost)
    assert read(tmp_path / 'out' / 'dataset_train.npz')['has_smpl'].tolist() == [0, 0, 1]


def test_several_files_per_split(tmp_path):
    dataset = rich_dataset(tmp_path, '3d')
    report = export(dataset, 'humandata', tmp_path / 'out', shard_size=2, splits=[TRAIN])
    assert report.files == [f'walkers_train_{i:03d}.npz' for i in range(3)]
    keys = [k for f in report.files for k in read(tmp_path / 'out' / f)['misc']['key']]
    assert keys == list(loaded(dataset, TRAIN))
