"""SMPL-H and SMPL-X against other libraries, which read the same made-up files themselves."""

import numpy as np
import pytest

from posepile.bodymodels import load
from posepile.bodymodels.hands import whole_pose
from posepile.bodymodels.keypoints import keypoint_names, keypoints

FILES = {
    'smplh': 'SMPLH_female.pkl',
    'smplh16': 'female/model.npz',
    'smplx': 'SMPLX_FEMALE.npz',
}
KID = 'kid_template.npy'


@pytest.mark.filterwarnings('ignore::DeprecationWarning:smplfitter')
@pytest.mark.parametrize('name, n_betas', [('smplh', 10), ('smplh16', 16), ('smplx', 10)])
def test_smplfitter(whole_body_folder, tmp_path, name, n_betas):
    """It takes the expressions of SMPL-X for further betas, so they follow those here."""
    smplfitter = pytest.importorskip('smplfitter.np')
    file = tmp_path / FILES[name]
    file.parent.mkdir(exist_ok=True)
    file.symlink_to(whole_body_folder / name / FILES[name])
    kid_template = 'smplx' if name == 'smplx' else 'smpl'
    (tmp_path / KID).symlink_to(whole_body_folder / kid_template / KID)
    reference = smplfitter.BodyModel(name, 'female', model_root=str(tmp_path))
    model = load(name, 'female', whole_body_folder)
    assert model.n_betas == n_betas

    rng = np.random.default_rng(0)
    pose, shape = rng.normal(0, 0.3, (2, 3 * model.n_joints)), rng.normal(size=(2, n_betas))
    trans, kid = rng.normal(size=(2, 3)), np.array([0, 0.6])
    expression = rng.normal(size=(2, model.n_expressions))
    expected = reference(pose, np.concatenate([shape, expression], axis=1), trans, kid)
    body = model(pose, shape, trans, kid, expression)
    np.testing.assert_allclose(body.vertices, expected['vertices'] * 1000, rtol=0, atol=3e-3)
    np.testing.assert_allclose(body.joints, expected['joints'] * 1000, rtol=0, atol=3e-3)
    np.testing.assert_allclose(body.orientations, expected['orientations'], rtol=0, atol=3e-6)


def parts_of_pose(rng, n, n_components):
    sizes = dict(global_orient=3, body_pose=63, jaw=3, leye=3, reye=3)
    parts = {key: rng.normal(0, 0.3, (n, size)) for key, size in sizes.items()}
    hands = {f'{s}_hand': rng.normal(0, 0.5, (n, n_components)) for s in ('left', 'right')}
    return parts, hands


@pytest.mark.slow  # imports torch
@pytest.mark.parametrize('is_flat', [False, True])
def test_smplx(whole_body_folder, smplx_model, is_flat):
    """Hands by 12 components, kid factor, expressions, 127 keypoints: what RICH and AGORA have."""
    smplx = pytest.importorskip('smplx')
    torch = pytest.importorskip('torch')
    reference = smplx.SMPLX(
        model_path=str(whole_body_folder / 'smplx' / FILES['smplx']),
        kid_template_path=str(whole_body_folder / 'smplx' / KID),
        age='kid',
        gender='female',
        use_pca=True,
        num_pca_comps=12,
        flat_hand_mean=is_flat,
        dtype=torch.float64,
    )
    rng = np.random.default_rng(1)
    parts, hands = parts_of_pose(rng, 1, 12)
    shape, expression = rng.normal(size=(1, 10)), rng.normal(size=(1, 10))
    trans, kid = rng.normal(size=(1, 3)), 0.4
    arguments = dict(
        betas=np.append(shape, [[kid]], axis=1),
        expression=expression,
        transl=trans,
        global_orient=parts['global_orient'],
        body_pose=parts['body_pose'],
        jaw_pose=parts['jaw'],
        leye_pose=parts['leye'],
        reye_pose=parts['reye'],
        left_hand_pose=hands['left_hand'],
        right_hand_pose=hands['right_hand'],
    )
    with torch.no_grad():
        expected = reference(
            **{key: torch.tensor(value) for key, value in arguments.items()}, return_full_pose=True
        )
    pose = whole_pose(
        smplx_model,
        **parts,
        **{
            key: smplx_model.hands.from_components(key[0], value, flat_hand_mean=is_flat)
            for key, value in hands.items()
        },
    )
    np.testing.assert_allclose(pose, expected.full_pose, rtol=0, atol=1e-6)
    body = smplx_model(pose, shape, trans, kid, expression)
    np.testing.assert_allclose(body.vertices, expected.vertices * 1000, rtol=0, atol=3e-3)
    points = keypoints(smplx_model, body)
    assert points.shape == (1, 127, 3) and len(keypoint_names(smplx_model)) == 127
    np.testing.assert_allclose(points, expected.joints * 1000, rtol=0, atol=3e-3)


@pytest.mark.slow  # imports torch
def test_smplx_of_smplh(whole_body_folder):
    """It uses 10 of the 16 betas."""
    smplx = pytest.importorskip('smplx')
    torch = pytest.importorskip('torch')
    model = load('smplh16', 'female', whole_body_folder)
    reference = smplx.SMPLH(
        model_path=str(whole_body_folder / 'smplh16' / FILES['smplh16']),
        ext='npz',
        num_pca_comps=6,
        flat_hand_mean=False,
        dtype=torch.float64,
    )
    rng = np.random.default_rng(2)
    parts, hands = parts_of_pose(rng, 1, 6)
    shape = rng.normal(size=(1, 10))
    with torch.no_grad():
        expected = reference(
            betas=torch.tensor(shape),
            global_orient=torch.tensor(parts['global_orient']),
            body_pose=torch.tensor(parts['body_pose']),
            left_hand_pose=torch.tensor(hands['left_hand']),
            right_hand_pose=torch.tensor(hands['right_hand']),
        )
    pose = whole_pose(
        model,
        parts['global_orient'],
        parts['body_pose'],
        model.hands.from_components('l', hands['left_hand']),
        model.hands.from_components('r', hands['right_hand']),
    )
    body = model(pose, shape)
    np.testing.assert_allclose(body.vertices, expected.vertices * 1000, rtol=0, atol=3e-3)
    np.testing.assert_allclose(keypoints(model, body), expected.joints * 1000, rtol=0, atol=3e-3)
