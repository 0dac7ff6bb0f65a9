"""Made-up models: plausible bodies in the official layout."""

import filecmp
import os

import numpy as np
import pytest

from posepile.bodymodels import __main__ as command
from posepile.bodymodels import fake, load_regressor
from posepile.bodymodels.python2_pickle import dumps
from posepile.bodymodels.regressors import JOINT_NAMES
from posepile.errors import OptionError, RawDataError
from posepile.raw.unpickle import restricted_load

# 3DPW's evaluation takes these rows for the joints of LSP, right ankle first.
LSP_ROWS = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
LSP = 'rank,rkne,rhip,lhip,lkne,lank,rwri,relb,rsho,lsho,lelb,lwri,neck,htop'.split(',')


@pytest.fixture(scope='module', params=['male', 'female', 'neutral'])
def arrays(request):
    return fake.make_smpl(request.param)


def test_sizes_are_the_official_ones(arrays):
    shapes = {key: array.shape for key, array in arrays.items()}
    assert shapes == dict(
        v_template=(6890, 3),
        shapedirs=(6890, 3, 10),
        posedirs=(6890, 3, 207),
        weights=(6890, 24),
        J_regressor=(24, 6890),
        J=(24, 3),
        kintree_table=(2, 24),
        f=(13776, 3),
    )
    assert fake.make_smpl('male', n_betas=300)['shapedirs'].shape == (6890, 3, 300)
    assert arrays['kintree_table'][0, 0] == 2**32 - 1


def test_kinematic_tree(arrays, model):
    names = model.joint_names
    parents = dict(zip(names[1:], arrays['kintree_table'][0, 1:], strict=True))
    chains = ('pelv-bell-spin-thor-neck-head', 'thor-rcla-rsho-relb-rwri-rhan')
    chains += ('thor-lcla-lsho-lelb-lwri-lhan', 'pelv-lhip-lkne-lank-ltoe')
    chains += ('pelv-rhip-rkne-rank-rtoe',)
    expected = {}
    for chain in chains:
        chain = chain.split('-')
        expected |= {child: names.index(p) for p, child in zip(chain, chain[1:], strict=False)}
    assert parents == expected


def test_surface_is_closed(arrays):
    """Every edge belongs to two triangles, which run along it in opposite directions."""
    f = arrays['f'].astype(np.int64)
    edges = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    codes = edges[:, 0] * 6890 + edges[:, 1]
    assert len(np.unique(codes)) == len(codes)
    np.testing.assert_array_equal(np.unique(codes), np.unique(edges[:, 1] * 6890 + edges[:, 0]))
    assert len(np.unique(f)) == 6890
    a, b, c = np.moveaxis(arrays['v_template'][f], 1, 0)
    volume = np.sum(a * np.cross(b, c)) / 6  # positive: triangles face outwards
    assert 0.045 < volume < 0.09  # cubic metres


def test_weights(arrays):
    weights = arrays['weights']
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert weights.min() >= 0 and (weights > 0).sum(axis=1).max() <= 4
    assert weights.max(axis=0).min() > 0.3  # each joint moves something


def test_human_proportions(arrays, model):
    joints = dict(zip(model.joint_names, arrays['J_regressor'] @ arrays['v_template'], strict=True))
    height = np.ptp(arrays['v_template'][:, 1])
    reach = np.ptp(arrays['v_template'][:, 0])
    assert 1.55 < height < 1.85 and 0.9 < reach / height < 1.15

    def length(a, b):
        return np.linalg.norm(joints[a] - joints[b]) / height

    for side in 'lr':
        assert 0.2 < length(side + 'hip', side + 'kne') < 0.3
        assert 0.2 < length(side + 'kne', side + 'ank') < 0.3
        assert 0.13 < length(side + 'sho', side + 'elb') < 0.22
        assert 0.11 < length(side + 'elb', side + 'wri') < 0.18
        assert (joints[side + 'wri'][0] > 0) == (side == 'l')  # x to the person's left
        assert joints[side + 'toe'][2] > joints[side + 'ank'][2]  # z forwards
    assert joints['head'][1] > joints['neck'][1] > joints['pelv'][1] > joints['lkne'][1]
    assert np.linalg.norm(joints['pelv']) > 0.1  # the origin is not the root
    np.testing.assert_allclose(list(joints.values()), arrays['J'], atol=1e-12)


def test_known_vertices(arrays):
    v = arrays['v_template']
    nose, left_heel, right_thumb, left_thumb = v[332], v[3387], v[6191], v[2746]
    assert nose[2] > 0.08 and abs(nose[0]) < 0.02 and nose[1] > 0.35
    assert left_heel[0] > 0 and left_heel[1] < -0.9
    assert right_thumb[0] < -0.6 and left_thumb[0] > 0.6


