"""Parameters of SMPL in the coordinates of the camera, and of the cameras of crops."""

import dataclasses
import os

import numpy as np
import pytest

from posepile import paths
from posepile.bodymodels import load
from posepile.ds.tdpw import main
from posepile.ds.tdpw.parametric import models_folder
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.simulate.fidelity import check_product
from posepile.simulate.truth import load_truth, save_truth

pytestmark = pytest.mark.xdist_group('tdpw')


@pytest.fixture(scope='module')
def packed(pristine_blank_release):
    """DATA_ROOT with both products packed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DATA_ROOT', os.fspath(pristine_blank_release))
        for name in ('tdpw', 'tdpw_parametric'):
            recipe = main.make_recipe(name)
            make_crops(recipe)
            pack(recipe, simulated=True)
    return pristine_blank_release


def joints_of(parameters, root):
    model = load('smpl', parameters['gender'], models_folder(root / '3dpw'))
    p = parameters
    return model(p['pose'], p['shape'], p['trans'], vertices=False).joints[list(main.SOURCE_JOINTS)]


def test_parameters_make_the_joints_in_the_camera(packed, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(packed))
    n = 0
    for identity in (args for _, args in main.list_clips()):
        clip = main.read_clip(identity, is_parametric=True)
        for person in clip.people:
            for i in main.frames_with_joints(person.joints):
                found = joints_of(person.parameters[i], packed)
                np.testing.assert_allclose(found, person.joints[i], rtol=0, atol=1e-3)  # 1e-6 m
                n += 1
    assert n == 19


def test_records_make_the_joints_in_their_turned_cameras(packed, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(packed))
    true = {p.crop_path: p for p in load_truth('tdpw')}
    n = 0
    for examples in main.make_dataset('tdpw_parametric').examples.values():
        for light in examples:
            example = light.load()
            assert example.get_world_coords() is None
            person = true[example.image_path.replace('tdpw_parametric', 'tdpw')]
            rotation = np.float64(example.camera.R)
            assert np.abs(rotation - np.eye(3)).max() > 1e-3  # turned to the person
            np.testing.assert_array_equal(example.camera.t, 0)
            np.testing.assert_allclose(
                joints_of(example.parameters, packed), person.joints, rtol=0, atol=1e-3
            )
            # The same body as parameters in the axes of the turned camera.
            p = example.parameters
            model = load('smpl', p['gender'], models_folder(packed / '3dpw'))
            pose, trans = model.moved(p['pose'], p['shape'], p['trans'], rotation, np.zeros(3))
            turned = joints_of(dict(p, pose=pose, trans=trans), packed)
            np.testing.assert_allclose(turned, person.joints @ rotation.T, rtol=0, atol=1e-3)
            n += 1
    assert n == 19


def test_pelvis_by_hand(packed, monkeypatch):
    """trans puts the pelvis of the unposed body in place."""
    monkeypatch.setenv('DATA_ROOT', os.fspath(packed))
    p = main.make_dataset('tdpw_parametric').examples[0][0].load()
    model = load('smpl', p.parameters['gender'], models_folder(packed / '3dpw'))
    unposed = model(np.zeros(72), p.parameters['shape']).vertices
    pelvis = model.J_regressor[0] @ unposed + 1000 * p.parameters['trans']
    true = next(t for t in load_truth('tdpw_parametric') if t.crop_path == p.image_path)
    np.testing.assert_allclose(pelvis, true.joints[-1], atol=1e-3)


def test_records_keep_ten_betas_and_the_gender(packed, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(packed))
    genders = set()
    for examples in main.make_dataset('tdpw_parametric').examples.values():
        for light in examples:
            parameters = light.load().parameters
            assert parameters.keys() == {'type', 'gender', 'pose', 'shape', 'trans'}
            assert parameters['type'] == 'smpl'
            assert parameters['shape'].shape == (10,) and parameters['pose'].shape == (72,)
            genders.add(parameters['gender'])
    assert genders == {'male', 'female'}


def test_no_bone_lengths_and_no_joints(packed, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(packed))
    dataset = main.make_dataset('tdpw_parametric')
    assert 'train_bone_lengths' not in dataset.metadata
    assert dataset.train_bones is None
    assert dataset.joint_info.names == main.JOINT_INFO.names
    assert main.make_dataset('tdpw').examples[2][0].load().get_world_coords().shape == (24, 3)


def tampered(truth, **changes):
    parameters = dict(truth[3].parameters, **changes)
    return [*truth[:3], dataclasses.replace(truth[3], parameters=parameters), *truth[4:]]


def test_fidelity_sees_wrong_parameters(packed, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(packed))
    truth = load_truth('tdpw_parametric')
    pose = truth[3].parameters['pose']
    assert check_product('tdpw_parametric').problems() == []
    try:
        for changes, problem in (
            (dict(gender='male'), 'another body'),
            (dict(shape=np.zeros(16)), 'another body'),
            (dict(trans=truth[3].parameters['trans'] + [0, 0, 1e-4]), 'parameters is 0.0001'),
            (dict(pose=pose + 1e-3), 'parameters is'),
        ):
            save_truth('tdpw_parametric', tampered(truth, **changes))
            [line] = check_product('tdpw_parametric').problems()
            assert problem in line
        with_joints = [dataclasses.replace(truth[0], has_joints=True), *truth[1:]]
        save_truth('tdpw_parametric', with_joints)
        [line] = check_product('tdpw_parametric').problems()
        assert 'missing joints' in line
        # A rotation vector and its other name for the same rotation.
        first = pose[:3]
        angle = np.linalg.norm(first)
        other = np.concatenate([first * (angle - 2 * np.pi) / angle, pose[3:]])
        save_truth('tdpw_parametric', tampered(truth, pose=other))
        assert check_product('tdpw_parametric').problems() == []
    finally:
        save_truth('tdpw_parametric', truth)


def test_models_of_the_user_where_the_release_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(tmp_path))
    assert models_folder(tmp_path / '3dpw') == os.path.join(paths.data_root(), 'body_models')
