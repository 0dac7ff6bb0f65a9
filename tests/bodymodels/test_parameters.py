"""The parameters of examples: evaluated, and brought into other coordinates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.bodymodels import evaluate, load
from posepile.bodymodels.parameters import in_camera, model_of, moved
from posepile.errors import OptionError, RawDataError

N_JOINTS = dict(smpl=24, smplh=52, smplx=55)


def parameters_of(name, rng, **further):
    n = N_JOINTS[name]
    return dict(
        type=name, gender='female', pose=rng.normal(0, 0.3, 3 * n), shape=rng.normal(size=10),
        trans=rng.normal(size=3), **further,
    )  # fmt: skip


@pytest.fixture(scope='session')
def folder_of(fake_folder, whole_body_folder):
    return dict(smpl=fake_folder, smplh=whole_body_folder, smplx=whole_body_folder)


@pytest.mark.parametrize('name', N_JOINTS)
def test_each_type(folder_of, name):
    p = parameters_of(name, np.random.default_rng(0))
    model = load(name, 'female', folder_of[name])
    body, expected = evaluate(p, folder_of[name]), model(p['pose'], p['shape'], p['trans'])
    np.testing.assert_array_equal(body.vertices, expected.vertices)
    np.testing.assert_array_equal(body.joints, expected.joints)
    assert body.joints.shape == (N_JOINTS[name], 3)
    joints_only = evaluate(dict(p, gender='f'), folder_of[name], vertices=False)
    assert joints_only.vertices is None
    np.testing.assert_array_equal(joints_only.joints, body.joints)


def test_everything_that_examples_may_have(folder_of, smplx_model):
    rng = np.random.default_rng(1)
    p = parameters_of('smplx', rng, expression=rng.normal(size=10), kid_factor=0.3, scale=0.31)
    body = evaluate(p, folder_of['smplx'])
    unscaled = smplx_model(p['pose'], p['shape'], p['trans'], 0.3, p['expression'])
    # The scale applies after the shift.
    np.testing.assert_allclose(body.vertices, 0.31 * unscaled.vertices, rtol=0, atol=1e-9)
    np.testing.assert_allclose(body.joints, 0.31 * unscaled.joints, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(body.orientations, unscaled.orientations)
    for key in ('expression', 'kid_factor', 'scale', 'shape', 'trans'):
        without = {k: v for k, v in p.items() if k != key}
        other = evaluate(without, folder_of['smplx'])
        assert np.abs(other.vertices - body.vertices).max() > 0.1


def test_many_bodies_at_once(folder_of):
    rng = np.random.default_rng(2)
    several = [parameters_of('smplx', rng, scale=s) for s in (0.3, 1, 2)]
    stacked = {k: np.stack([p[k] for p in several]) for k in ('pose', 'shape', 'trans', 'scale')}
    bodies = evaluate(dict(several[0], **stacked), folder_of['smplx'])
    for i, p in enumerate(several):
        one = evaluate(p, folder_of['smplx'])
        np.testing.assert_allclose(bodies.vertices[i], one.vertices, rtol=0, atol=1e-9)


def test_which_smplh(folder_of):
    p = parameters_of('smplh', np.random.default_rng(3))
    folder = folder_of['smplh']
    assert model_of(p, folder).name == 'smplh'
    more = dict(p, shape=np.ones(16))
    assert model_of(more, folder).name == 'smplh16'
    assert evaluate(more, folder, vertices=False).joints.shape == (52, 3)
    with pytest.raises(RawDataError, match='smplh16/neutral/model.npz'):
        model_of(dict(p, gender='neutral'), folder)
    with pytest.raises(RawDataError, match='smplh/SMPLH_male.pkl.*mano_v1_2'):
        model_of(dict(p, gender='m'), folder)
    with pytest.raises(OptionError, match='no neutral smplh model; there is: male, female'):
        load('smplh', 'neutral', folder)


def test_parameters_that_do_not_fit(folder_of):
    p = parameters_of('smplx', np.random.default_rng(4))
    folder = folder_of['smplx']
    with pytest.raises(ValueError, match='lack pose'):
        evaluate({k: v for k, v in p.items() if k != 'pose'}, folder)
    with pytest.raises(ValueError, match='unknown betas'):
        evaluate(dict(p, betas=p['shape']), folder)
    with pytest.raises(OptionError, match="'star' is no body model"):
        evaluate(dict(p, type='star'), folder)
    with pytest.raises(ValueError, match=r'\(\.\.\., 165\)'):
        evaluate(dict(p, pose=np.zeros(72)), folder)
    with pytest.raises(ValueError, match='10 expressions'):
        evaluate(dict(p, expression=np.zeros(50)), folder)


@pytest.mark.parametrize('name', N_JOINTS)
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_moved(folder_of, name, seed, is_kid, is_scaled):
    """The body of the moved parameters is the moved body."""
    rng = np.random.default_rng(seed)
    p = parameters_of(name, rng)
    if is_kid:
        p['kid_factor'] = 0.7
    if is_scaled:
        p['scale'] = 0.4
    if name == 'smplx':
        p['expression'] = rng.normal(size=10)
    rotation = Rotation.random(random_state=seed % 2**31).as_matrix()
    shift = rng.normal(size=3)
    other = moved(p, rotation, shift, folder_of[name])
    before, after = evaluate(p, folder_of[name]), evaluate(other, folder_of[name])
    expected = before.vertices @ rotation.T + 1000 * shift
    np.testing.assert_allclose(after.vertices, expected, rtol=0, atol=1e-7)
    expected = before.joints @ rotation.T + 1000 * shift
    np.testing.assert_allclose(after.joints, expected, rtol=0, atol=1e-7)
    assert other.keys() == p.keys() and other['shape'] is p['shape']
    np.testing.assert_array_equal(other['pose'][3:], p['pose'][3:])


def test_in_the_camera_of_a_crop(folder_of):
    """A camera that was turned towards the person, as crops have it."""
    from deltacamera import Camera

    p = parameters_of('smplx', np.random.default_rng(5))
    camera = Camera(
        optical_center=np.array([500.0, -3000, 1400]),
        rot_world_to_cam=Rotation.random(random_state=3).as_matrix(),
        intrinsic_matrix=np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]]),
        world_up=(0, 0, 1),
    )
    body = evaluate(p, folder_of['smplx'])
    camera.turn_towards(target_world_point=body.joints[0])
    seen = evaluate(in_camera(p, camera, folder_of['smplx']), folder_of['smplx'])
    expected = camera.world_to_camera(body.vertices)
    np.testing.assert_allclose(seen.vertices, expected, rtol=0, atol=0.01)
    np.testing.assert_allclose(seen.joints[0, :2], 0, atol=0.01)  # on the optical axis
