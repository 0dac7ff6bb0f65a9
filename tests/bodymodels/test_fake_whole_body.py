"""Made-up models with fingers and faces: official sizes, plausible bodies."""

import filecmp

import numpy as np
import pytest

from posepile.bodymodels import __main__ as command
from posepile.bodymodels import fake
from posepile.bodymodels.families import FAMILIES

N_EYEBALLS = 1092


@pytest.fixture(scope='module', params=['smplh', 'smplx'])
def name(request):
    return request.param


@pytest.fixture(scope='module')
def arrays(name):
    return dict(smplh=fake.make_smplh, smplx=fake.make_smplx)[name]('male')


def test_sizes_are_the_official_ones(name, arrays):
    shapes = {key: array.shape for key, array in arrays.items()}
    v, j, f = (6890, 52, 13776) if name == 'smplh' else (10475, 55, 20908)
    expected = dict(
        v_template=(v, 3),
        shapedirs=(v, 3, 10 if name == 'smplh' else 20),
        posedirs=(v, 3, 9 * (j - 1)),
        weights=(v, j),
        J_regressor=(j, v),
        J=(j, 3),
        kintree_table=(2, j),
        f=(f, 3),
        hands_meanl=(45,),
        hands_meanr=(45,),
        hands_componentsl=(45, 45),
        hands_componentsr=(45, 45),
        hands_coeffsl=(100, 45),
        hands_coeffsr=(100, 45),
    )
    if name == 'smplx':
        expected |= dict(lmk_faces_idx=(51,), lmk_bary_coords=(51, 3), joint2num=())
        expected |= dict(dynamic_lmk_faces_idx=(79, 17), dynamic_lmk_bary_coords=(79, 17, 3))
    assert shapes == expected


@pytest.mark.parametrize('make', [fake.make_smpl, fake.make_smplh, fake.make_smplx])
def test_genders_share_their_topology(make):
    """The same triangles, and vertices in the same places of bodies of other sizes."""
    male, female = make('male'), make('female')
    np.testing.assert_array_equal(male['f'], female['f'])
    sizes = [np.ptp(a['v_template'], axis=0) for a in (male, female)]
    scaled = male['v_template'] * (sizes[1] / sizes[0])
    assert np.linalg.norm(scaled - female['v_template'], axis=1).max() < 0.03


def test_kids_are_smooth(smplx_model):
    """The infant's vertices belong to those of all genders."""
    kid = smplx_model(np.zeros(165), kid_factor=0.8).vertices
    a, b, _ = np.moveaxis(kid[smplx_model.faces], 1, 0)
    assert np.linalg.norm(a - b, axis=1).max() < 80
    adult = smplx_model(np.zeros(165)).vertices
    assert 0.5 < np.ptp(kid[:, 1]) / np.ptp(adult[:, 1]) < 0.7


def test_300_betas_and_100_expressions():
    assert fake.make_smplx('female', 0, 300, 100)['shapedirs'].shape == (10475, 3, 400)


def test_kinematic_tree(name, arrays):
    names = FAMILIES[name].joint_names
    assert len(set(names)) == len(names) == len(arrays['J'])
    parent = {n: names[p] for n, p in zip(names[1:], arrays['kintree_table'][0, 1:], strict=True)}
    for side in 'lr':
        for finger in ('index', 'middle', 'ring', 'pinky', 'thumb'):
            chain = [f'{side}wri', *(f'{side}{finger}{i}' for i in (1, 2, 3))]
            assert [parent[n] for n in chain[1:]] == chain[:3]
        assert parent[f'{side}wri'] == f'{side}elb' and parent[f'{side}cla'] == 'thor'
    assert parent['bell'] == 'pelv' and parent['rank'] == 'rkne'
    if name == 'smplx':
        assert {parent[n] for n in ('jaw', 'leyehf', 'reyehf')} == {'head'}


def test_weights_and_regressor(arrays):
    weights, regressor = arrays['weights'], arrays['J_regressor']
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert weights.min() >= 0 and (weights > 0).sum(axis=1).max() <= 4
    assert weights.max(axis=0).min() > 0.3  # each joint moves something
    assert regressor.min() >= 0
    np.testing.assert_allclose(regressor @ arrays['v_template'], arrays['J'], atol=1e-9)


