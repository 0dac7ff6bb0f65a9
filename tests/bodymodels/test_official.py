"""Official files: what is read of them, what is refused, what becomes of them."""

import dataclasses
import os
import pickle
import sys

import numpy as np
import pytest
import scipy.sparse

from posepile.bodymodels import fake, files, load
from posepile.bodymodels.families import FAMILIES, family
from posepile.bodymodels.files import body_models_folder, converted_path
from posepile.bodymodels.official import read_official
from posepile.bodymodels.python2_pickle import Instance, dumps
from posepile.errors import OptionError, RawDataError

NAME = 'smpl/SMPL_MALE.pkl'
V, J = 40, 5

# A family of its own, because SMPL's files are large.
SMALL = dataclasses.replace(
    family('smpl'), name='small', joint_names=('a', 'b', 'c', 'd', 'e'), n_vertices=V
)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    weights = rng.random((V, J))
    return dict(
        v_template=rng.normal(size=(V, 3)),
        shapedirs=rng.normal(size=(V, 3, 10)),
        posedirs=rng.normal(size=(V, 3, 9 * (J - 1))),
        weights=weights / weights.sum(axis=1, keepdims=True),
        J_regressor=rng.random((J, V)) * (rng.random((J, V)) < 0.3),
        kintree_table=np.array([[2**32 - 1, 0, 0, 2, 1], range(J)]),
        f=rng.integers(0, V, (60, 3), np.uint32),
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, 'small', SMALL)
    (tmp_path / 'smpl').mkdir()
    return tmp_path


def write(path, content):
    path.write_bytes(dumps(content))
    return path


@pytest.mark.parametrize('is_selection', [False, True])
def test_objects_of_chumpy_and_scipy(arrays, tmp_path, is_selection):
    path = tmp_path / 'm.pkl'
    path.write_bytes(fake._official_pickle(arrays, is_selection))
    assert b'chumpy.ch' in path.read_bytes()
    read = read_official(path, SMALL)
    for key in ('v_template', 'shapedirs', 'posedirs', 'weights', 'J_regressor'):
        np.testing.assert_array_equal(read[key], arrays[key])
        assert type(read[key]) is np.ndarray
    np.testing.assert_array_equal(read['faces'], arrays['f'])
    assert read['parents'].tolist() == [-1, 0, 0, 2, 1]
    assert 'chumpy' not in sys.modules


def test_a_selection_of_columns(arrays, tmp_path):
    """As when the first betas of many were cut out: numbers of the flattened array."""
    many = np.random.default_rng(0).normal(size=(V, 3, 12))
    idxs = np.arange(many.size).reshape(many.shape)[..., :10].ravel()
    variable = Instance('chumpy.ch', 'Ch', x=many)
    selected = Instance(
        'chumpy.reordering', 'Select', a=variable, idxs=idxs, preferred_shape=(V, 3, 10)
    )
    path = write(tmp_path / 'm.pkl', dict(arrays, shapedirs=selected))
    np.testing.assert_array_equal(read_official(path, SMALL)['shapedirs'], many[..., :10])


def test_sparse_matrix_as_of_today(arrays, tmp_path):
    """A pickle that Python 3 saved after removing chumpy."""
    content = dict(arrays, J_regressor=scipy.sparse.csc_matrix(arrays['J_regressor']))
    path = tmp_path / 'm.pkl'
    path.write_bytes(pickle.dumps(content, 2))
    np.testing.assert_array_equal(read_official(path, SMALL)['J_regressor'], arrays['J_regressor'])


def test_npz(arrays, tmp_path):
    path = tmp_path / 'm.npz'
    np.savez(path, **arrays)
    np.testing.assert_array_equal(read_official(path, SMALL)['weights'], arrays['weights'])


# What SMPL-X files have beside the arrays of SMPL.
SMALL_X = dataclasses.replace(
    family('smplx'), name='smallx', joint_names=SMALL.joint_names, n_vertices=V
)


def whole_body(arrays, n_columns=20):
    rng = np.random.default_rng(1)
    hands = {f'hands_mean{s}': rng.normal(size=45) for s in 'lr'}
    hands |= {f'hands_components{s}': rng.normal(size=(45, 45)) for s in 'lr'}
    return dict(
        arrays,
        **hands,
        shapedirs=rng.normal(size=(V, 3, n_columns)),
        lmk_faces_idx=rng.integers(0, 60, 51),
        lmk_bary_coords=rng.random((51, 3)),
        joint2num=np.array({'a': 0, 'b': 1}, dtype=object),
    )


@pytest.mark.parametrize(
    'n_columns, n_shapes', [(10, 10), (16, 16), (20, 10), (26, 16), (300, 300), (400, 300)]
)
def test_expressions_follow_the_betas(arrays, tmp_path, n_columns, n_shapes):
    content = whole_body(arrays, n_columns)
    np.savez(tmp_path / 'm.npz', **content)
    read = read_official(tmp_path / 'm.npz', SMALL_X)
    np.testing.assert_array_equal(read['shapedirs'], content['shapedirs'][..., :n_shapes])
    np.testing.assert_array_equal(read['exprdirs'], content['shapedirs'][..., n_shapes:])


