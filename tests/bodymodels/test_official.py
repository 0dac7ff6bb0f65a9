"""Official files: what is read of them, what is refused, what becomes of them."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from posepile.bodymodels import fake, load
from posepile.bodymodels.families import family
from posepile.bodymodels.files import body_models_folder, converted_path
from posepile.bodymodels.official import read_official
from posepile.bodymodels.python2_pickle import Instance, dumps
from posepile.errors import OptionError, RawDataError

NAME = 'basicmodel_m_lbs_10_207_0_v1.1.0.pkl'
SMPL = family('smpl')


@pytest.fixture(scope='module')
def arrays():
    return fake.make_smpl('male')


@pytest.fixture
def folder(tmp_path):
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
    read = read_official(path, SMPL)
    for key in ('v_template', 'shapedirs', 'posedirs', 'weights', 'J_regressor'):
        np.testing.assert_array_equal(read[key], arrays[key])
        assert type(read[key]) is np.ndarray
    np.testing.assert_array_equal(read['faces'], arrays['f'])
    assert read['parents'][0] == -1 and read['parents'][23] == 21
    assert 'chumpy' not in sys.modules


def test_a_selection_of_columns(arrays, tmp_path):
    """As when the first betas of many were cut out: numbers of the flattened array."""
    many = np.random.default_rng(0).normal(size=(6890, 3, 12))
    idxs = np.arange(many.size).reshape(many.shape)[..., :10].ravel()
    variable = Instance('chumpy.ch', 'Ch', x=many)
    selected = Instance(
        'chumpy.reordering', 'Select', a=variable, idxs=idxs, preferred_shape=(6890, 3, 10)
    )
    path = write(tmp_path / 'm.pkl', dict(arrays, shapedirs=selected))
    np.testing.assert_array_equal(read_official(path, SMPL)['shapedirs'], many[..., :10])


def test_sparse_matrix_as_of_today(arrays, tmp_path):
    """A pickle that Python 3 saved after removing chumpy."""
    content = dict(arrays, J_regressor=scipy.sparse.csc_matrix(arrays['J_regressor']))
    path = tmp_path / 'm.pkl'
    path.write_bytes(pickle.dumps(content, 2))
    np.testing.assert_array_equal(read_official(path, SMPL)['J_regressor'], arrays['J_regressor'])


def test_npz(arrays, tmp_path):
    path = tmp_path / 'm.npz'
    np.savez(path, **arrays)
    np.testing.assert_array_equal(read_official(path, SMPL)['weights'], arrays['weights'])


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
        read_official(path, SMPL)
    np.savez(tmp_path / 'm.npz', **{**arrays, place: np.array(Runs(), object)})
    with pytest.raises(RawDataError, match='system'):
        read_official(tmp_path / 'm.npz', SMPL)
    assert not (tmp_path / 'was_run').exists()


def test_other_objects_are_refused(arrays, tmp_path):
    other = Instance('chumpy.ch', 'MatVecMult', mtx=np.zeros(2), vec=np.zeros(2))
    with pytest.raises(RawDataError, match='MatVecMult'):
        read_official(write(tmp_path / 'm.pkl', dict(arrays, shapedirs=other)), SMPL)


def sparse(**state):
    return Instance('scipy.sparse.csc', 'csc_matrix', **state)


@pytest.mark.parametrize(
    'change, problem',
    [
        (dict(v_template=np.zeros((10475, 3))), 'v_template'),
        (dict(weights=np.zeros((6890, 52))), 'weights'),
        (dict(weights=np.zeros((6890, 24), np.int64)), 'weights'),
        (dict(shapedirs=np.full((6890, 3, 10), np.nan)), 'not finite'),
        (dict(posedirs=np.zeros((6890, 3, 207, 1))), 'posedirs'),
        (dict(posedirs=Instance('chumpy.ch', 'Ch')), 'posedirs|KeyError'),
        (dict(kintree_table=np.tile(np.arange(24), (2, 1))), 'tree'),
        (dict(kintree_table=np.zeros((2, 23), np.int64)), 'tree'),
        (dict(f=np.full((4, 3), 6890)), 'vertices that do not exist'),
        (dict(f=np.zeros(3, np.int64)), 'triangles'),
        (dict(J_regressor=sparse(_shape=(24, 6890), indptr=np.zeros(3), indices=np.zeros(0), data=np.zeros(0))), 'sparse'),
        (dict(J_regressor=sparse(_shape=(24, 1), indptr=np.array([0, 1]), indices=np.array([10**9]), data=np.ones(1))), 'out of bounds'),
        (dict(J_regressor=sparse(_shape=(24, 1), indptr=np.array([0, 1]), indices=np.array([-5]), data=np.ones(1))), 'sparse'),
    ],
)  # fmt: skip
def test_other_models_and_damage_are_told(arrays, tmp_path, change, problem):
    path = write(tmp_path / 'm.pkl', {**arrays, **change})
    with pytest.raises(RawDataError, match=problem) as e:
        read_official(path, SMPL)
    assert str(path) in str(e.value) and 'docs/body-models.md' in str(e.value)


def test_not_a_model(tmp_path):
    with pytest.raises(RawDataError, match='dictionary'):
        read_official(write(tmp_path / 'm.pkl', [1, 2]), SMPL)
    with pytest.raises(RawDataError, match='v_template'):
        read_official(write(tmp_path / 'm.pkl', {}), SMPL)
    whole = dumps({'v_template': np.ones((6890, 3))})
    (tmp_path / 'm.pkl').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RawDataError, match='damaged'):
        read_official(tmp_path / 'm.pkl', SMPL)


def test_converted_once_and_used_alone(arrays, folder):
    source = write(folder / 'smpl' / NAME, arrays)
    model = load('smpl', 'm', folder)
    assert load('smpl', 'male', str(folder)) is model
    converted = converted_path('smpl', 'male', folder)
    with np.load(converted, allow_pickle=False) as content:
        np.testing.assert_array_equal(content['posedirs'], arrays['posedirs'])
    assert os.listdir(os.path.dirname(converted)) == ['model.npz']
    source.unlink()
    alone = load('smpl', 'male', folder)
    assert alone is not model
    np.testing.assert_array_equal(alone(np.ones(72)).vertices, model(np.ones(72)).vertices)


def test_another_official_file_is_noticed(arrays, folder):
    write(folder / 'smpl' / NAME, arrays)
    first = load('smpl', 'male', folder)
    write(folder / 'smpl' / NAME, dict(arrays, v_template=arrays['v_template'] + 1, extra=1))
    second = load('smpl', 'male', folder)
    np.testing.assert_array_equal(second.v_template, first.v_template + 1)
    # Also in another process, which finds the new conversion or the new file.
    code = f"""