def test_surface(name, arrays):
    """Faces are oriented alike; SMPL-X has openings in the face, and eyeballs."""
    faces, vertices = arrays['f'].astype(np.int64), arrays['v_template']
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    codes, reverse = edges @ [len(vertices), 1], edges @ [1, len(vertices)]
    assert len(np.unique(codes)) == len(codes) and len(np.unique(faces)) == len(vertices)
    border = edges[~np.isin(codes, reverse)]
    if name == 'smplh':
        assert len(border) == 0
        return
    assert 30 < len(border) < 40
    head = FAMILIES[name].joint_names.index('head')
    face = vertices[border].mean(axis=(0, 1)) - arrays['J'][head]
    assert face[2] > 0.03 and abs(face[0]) < 0.02
    eyes = faces >= len(vertices) - N_EYEBALLS
    assert (eyes.all(axis=1) == eyes.any(axis=1)).all() and eyes.any(axis=1).sum() == 2176
    for i, side in enumerate('lr'):
        centre = arrays['J'][FAMILIES[name].joint_names.index(f'{side}eyehf')]
        ball = vertices[len(vertices) - N_EYEBALLS :].reshape(2, -1, 3)[i]
        # Keypoints have taken the places of a few vertices.
        distance = np.linalg.norm(ball - centre, axis=1)
        assert np.median(np.abs(distance - 0.012)) < 1e-9
    a, b, c = np.moveaxis(vertices[faces[eyes.all(axis=1)]] - centre, 1, 0)
    assert np.sum(a * np.cross(b, c)) > 0  # triangles face outwards


def test_expressions_move_the_face_alone(smplx_model):
    rest = smplx_model(np.zeros(165)).vertices
    moved = smplx_model(np.zeros(165), expression=np.ones(10)).vertices
    change = np.linalg.norm(moved - rest, axis=1)
    neck = smplx_model(np.zeros(165)).joints[12]
    assert 1 < change.max() < 40  # mm
    assert change[rest[:, 1] < neck[1]].max() < 1e-9


def test_joints_move_their_parts(smplx_model):
    names = smplx_model.joint_names
    rest = smplx_model(np.zeros(165))
    for name, turn, tip, direction in (
        ('jaw', [0.3, 0, 0], 'chin', [0, -1, -1]),  # opens
        ('lindex1', [0, 0, -0.5], 'lindex', [0, -1, 0]),  # closes
        ('rmiddle2', [0, 0, 0.5], 'rmiddle', [0, -1, 0]),
    ):
        pose = np.zeros((55, 3))
        pose[names.index(name)] = turn
        change = smplx_model(pose).vertices - rest.vertices
        far = np.linalg.norm(rest.vertices - rest.joints[names.index(name)], axis=1) > 250
        assert np.abs(change[far]).max() < 0.01  # mm
        if tip == 'chin':
            own = smplx_model.weights[:, names.index('jaw')] > 0.5
        else:
            own = [FAMILIES['smplx'].keypoint_vertices[tip]]
        assert np.mean(change[own] @ direction) > 2


def test_hands_of_both_sides_mirror(arrays):
    mirror = np.tile([1, -1, -1], 15)
    np.testing.assert_array_equal(arrays['hands_meanr'], arrays['hands_meanl'] * mirror)
    components = arrays['hands_componentsl']
    np.testing.assert_array_equal(arrays['hands_componentsr'], components * mirror)
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-12)


def test_turned_outlines():
    arrays = fake.make_smplx('female')
    corners = arrays['v_template'][arrays['f'][arrays['dynamic_lmk_faces_idx']]]
    points = np.einsum('apk,apkc->apc', arrays['dynamic_lmk_bary_coords'], corners)
    assert arrays['dynamic_lmk_bary_coords'].min() >= 0
    middle = points[39]  # not turned: from the right to the left, the chin lowest
    assert middle[0, 0] < -0.04 and middle[16, 0] > 0.04 and np.argmin(middle[:, 1]) in (7, 8, 9)
    assert points[0, 8, 0] < points[39, 8, 0] < points[78, 8, 0]


def test_same_bytes(tmp_path, whole_body_folder):
    fake.write_body_models(tmp_path / 'a', genders=['female'], types=('smplx',))
    for file in ('smplx/SMPLX_FEMALE.npz', 'smplx/kid_template.npy'):
        assert filecmp.cmp(tmp_path / 'a' / file, whole_body_folder / file, shallow=False)


def test_command_lists_them(whole_body_folder, smplx_model, smplh_model, capsys):
    assert command.main(['--folder', str(whole_body_folder)]) == 0
    out = capsys.readouterr().out
    assert 'ready     smplh female: 10 betas, kid template' in out
    assert 'ready     smplh16 female: 16 betas, kid template' in out
    assert 'ready     smplx female: 10 betas, 10 expressions, kid template' in out
    assert 'missing   smplh male' in out and 'missing   smpl female' in out


def test_types_that_there_are_not(tmp_path, capsys):
    with pytest.raises(SystemExit):
        fake.main(['--out', str(tmp_path), '--types', 'star'])
    assert 'star' in capsys.readouterr().err and not any(tmp_path.iterdir())