def test_hands_and_landmarks_are_kept_when_converted(arrays, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, 'smallx', SMALL_X)
    content = whole_body(arrays)
    (tmp_path / 'smplx').mkdir()
    np.savez(tmp_path / 'smplx/SMPLX_MALE.npz', **content)
    first = load('smallx', 'male', tmp_path)
    (tmp_path / 'smplx/SMPLX_MALE.npz').unlink()
    second = load('smallx', 'male', tmp_path)  # from the converted one
    assert second is not first
    for model in (first, second):
        assert (model.n_betas, model.n_expressions) == (10, 10)
        for i, side in enumerate('lr'):
            np.testing.assert_array_equal(model.hands.mean[i], content[f'hands_mean{side}'])
            components = content[f'hands_components{side}']
            np.testing.assert_array_equal(model.hands.components[i], components)
        np.testing.assert_array_equal(
            model.landmarks.corners, content['f'][content['lmk_faces_idx']]
        )
        np.testing.assert_array_equal(model.landmarks.weights, content['lmk_bary_coords'])


@pytest.mark.parametrize(
    'change, problem',
    [
        (dict(shapedirs=np.zeros((V, 3, 25))), '25 columns'),
        (dict(shapedirs=np.float64(1)), 'is no smallx model'),
        (dict(hands_meanl=np.zeros(48)), 'hands_meanl'),
        (dict(hands_componentsr=np.zeros((45, 48))), 'hands_componentsr'),
        (dict(hands_componentsr=np.zeros(45)), 'hands_componentsr'),
        (dict(hands_meanr=np.full(45, np.nan)), 'not finite'),
        (dict(hands_meanr=None), 'lacks some of hands_meanl'),
        (dict(lmk_faces_idx=np.full(51, 60)), 'faces that do not exist'),
        (dict(lmk_faces_idx=np.full(51, -1)), 'faces that do not exist'),
        (dict(lmk_faces_idx=np.zeros(51)), 'landmarks are float64'),
        (dict(lmk_bary_coords=np.zeros((50, 3))), 'landmarks'),
        (dict(lmk_bary_coords=np.full((51, 3), np.inf)), 'lmk_bary_coords'),
        (dict(lmk_bary_coords=None), 'lacks some of lmk_faces_idx'),
    ],
)
def test_damaged_hands_and_landmarks_are_told(arrays, tmp_path, change, problem):
    content = {**whole_body(arrays), **change}
    path = tmp_path / 'm.npz'
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    with pytest.raises(RawDataError, match=problem) as e:
        read_official(path, SMALL_X)
    assert str(path) in str(e.value)