from posepile.bodymodels import load
print(repr(float(load('smpl', 'male', {str(folder)!r}).v_template[0, 0])))"""
    output = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True).stdout
    assert float(output) == second.v_template[0, 0]


def test_a_damaged_conversion_is_made_again(arrays, folder):
    write(folder / 'smpl' / NAME, arrays)
    load('smpl', 'male', folder)
    converted = converted_path('smpl', 'male', folder)
    with open(converted, 'r+b') as f:
        f.truncate(1000)
    os.utime(folder / 'smpl' / NAME, (1, 1))  # so that this process looks again
    np.testing.assert_array_equal(load('smpl', 'male', folder).weights, arrays['weights'])
    with np.load(converted) as content:
        assert content['weights'].shape == (6890, 24)
    with open(converted, 'r+b') as f:
        f.truncate(1000)
    (folder / 'smpl' / NAME).unlink()
    with pytest.raises(RawDataError, match='model.npz'):
        load('smpl', 'male', folder)


@pytest.mark.skipif(os.getuid() == 0, reason='root may write everywhere')
def test_a_folder_that_can_only_be_read(arrays, folder):
    write(folder / 'smpl' / NAME, arrays)
    folder.chmod(0o555)
    try:
        assert load('smpl', 'male', folder).n_betas == 10
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
def test_usual_names(arrays, tmp_path, file):
    (tmp_path / file).parent.mkdir(parents=True)
    write(tmp_path / file, arrays)
    assert load('smpl', 'neutral', tmp_path).gender == 'neutral'


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
