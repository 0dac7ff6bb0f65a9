"""Hands by components, and whole poses from their parts."""

import numpy as np
import pytest

from posepile.bodymodels.hands import Hands, whole_pose


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    arrays = {f'hands_mean{s}': rng.normal(size=45) for s in 'lr'}
    return arrays | {f'hands_components{s}': rng.normal(size=(45, 45)) for s in 'lr'}


def test_components_are_added_to_the_mean(arrays):
    hands = Hands.from_arrays(arrays)
    coefficients = np.random.default_rng(1).normal(size=(4, 2, 12))
    for side in 'lr':
        expected = np.zeros((4, 2, 45))
        for k in range(12):
            expected += coefficients[..., k, None] * arrays[f'hands_components{side}'][k]
        flat = hands.from_components(side, coefficients, flat_hand_mean=True)
        np.testing.assert_allclose(flat, expected, rtol=0, atol=1e-12)
        expected += arrays[f'hands_mean{side}']
        pose = hands.from_components(side, coefficients)
        np.testing.assert_allclose(pose, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(hands.from_relative(side, flat), pose, rtol=0, atol=1e-12)
        again = hands.to_components(side, pose, 12)
        np.testing.assert_allclose(again, coefficients, rtol=0, atol=1e-10)
        again = hands.to_components(side, flat, 12, flat_hand_mean=True)
        np.testing.assert_allclose(again, coefficients, rtol=0, atol=1e-10)


def test_few_components_give_the_nearest_pose(arrays):
    """The rest of the pose is at a right angle to the components."""
    hands = Hands.from_arrays(arrays)
    pose = np.random.default_rng(2).normal(size=45)
    coefficients = hands.to_components('r', pose, 6)
    rest = pose - hands.from_components('r', coefficients)
    assert np.linalg.norm(rest) > 1
    np.testing.assert_allclose(arrays['hands_componentsr'][:6] @ rest, 0, atol=1e-10)


def test_no_hands():
    assert Hands.from_arrays({}) is None


def test_what_does_not_fit_a_hand(arrays):
    hands = Hands.from_arrays(arrays)
    with pytest.raises(ValueError, match='45 components'):
        hands.from_components('l', np.zeros(46))
    with pytest.raises(ValueError, match=r'\(\.\.\., 45\)'):
        hands.from_relative('l', np.zeros(12))
    with pytest.raises(ValueError):
        hands.from_components('left', np.zeros(12))


def test_parts_are_where_the_names_say(smplx_model, smplh_model):
    """Each part moves only the joints that follow it."""
    for model in (smplx_model, smplh_model):
        rng = np.random.default_rng(3)
        parts = dict(global_orient=rng.normal(size=3), body_pose=rng.normal(size=63))
        parts |= {key: rng.normal(size=45) for key in ('left_hand', 'right_hand')}
        if model is smplx_model:
            parts |= {key: rng.normal(size=3) for key in ('jaw', 'leye', 'reye')}
        pose = dict(zip(model.joint_names, whole_pose(model, **parts).reshape(-1, 3), strict=True))
        np.testing.assert_array_equal(pose['pelv'], parts['global_orient'])
        np.testing.assert_array_equal(pose['lhip'], parts['body_pose'][:3])
        np.testing.assert_array_equal(pose['rwri'], parts['body_pose'][60:])
        np.testing.assert_array_equal(pose['lindex1'], parts['left_hand'][:3])
        np.testing.assert_array_equal(pose['lthumb3'], parts['left_hand'][42:])
        np.testing.assert_array_equal(pose['rmiddle2'], parts['right_hand'][12:15])
    np.testing.assert_array_equal(whole_pose(smplx_model, **parts_x(3))[22 * 3 : 25 * 3], JAW_EYES)


def test_order_of_the_fingers(smplx_model, smplh_model):
    fingers = 'index1,index2,index3,middle1,middle2,middle3,pinky1,pinky2,pinky3,ring1,ring2,ring3'
    fingers = [*fingers.split(','), 'thumb1', 'thumb2', 'thumb3']
    expected = tuple(side + finger for side in 'lr' for finger in fingers)
    assert smplx_model.joint_names[25:] == smplh_model.joint_names[22:] == expected
    assert smplx_model.joint_names[22:25] == ('jaw', 'leyehf', 'reyehf')


JAW_EYES = np.arange(9.0)


def parts_x(seed):
    rng = np.random.default_rng(seed)
    return dict(
        global_orient=rng.normal(size=3),
        body_pose=rng.normal(size=63),
        jaw=JAW_EYES[:3],
        leye=JAW_EYES[3:6],
        reye=JAW_EYES[6:],
    )


def test_parts_left_out(model, smplx_model):
    pose = whole_pose(smplx_model, np.zeros((5, 3)), np.zeros(63))
    assert pose.shape == (5, 165) and not pose[:, :75].any()
    np.testing.assert_array_equal(pose[2, 75:120], smplx_model.hands.mean[0])
    np.testing.assert_array_equal(pose[2, 120:], smplx_model.hands.mean[1])
    np.testing.assert_array_equal(whole_pose(model, [1, 2, 3], np.arange(69))[:5], [1, 2, 3, 0, 1])


def test_parts_that_do_not_fit(model, smplx_model, smplh_model):
    with pytest.raises(ValueError, match='smplh body has no jaw'):
        whole_pose(smplh_model, np.zeros(3), np.zeros(63), jaw=np.zeros(3))
    with pytest.raises(ValueError, match='smpl body has no left_hand'):
        whole_pose(model, np.zeros(3), np.zeros(69), left_hand=np.zeros(45))
    with pytest.raises(ValueError, match=r'left_hand .*\(\.\.\., 45\)'):
        whole_pose(smplx_model, np.zeros(3), np.zeros(63), left_hand=np.zeros(12))
    with pytest.raises(ValueError, match=r'body_pose .*\(\.\.\., 63\)'):
        whole_pose(smplx_model, np.zeros(3), np.zeros(69))
