"""Names and behaviour that existing training code relies on."""

import importlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from posepile.datasets2d import Pose2DDataset, Pose2DExample
from posepile.datasets3d import Pose3DDataset, Pose3DExample, get_joint_info
from posepile.joint_info import JointInfo
from posepile.storage import records
from posepile.util import TEST, TRAIN, VALID

SKELETON = JointInfo('pelv,lhip,rhip', 'pelv-lhip')


def example(coords):
    return Pose3DExample('x/a.jpg', np.float32(coords), [1, 2, 3, 4], camera=None)


def test_data_root_is_read_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    from posepile.paths import CACHE_DIR, DATA_ROOT

    assert DATA_ROOT == str(tmp_path)
    assert CACHE_DIR == f'{tmp_path}/cache'
    monkeypatch.setenv('CACHE_DIR', '/somewhere')
    from posepile.paths import CACHE_DIR

    assert CACHE_DIR == '/somewhere'


def test_absolute_paths_need_no_data_root(monkeypatch):
    from posepile.paths import ensure_absolute_path

    monkeypatch.delenv('DATA_ROOT', raising=False)
    assert ensure_absolute_path('/somewhere/a.jpg') == '/somewhere/a.jpg'
    assert ensure_absolute_path('a.jpg', root='') == 'a.jpg'
    assert ensure_absolute_path('a.jpg', root='/there') == '/there/a.jpg'


def test_picklecache_keeps_its_files_in_the_default_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    monkeypatch.delenv('CACHE_DIR', raising=False)
    code = (
        'from simplepyutils import picklecache; from posepile.paths import DATA_ROOT;'
        'picklecache("occluders.pkl")(lambda: 5)()'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=tmp_path)
    assert pickle.loads((tmp_path / 'cache' / 'occluders.pkl').read_bytes()) == 5


def test_data_root_unset_says_what_to_do(monkeypatch):
    monkeypatch.delenv('DATA_ROOT', raising=False)
    with pytest.raises(KeyError, match='Set it to the directory that holds'):
        from posepile.paths import DATA_ROOT  # noqa: F401


def test_data_root_not_writable(tmp_path, monkeypatch):
    from posepile import paths
    from posepile.errors import DataRootError

    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'missing'))
    with pytest.raises(DataRootError, match='mkdir -p'):
        paths.check_data_root()
    monkeypatch.setenv('DATA_ROOT', '/proc/self')
    with pytest.raises(DataRootError, match='not writable'):
        monkeypatch.setattr('os.access', lambda *_: False)  # root may write anywhere
        paths.check_data_root()


