"""The skinning function against the published formula, against libraries, and its invariants."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.bodymodels import BodyModel
from posepile.bodymodels.files import converted_path
from posepile.bodymodels.official import read_kid_template

KID = 'kid_template.npy'


def body_parameters(rng, n, n_betas=10):
    return dict(
        pose=rng.normal(0, 0.4, (n, 72)), shape=rng.normal(size=(n, n_betas)),
        trans=rng.normal(size=(n, 3)),
    )  # fmt: skip


def published_formula(arrays, kid_direction, pose, shape, trans, kid_factor):
    """Equations 2 to 10 of the SMPL paper for one body, one vertex and joint at a time."""
    rest = arrays['v_template'] + np.dot(arrays['shapedirs'], shape) + kid_factor * kid_direction
    joints = arrays['J_regressor'] @ rest
    rotations = [Rotation.from_rotvec(r).as_matrix() for r in pose.reshape(24, 3)]
    difference = np.concatenate([(R - np.eye(3)).ravel() for R in rotations[1:]])
    rest = rest + np.dot(arrays['posedirs'], difference)

    world = []
    for j, parent in enumerate(arrays['kintree_table'][0]):
        local = np.eye(4)
        local[:3, :3] = rotations[j]
        local[:3, 3] = joints[j] if j == 0 else joints[j] - joints[parent]
        world.append(local if j == 0 else world[parent] @ local)
    from_rest = []
    for G, joint in zip(world, joints, strict=True):
        back = np.eye(4)
        back[:3, 3] = -joint
        from_rest.append(G @ back)
    vertices = []
    for point, weights in zip(rest, arrays['weights'], strict=True):
        blended = sum(w * G for w, G in zip(weights, from_rest, strict=True))
        vertices.append((blended @ np.append(point, 1))[:3])
    return (np.array(vertices) + trans) * 1000, (np.array([G[:3, 3] for G in world]) + trans) * 1000


def test_published_formula(model, fake_folder):
    arrays = np.load(converted_path('smpl', 'female', fake_folder))
    rng = np.random.default_rng(1)
    p = body_parameters(rng, 1)
    kid = np.load(fake_folder / 'smpl' / KID)
    kid_direction = kid - kid.mean(axis=0) - arrays['v_template']
    one = {k: v[0] for k, v in p.items()}
    vertices, joints = published_formula(arrays, kid_direction, **one, kid_factor=0.3)
    body = model(**one, kid_factor=0.3)
    np.testing.assert_allclose(body.vertices, vertices, rtol=0, atol=1e-9)  # mm
    np.testing.assert_allclose(body.joints, joints, rtol=0, atol=1e-9)
    # Each part of the formula matters to the result.
    for changed in (
        dict(kid_factor=0),
        dict(shape=None),
        dict(trans=None),
        dict(pose=0 * p['pose'][0]),
    ):
        other = model(**{**one, 'kid_factor': 0.3, **changed})
        assert np.abs(other.vertices - vertices).max() > 1


def test_smplfitter(model, fake_folder, tmp_path):
    """What we convert is read by this library as it reads the release of SMPL-H."""
    smplfitter = pytest.importorskip('smplfitter.np')
    (tmp_path / 'female').mkdir()
    (tmp_path / 'female' / 'model.npz').symlink_to(converted_path('smpl', 'female', fake_folder))
    (tmp_path / KID).symlink_to(fake_folder / 'smpl' / KID)
    reference = smplfitter.BodyModel('smplh16', 'female', model_root=str(tmp_path))
    p = body_parameters(np.random.default_rng(2), 3)
    kid = np.array([0, 0.5, 1])
    expected = reference(p['pose'], p['shape'], p['trans'], kid)
    body = model(**p, kid_factor=kid)
    np.testing.assert_allclose(body.vertices, expected['vertices'] * 1000, rtol=0, atol=2e-3)
    np.testing.assert_allclose(body.joints, expected['joints'] * 1000, rtol=0, atol=2e-3)
    np.testing.assert_allclose(body.orientations, expected['orientations'], rtol=0, atol=2e-6)


@pytest.mark.filterwarnings('ignore::DeprecationWarning:smplfitter')
def test_smplfitter_reads_the_official_layout(model, fake_folder, tmp_path):
    """The made-up pickles are such as another program expects, which unpickles them for real."""
    smplfitter = pytest.importorskip('smplfitter.np')
    name = 'basicmodel_f_lbs_10_207_0_v1.1.0.pkl'
    for file in (name, KID):
        (tmp_path / file).symlink_to(fake_folder / 'smpl' / file)
    reference = smplfitter.BodyModel('smpl', 'female', model_root=str(tmp_path))
    p = body_parameters(np.random.default_rng(3), 1)
    expected = reference(p['pose'], p['shape'], p['trans'])
    np.testing.assert_allclose(model(**p).vertices, expected['vertices'] * 1000, rtol=0, atol=2e-3)


@pytest.mark.slow  # imports torch
def test_smplx(model, fake_folder):
    smplx = pytest.importorskip('smplx')
    torch = pytest.importorskip('torch')
    arrays = np.load(converted_path('smpl', 'female', fake_folder))
    content = smplx.utils.Struct(**{key: arrays[key] for key in arrays.files})
    layer = smplx.SMPLLayer(model_path='', data_struct=content, dtype=torch.float64)
    p = body_parameters(np.random.default_rng(4), 2)
    R = torch.tensor(
        Rotation.from_rotvec(p['pose'].reshape(-1, 3)).as_matrix().reshape(2, 24, 3, 3)
    )
    expected = layer(
        betas=torch.tensor(p['shape']),
        global_orient=R[:, :1],
        body_pose=R[:, 1:],
        transl=torch.tensor(p['trans']),
    )
    body = model(**p)
    # The library keeps the model's arrays in single precision.
    np.testing.assert_allclose(body.vertices, expected.vertices * 1000, rtol=0, atol=1e-3)
    np.testing.assert_allclose(body.joints, expected.joints[:, :24] * 1000, rtol=0, atol=1e-3)


def test_rest_pose_is_the_template(model):
    body = model(np.zeros(72))
    np.testing.assert_allclose(body.vertices, model.v_template * 1000, rtol=0, atol=1e-9)
    np.testing.assert_allclose(body.joints, model.J_regressor @ body.vertices, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(body.orientations, np.broadcast_to(np.eye(3), (24, 3, 3)))


def test_leading_axes_and_forms_of_pose(model):
    rng = np.random.default_rng(5)
    p = body_parameters(rng, 40)  # more than are computed at a time
    body = model(**p)
    for i in (0, 31, 32, 39):
        one = model(p['pose'][i], p['shape'][i], p['trans'][i])
        np.testing.assert_allclose(body.vertices[i], one.vertices, rtol=0, atol=1e-9)
        np.testing.assert_allclose(body.joints[i], one.joints, rtol=0, atol=1e-9)
    folded = model(p['pose'].reshape(5, 8, 24, 3), p['shape'].reshape(5, 8, 10), np.zeros(3))
    assert folded.vertices.shape == (5, 8, 6890, 3) and folded.orientations.shape == (
        5,
        8,
        24,
        3,
        3,
    )
    matrices = Rotation.from_rotvec(p['pose'].reshape(-1, 3)).as_matrix().reshape(40, 24, 3, 3)
    np.testing.assert_allclose(
        model(matrices, p['shape'], p['trans']).joints, body.joints, rtol=0, atol=1e-9
    )
    several_shapes = model(p['pose'][0], p['shape'], vertices=False)
    assert several_shapes.vertices is None and several_shapes.joints.shape == (40, 24, 3)
    assert model(np.zeros((0, 72))).vertices.shape == (0, 6890, 3)


def test_betas_left_out_are_zero(model):
    rng = np.random.default_rng(6)
    pose, betas = rng.normal(0, 0.3, 72), rng.normal(size=4)
    padded = np.append(betas, np.zeros(6))
    np.testing.assert_allclose(
        model(pose, betas).vertices, model(pose, padded).vertices, rtol=0, atol=1e-9
    )


def test_what_does_not_fit_is_told(model):
    pose = np.zeros(72)
    with pytest.raises(ValueError, match=r'\(\.\.\., 72\)'):
        model(np.zeros(69))
    with pytest.raises(ValueError, match='has 10 betas'):
        model(pose, np.zeros(11))
    with pytest.raises(ValueError, match='has 0 expressions'):
        model(pose, expression=np.zeros(2))
    with pytest.raises(ValueError, match='trans'):
        model(pose, trans=np.zeros(2))


def test_kid_factor_needs_its_template(model):
    arrays = small_arrays(np.random.default_rng(0))
    adult = BodyModel('smpl', 'male', arrays, ['a', 'b', 'c'])
    assert adult(np.zeros(9), kid_factor=0).vertices.shape == (7, 3)
    with pytest.raises(ValueError, match='kid template'):
        adult(np.zeros(9), kid_factor=0.1)


def small_arrays(rng, n_expressions=0):
    """Three joints, seven vertices, two betas."""
    weights = rng.random((7, 3))
    return dict(
        v_template=rng.normal(size=(7, 3)),
        shapedirs=rng.normal(size=(7, 3, 2)),
        exprdirs=rng.normal(size=(7, 3, n_expressions)),
        posedirs=rng.normal(size=(7, 3, 18)),
        weights=weights / weights.sum(axis=1, keepdims=True),
        J_regressor=rng.random((3, 7)),
        parents=np.array([-1, 0, 0]),
        faces=np.array([[0, 1, 2]]),
    )


def test_expressions_are_further_directions():
    """As in SMPL-X; the same directions as betas give the same body."""
    rng = np.random.default_rng(7)
    arrays = small_arrays(rng, n_expressions=2)
    both = np.concatenate([arrays['shapedirs'], arrays['exprdirs']], axis=2)
    as_betas = BodyModel(
        'x', 'male', {**arrays, 'shapedirs': both, 'exprdirs': both[..., :0]}, 'abc'
    )
    model = BodyModel('x', 'male', arrays, 'abc')
    pose, shape, expression = rng.normal(size=9), rng.normal(size=2), rng.normal(size=2)
    result = model(pose, shape, expression=expression)
    expected = as_betas(pose, np.append(shape, expression))
    np.testing.assert_allclose(result.vertices, expected.vertices, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.joints, expected.joints, rtol=0, atol=1e-9)


def test_expressions_may_move_the_root():
    """They do not in the official models; but parameters are exact whatever the model."""
    rng = np.random.default_rng(13)
    model = BodyModel('x', 'male', small_arrays(rng, n_expressions=2), 'abc')
    pose, shape, expression, trans = (rng.normal(size=n) for n in (9, 2, 2, 3))
    rotation, shift = Rotation.random(random_state=4).as_matrix(), rng.normal(size=3)
    before = model(pose, shape, trans, expression=expression)
    rest = model(np.zeros(9), shape, expression=expression)
    root = model.root(shape, expression=expression)
    np.testing.assert_allclose(root * 1000, rest.joints[0], rtol=0, atol=1e-9)
    pose, trans = model.moved(pose, shape, trans, rotation, shift, expression=expression)
    after = model(pose, shape, trans, expression=expression)
    expected = before.vertices @ rotation.T + 1000 * shift
    np.testing.assert_allclose(after.vertices, expected, rtol=0, atol=1e-8)


def test_a_bent_elbow_moves_the_forearm_only(model):
    names = model.joint_names
    pose = np.zeros((24, 3))
    pose[names.index('lelb')] = [0, -np.pi / 2, 0]  # the left arm lies along x
    rest, bent = model(np.zeros(72)), model(pose)
    moved = np.linalg.norm(bent.joints - rest.joints, axis=1) > 1
    assert [n for n, m in zip(names, moved, strict=True) if m] == ['lwri', 'lhan']
    forearm = rest.joints[names.index('lwri')] - rest.joints[names.index('lelb')]
    expected = bent.joints[names.index('lelb')] + [0, 0, forearm[0]]
    np.testing.assert_allclose(bent.joints[names.index('lwri')], expected, rtol=0, atol=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_moved(model, seed, is_kid):
    """Parameters of the moved body give the moved body, whatever its root is."""
    rng = np.random.default_rng(seed)
    p = body_parameters(rng, 2)
    rotation = Rotation.random(2, random_state=seed % 2**31).as_matrix()
    shift = rng.normal(size=(2, 3))
    kid = np.array([0.2, 0.7]) if is_kid else None
    before = model(**p, kid_factor=kid)
    pose, trans = model.moved(p['pose'], p['shape'], p['trans'], rotation, shift, kid)
    after = model(pose, p['shape'], trans, kid)
    for a, b in ((after.vertices, before.vertices), (after.joints, before.joints)):
        expected = b @ np.swapaxes(rotation, 1, 2) + 1000 * shift[:, np.newaxis]
        np.testing.assert_allclose(a, expected, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        after.orientations, rotation[:, np.newaxis] @ before.orientations, rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(pose[:, 3:], p['pose'][:, 3:])


def test_moved_into_a_camera(model):
    """World-to-camera rotation R and optical centre c in mm: x -> R (x - c)."""
    from deltacamera import Camera

    rng = np.random.default_rng(8)
    p = {key: value[0] for key, value in body_parameters(rng, 1).items()}
    R = Rotation.random(random_state=1).as_matrix()
    camera = Camera(
        rot_world_to_cam=R, optical_center=np.array([500.0, -3000, 1400]),
        intrinsic_matrix=np.eye(3), world_up=(0, 0, 1),
    )  # fmt: skip
    pose, trans = model.moved(**p, rotation=camera.R, shift=-camera.R @ camera.t / 1000)
    expected = camera.world_to_camera(model(**p).vertices)
    np.testing.assert_allclose(model(pose, p['shape'], trans).vertices, expected, rtol=0, atol=0.01)


def test_many_cameras_see_one_body(model):
    p = {key: value[0] for key, value in body_parameters(np.random.default_rng(9), 1).items()}
    rotations = Rotation.random(6, random_state=2).as_matrix()
    pose, trans = model.moved(**p, rotation=rotations, shift=np.zeros((6, 3)))
    assert pose.shape == (6, 72) and trans.shape == (6, 3)
    joints = model(pose, p['shape'], trans, vertices=False).joints
    before = model(**p, vertices=False).joints
    np.testing.assert_allclose(joints, before @ np.swapaxes(rotations, 1, 2), rtol=0, atol=1e-7)


def test_root_is_where_the_root_joint_rests(model):
    shape = np.random.default_rng(10).normal(size=(4, 10))
    kid = np.array([0, 0.1, 0.5, 1])
    joints = model(np.zeros(72), shape, kid_factor=kid, vertices=False).joints
    np.testing.assert_allclose(model.root(shape, kid) * 1000, joints[:, 0], rtol=0, atol=1e-9)


def test_missing_values_stay_in_their_body(model):
    p = body_parameters(np.random.default_rng(11), 2)
    p['trans'][0, 1] = np.nan
    body = model(**p)
    assert np.isnan(body.vertices[0, :, 1]).all() and np.isfinite(body.vertices[1]).all()


def test_crosses_process_borders(model):
    again = pickle.loads(pickle.dumps(copy.copy(model)))
    pose = np.random.default_rng(12).normal(0, 0.3, 72)
    np.testing.assert_array_equal(again(pose).vertices, model(pose).vertices)


def test_kid_template_is_checked(tmp_path):
    from posepile.bodymodels.families import family
    from posepile.errors import RawDataError

    np.save(tmp_path / KID, np.zeros((10475, 3)))
    with pytest.raises(RawDataError, match='6890'):
        read_kid_template(tmp_path / KID, family('smpl'))