def test_betas_and_pose_change_the_surface_a_little(model):
    for k in range(10):
        shape = np.zeros(10)
        shape[k] = 1
        change = np.abs(model(np.zeros(72), shape).vertices - model(np.zeros(72)).vertices)
        assert 1 < change.max() < 80  # mm
    assert 1 < np.abs(model._posedirs).max() * 1000 < 50


def test_same_bytes(tmp_path, fake_folder):
    fake.write_body_models(tmp_path / 'a', genders=['female'])
    for file in (
        'basicmodel_f_lbs_10_207_0_v1.1.0.pkl',
        'kid_template.npy',
        'J_regressor_h36m.npy',
    ):
        assert filecmp.cmp(tmp_path / 'a/smpl' / file, fake_folder / 'smpl' / file, shallow=False)
    assert not np.array_equal(
        fake.make_smpl('male', seed=1)['posedirs'], fake.make_smpl('male', seed=0)['posedirs']
    )


def test_real_models_are_never_replaced(tmp_path, capsys):
    (tmp_path / 'smpl').mkdir()
    path = tmp_path / 'smpl' / 'basicmodel_m_lbs_10_207_0_v1.1.0.pkl'
    path.write_bytes(b'real')
    with pytest.raises(OptionError, match='never replaced'):
        fake.write_body_models(tmp_path)
    assert fake.main(['--out', str(tmp_path)]) == 1
    assert 'never replaced' in capsys.readouterr().err
    assert path.read_bytes() == b'real' and os.listdir(tmp_path) == ['smpl']


def test_regressors(fake_folder, model):
    h36m = load_regressor('h36m', fake_folder)
    vertices = model(np.random.default_rng(0).normal(0, 0.2, (3, 72))).vertices
    joints = h36m(vertices)
    assert joints.shape == (3, 17, 3)
    rest = dict(zip(h36m.joint_names, h36m(model.v_template), strict=True))
    for name in ('lank', 'rkne', 'rwri', 'lelb'):  # the body here has another gender
        np.testing.assert_allclose(
            rest[name], (model.J_regressor @ model.v_template)[model.joint_names.index(name)],
            atol=0.06,
        )  # fmt: skip
    assert [h36m.joint_names[i] for i in LSP_ROWS] == LSP
    np.testing.assert_allclose(h36m.matrix.sum(axis=1), 1, atol=1e-9)
    assert load_regressor('extra', fake_folder).joint_names == JOINT_NAMES['extra']


def test_regressor_files(tmp_path):
    with pytest.raises(RawDataError, match='smpl/J_regressor_h36m.npy.*spin'):
        load_regressor('h36m', tmp_path)
    np.save(tmp_path / 'J_regressor_h36m.npy', np.ones((17, 6890), np.float32))
    assert load_regressor('h36m', tmp_path).matrix.shape == (17, 6890)
    np.save(tmp_path / 'J_regressor_h36m.npy', np.ones((24, 6890)))
    with pytest.raises(RawDataError, match='17, 6890'):
        load_regressor('h36m', tmp_path)
    with pytest.raises(OptionError, match='h36m'):
        load_regressor('coco', tmp_path)


def test_command_lists_what_is_there(tmp_path, capsys):
    assert command.main(['--folder', str(tmp_path)]) == 1
    assert 'There is no body model' in capsys.readouterr().out
    fake.write_body_models(tmp_path / 'b', genders=['male'])
    assert command.main(['--folder', str(tmp_path / 'b')]) == 0
    out = capsys.readouterr().out
    assert 'ready     smpl male: 10 betas, kid template' in out
    assert 'missing   smplh female' in out and 'smplh neutral' not in out
    assert 'missing   smpl female' in out and 'ready     joint regressor h36m: 17 joints' in out
    (tmp_path / 'b/smpl/SMPL_NEUTRAL.pkl').write_bytes(b'damaged')
    assert command.main(['--folder', str(tmp_path / 'b')]) == 1
    assert 'unusable' in capsys.readouterr().out


def test_pickle_of_python2():
    value = dict(
        texts=['a', 'x' * 300], numbers=(1, -2, 2.5, None, True), empty={}, nested=[[(), ('b',)]]
    )
    arrays = [np.arange(300.0).reshape(3, 100), np.array([2**32 - 1], np.uint32), np.zeros((0, 3))]
    data = dumps(dict(value, arrays=arrays))
    read = restricted_load(data)
    assert {key: item for key, item in read.items() if key != 'arrays'} == value
    for a, b in zip(read['arrays'], arrays, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert b'_codecs' not in data  # Python 2 wrote bytes as they are
    with pytest.raises(TypeError, match='object'):
        dumps(object())