def test_importing_the_datasets_loads_no_deep_learning_framework():
    code = (
        'import sys, posepile.datasets3d, posepile.datasets2d, posepile.storage.lazy;'
        'sys.exit(bool({"torch", "tensorflow", "ultralytics"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_dataset_in_memory():
    train = [example([[0, 0, 0], [100, 0, 0], [0, 0, 0]])]
    valid = [example([[0, 0, 0], [0, 300, 0], [0, 0, 0]])]
    test = [example(np.ones((3, 3)))]
    ds = Pose3DDataset(SKELETON, train, valid, test)
    assert [ds.examples[s] for s in (TRAIN, VALID, TEST)] == [train, valid, test]
    assert list(ds.iter_examples()) == train + valid + test
    ds2d = Pose2DDataset(SKELETON, train, valid, test)
    assert list(ds2d.iter_examples()) == train + valid + test
    # pelv-lhip was written; pelv-rhip is added as its mirror image.
    np.testing.assert_allclose(ds.train_bones, [100, 0], atol=1e-4)
    np.testing.assert_allclose(ds.trainval_bones, [200, 0], atol=1e-4)


def test_bone_lengths_exist_without_train_examples():
    ds = Pose3DDataset(SKELETON, valid_examples=[example(np.zeros((3, 3)))])
    assert ds.train_bones is None
    assert ds.trainval_bones is not None
    assert Pose3DDataset(SKELETON).trainval_bones is None


def test_bone_lengths_are_one_object_without_validation_examples():
    ds = Pose3DDataset(SKELETON, [example(np.zeros((3, 3)))])
    assert ds.trainval_bones is ds.train_bones


def test_examples_have_the_attributes_that_are_read():
    ex = example(np.zeros((3, 3)))
    assert ex.load() is ex
    for name in ('mask', 'univ_coords', 'instance_mask', 'image', 'parameters', 'custom'):
        assert getattr(ex, name) is None
    assert (ex.activity_name, ex.scene_name) == ('unknown', 'unknown')
    assert ex.bbox.tolist() == [1, 2, 3, 4]
    ex2d = Pose2DExample('x/a.jpg', np.zeros((3, 2)))
    assert ex2d.load() is ex2d and ex2d.bbox is None and ex2d.densepose is None
    assert Pose2DDataset(SKELETON, [ex2d]).examples[TRAIN] == [ex2d]


def test_sparse_coordinates_are_expanded():
    from posepile.util.sparse_coords import SparseCoords

    coords = np.float32([[1, 2, 3], [np.nan] * 3, [4, 5, 6]])
    ex = Pose3DExample('a.jpg', SparseCoords(coords), [0, 0, 1, 1], camera=None)
    np.testing.assert_array_equal(ex.get_world_coords(), coords)


def test_image_is_read_below_data_root(tmp_path, monkeypatch):
    from posepile.util.improc import imwrite_jpeg

    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    imwrite_jpeg(np.full((8, 9, 3), 77, np.uint8), 'x/a.jpg')
    assert (tmp_path / 'x/a.jpg').exists()
    ex = example(np.zeros((3, 3)))
    assert ex.get_image().shape == (8, 9, 3)
    ex.image = np.zeros((1, 1, 3), np.uint8)
    assert ex.get_image() is ex.image


def test_joint_info_is_memoised_and_needs_no_data(monkeypatch):
    monkeypatch.delenv('DATA_ROOT', raising=False)
    info = get_joint_info('aspset')
    assert info is get_joint_info('aspset')
    assert info.n_joints == 17
    assert pickle.loads(pickle.dumps(info)).names == info.names
    # The same edges in the same order in every run: checkpoints store them.
    assert info.stick_figure_edges[:3] == [(12, 13), (13, 14), (5, 14)]
    assert all(isinstance(i, int) for i in info.mirror_mapping)


@pytest.mark.parametrize(
    'module, names',
    {
        'posepile.datasets2d': 'get_dataset Pose2DDatasetBarecat Pose2DExampleBarecat '
        'dict_to_example example_to_dict',
        'posepile.datasets3d': 'get_dataset get_dataset_cached get_compressed_dataset '
        'Pose3DDatasetBarecat Pose3DExampleBarecat dict_to_example example_to_dict',
        'posepile.ds.aspset.main': 'load_split load_boxes load_camera',
        'posepile.ds.h36m.main': 'get_activity_names get_cameras correct_world_coords '
        'correct_boxes',
        'posepile.ds.tdhp.main': 'get_test_camera_subj1_4 get_test_camera_subj5_6',
        'posepile.joint_info': 'JointInfo get_joint2bone_mat',
        'posepile.tools.dataset_pickle_to_barecat': 'get_joint_info dict_to_example '
        'example_to_dict',
    }.items(),
)
def test_modules_and_functions_by_name(module, names):
    module = importlib.import_module(module)
    for name in names.split():
        assert callable(getattr(module, name))


@pytest.mark.parametrize('n_dims', [2, 3])
def test_records_of_a_module_are_of_its_kind(n_dims):
    module = importlib.import_module(f'posepile.datasets{n_dims}d')
    assert module.dict_to_example is getattr(records, f'dict_to_example{n_dims}d')
    assert module.example_to_dict is getattr(records, f'example{n_dims}d_to_dict')