def test_a_program_among_the_objects_of_an_npz(arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = whole_body(arrays)
    np.savez('m.npz', **dict(content, joint2num=np.array({'a': Runs()}, dtype=object)))
    with pytest.raises(RawDataError, match='system'):
        read_official(tmp_path / 'm.npz', SMALL_X)
    assert not (tmp_path / 'was_run').exists()


class Runs:
    """A pickle of it calls os.system."""

    def __reduce__(self):
        return os.system, ('touch was_run',)


@pytest.mark.parametrize('place', ['shapedirs', 'bs_style'])
def test_programs_are_refused(arrays, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'm.pkl'
    path.write_bytes(pickle.dumps({**arrays, place: Runs()}, 2))
    with pytest.raises(RawDataError, match='system'):
        read_official(path, SMALL)
    np.savez(tmp_path / 'm.npz', **{**arrays, place: np.array(Runs(), object)})
    with pytest.raises(RawDataError, match='system'):
        read_official(tmp_path / 'm.npz', SMALL)
    assert not (tmp_path / 'was_run').exists()


def test_other_objects_are_refused(arrays, tmp_path):
    other = Instance('chumpy.ch', 'MatVecMult', mtx=np.zeros(2), vec=np.zeros(2))
    with pytest.raises(RawDataError, match='MatVecMult'):
        read_official(write(tmp_path / 'm.pkl', dict(arrays, shapedirs=other)), SMALL)


def sparse(indptr, indices, n_columns=1):
    return Instance(
        'scipy.sparse.csc',
        'csc_matrix',
        _shape=(J, n_columns),
        indptr=np.array(indptr),
        indices=np.array(indices),
        data=np.ones(len(indices)),
    )


@pytest.mark.parametrize(
    'change, problem',
    [
        (dict(v_template=np.zeros((10475, 3))), 'v_template'),
        (dict(weights=np.zeros((V, 52))), 'weights'),
        (dict(weights=np.zeros((V, J), np.int64)), 'weights'),
        (dict(shapedirs=np.full((V, 3, 10), np.nan)), 'not finite'),
        (dict(posedirs=np.zeros((V, 3, 36, 1))), 'posedirs'),
        (dict(posedirs=Instance('chumpy.ch', 'Ch')), 'posedirs|KeyError'),
        (dict(kintree_table=np.tile(np.arange(J), (2, 1))), 'tree'),
        (dict(kintree_table=np.zeros((2, J - 1), np.int64)), 'tree'),
        (dict(f=np.full((4, 3), V)), 'vertices that do not exist'),
        (dict(f=np.zeros(3, np.int64)), 'triangles'),
        (dict(J_regressor=sparse([0, 1], [3], n_columns=7)), 'sparse'),
        (dict(J_regressor=sparse([0, 1], [10**9])), 'out of bounds'),
        (dict(J_regressor=sparse([0, 1], [-5])), 'sparse'),
        (dict(J_regressor=sparse([0, 2], [3])), 'sparse'),
    ],
)
def test_other_models_and_damage_are_told(arrays, tmp_path, change, problem):
    path = write(tmp_path / 'm.pkl', {**arrays, **change})
    with pytest.raises(RawDataError, match=problem) as e:
        read_official(path, SMALL)
    assert str(path) in str(e.value) and 'docs/body-models.md' in str(e.value)


def test_not_a_model(tmp_path):
    with pytest.raises(RawDataError, match='dictionary'):
        read_official(write(tmp_path / 'm.pkl', [1, 2]), SMALL)
    with pytest.raises(RawDataError, match='v_template'):
        read_official(write(tmp_path / 'm.pkl', {}), SMALL)
    whole = dumps({'v_template': np.ones((V, 3))})
    (tmp_path / 'm.pkl').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RawDataError, match='damaged'):
        read_official(tmp_path / 'm.pkl', SMALL)


def test_converted_once_and_used_alone(arrays, folder):
    source = write(folder / NAME, arrays)
    model = load('small', 'm', folder)
    assert load('small', 'male', str(folder)) is model
    converted = converted_path('small', 'male', folder)
    with np.load(converted, allow_pickle=False) as content:
        np.testing.assert_array_equal(content['posedirs'], arrays['posedirs'])
    assert os.listdir(os.path.dirname(converted)) == ['model.npz']
    source.unlink()
    alone = load('small', 'male', folder)
    assert alone is not model
    np.testing.assert_array_equal(alone(np.ones(3 * J)).vertices, model(np.ones(3 * J)).vertices)


def test_another_official_file_is_noticed(arrays, folder):
    write(folder / NAME, arrays)
    first = load('small', 'male', folder)
    write(folder / NAME, dict(arrays, v_template=arrays['v_template'] + 1, extra=1))
    second = load('small', 'male', folder)
    np.testing.assert_array_equal(second.v_template, first.v_template + 1)
    # Also by a process that has not seen the first one.
    files._load.cache_clear()
    np.testing.assert_array_equal(load('small', 'male', folder).v_template, second.v_template)


def test_a_damaged_conversion_is_made_again(arrays, folder):
    write(folder / NAME, arrays)
    load('small', 'male', folder)
    converted = converted_path('small', 'male', folder)
    with open(converted, 'r+b') as f:
        f.truncate(1000)
    files._load.cache_clear()
    np.testing.assert_array_equal(load('small', 'male', folder).weights, arrays['weights'])
    with np.load(converted) as content:
        assert content['weights'].shape == (V, J)
    with open(converted, 'r+b') as f:
        f.truncate(1000)
    (folder / NAME).unlink()
    files._load.cache_clear()
    with pytest.raises(RawDataError, match='model.npz'):
        load('small', 'male', folder)


@pytest.mark.skipif(os.getuid() == 0, reason='root may write everywhere')
def test_a_folder_that_can_only_be_read(arrays, folder):
    write(folder / NAME, arrays)
    folder.chmod(0o555)
    try:
        assert load('small', 'male', folder).n_betas == 10
    finally:
        folder.chmod(0o755)
    assert not (folder / 'converted').exists()


@pytest.mark.parametrize(
    'file',
    [
        'smpl/SMPL_NEUTRAL.pkl',
        'smpl/basicModel_neutral_lbs_10_207_0_v1.0.0.pkl',
        'SMPL_python_v.1.1.0/smpl/models/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl',
    ],
)
def test_usual_names(arrays, folder, file):
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    write(folder / file, arrays)
    assert load('small', 'neutral', folder).gender == 'neutral'


def test_what_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    with pytest.raises(RawDataError, match='basicmodel_f_.*missing.*smpl.is.tue.mpg.de'):
        load('smpl', 'female')
    with pytest.raises(OptionError, match='smpl'):
        load('star')
    with pytest.raises(OptionError, match='neutral'):
        load('smpl', 'unknown')


def test_simulated_releases_bring_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    assert body_models_folder() == body_models_folder('3dpw') == str(tmp_path / 'body_models')
    (tmp_path / '3dpw' / 'body_models').mkdir(parents=True)
    assert body_models_folder('3dpw') == str(tmp_path / '3dpw' / 'body_models')
    assert body_models_folder() == str(tmp_path / 'body_models')
