"""Pickled datasets of earlier times become archives, and run nothing."""

import pickle
import subprocess
import sys
import types

import numpy as np
import pytest
import rlemasklib

from posepile.datasets2d import Pose2DDataset
from posepile.datasets3d import Pose3DDataset, get_dataset, get_joint_info
from posepile.errors import RawDataError
from posepile.raw.images import encode_jpeg
from posepile.storage import archive
from posepile.storage.lazy import open_dataset, read_metadata
from posepile.storage.legacy_pickle import load_dataset_pickle
from posepile.storage.verify import verify
from posepile.tools import dataset_pickle_to_barecat as tool
from posepile.util import TEST, TRAIN, VALID
from posepile.util.sparse_coords import SparseCoords
from tests.storage.packed_samples import JOINT_INFO, make_example

#: Distortion of the cameras of old datasets.
LENS = np.float32([-0.1, 0.02, 0.001, 0, 0])


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'root'))
    return tmp_path / 'root'


@pytest.fixture
def old_package():
    """Make modules as they were once called, with classes without any methods."""
    made = []

    def make(package):
        contents = {
            'datasets3d': ['Pose3DDataset', 'Pose3DExample'],
            'datasets2d': ['Pose2DDataset', 'Pose2DExample'],
            'joint_info': ['JointInfo'],
            'cameralib': ['Camera'],
            'attrdict': ['AttrDict'],
        }
        classes = {}
        for name, class_names in contents.items():
            in_package = name not in ('cameralib', 'attrdict')
            module = types.ModuleType(f'{package}.{name}' if in_package else name)
            for class_name in class_names:
                base = dict if class_name == 'AttrDict' else object
                cls = type(class_name, (base,), {'__module__': module.__name__})
                classes[class_name] = cls
                setattr(module, class_name, cls)
            sys.modules[module.__name__] = module
            made.append(module.__name__)
        sys.modules[package] = types.ModuleType(package)
        made.append(package)
        return classes

    yield make
    for name in made:
        sys.modules.pop(name, None)


def with_attributes(cls, **attributes):
    obj = cls()
    obj.__dict__.update(attributes)
    return obj


def old_joint_info(classes):
    return with_attributes(
        classes['JointInfo'],
        names=list(JOINT_INFO.names),
        ids=classes['AttrDict'](JOINT_INFO.ids),
        mirror_mapping=list(JOINT_INFO.mirror_mapping),
        stick_figure_edges=list(JOINT_INFO.stick_figure_edges),
    )


def old_camera(classes, camera):
    return with_attributes(
        classes['Camera'],
        R=np.array(camera.R),
        t=np.array(camera.t),
        intrinsic_matrix=np.array(camera.intrinsic_matrix),
        distortion_coeffs=LENS,
        world_up=np.array([0, -1, 0]),
    )


def old_dataset3d(classes, root):
    """As such programs saved it: few attributes, absolute paths, masks in lists."""
    examples = []
    for i in range(4):
        new, _ = make_example(i)
        examples.append(
            with_attributes(
                classes['Pose3DExample'],
                image_path=f'{root}/./{new.image_path}' if i % 2 else f'./{new.image_path}',
                world_coords=new.world_coords,
                bbox=new.bbox,
                camera=old_camera(classes, new.camera),
                mask=[new.mask] * (1 + i % 2) if i < 3 else None,
                activity_name='walking',
                scene_name='park',
            )
        )
    return with_attributes(
        classes['Pose3DDataset'],
        joint_info=old_joint_info(classes),
        examples={TRAIN: examples[:3], VALID: [], TEST: examples[3:]},
    )


@pytest.mark.parametrize('package', ['data', 'posepile_of_old'])
@pytest.mark.parametrize('protocol', [2, 5])
def test_old_3d_dataset(tmp_path, data_root, old_package, package, protocol):
    saved = old_dataset3d(old_package(package), data_root)
    path = tmp_path / 'old.pkl'
    path.write_bytes(pickle.dumps(saved, protocol))
    out = str(tmp_path / 'annotations.barecat')
    tool.convert(path, out, module_name=package)
    dataset = open_dataset(out)
    assert dataset.joint_info == JOINT_INFO
    assert tool.get_joint_info(read_metadata(out)) == JOINT_INFO
    assert [len(dataset.examples[s]) for s in (TRAIN, VALID, TEST)] == [3, 0, 1]
    assert dataset.train_bones is None
    for light in dataset.iter_examples():
        i = int(light.image_path[-10:-4])
        expected, _ = make_example(i)
        example = light.load(load_image=False)
        assert light.image_path == expected.image_path  # relative and normalised
        np.testing.assert_array_equal(example.world_coords, expected.world_coords)
        np.testing.assert_allclose(example.camera.R, expected.camera.R, atol=1e-6)
        assert (example.mask is None) == (i == 3)
        if example.mask is not None:
            assert rlemasklib.iou([example.mask, expected.mask]) == 1
        assert (example.activity_name, example.scene_name) == ('walking', 'park')


def test_examples_with_two_masks_are_refused(tmp_path, data_root, old_package):
    saved = old_dataset3d(old_package('data'), data_root)
    example = saved.examples[TRAIN][0]
    example.mask = [example.mask[0], make_example(3)[0].mask]
    path = tmp_path / 'old.pkl'
    path.write_bytes(pickle.dumps(saved))
    with pytest.raises(RawDataError, match='2 different masks'):
        load_dataset_pickle(path)


def test_pickles_are_datasets_by_their_name(data_root, old_package):
    data_root.mkdir()
    saved = old_dataset3d(old_package('data'), data_root)
    (data_root / 'old.pkl').write_bytes(pickle.dumps(saved))
    dataset = get_dataset('old.pkl')
    assert dataset.joint_info == JOINT_INFO == get_joint_info('old.pkl')
    assert [len(dataset.examples[s]) for s in (TRAIN, VALID, TEST)] == [3, 0, 1]
    for i, example in enumerate(dataset.iter_examples()):
        assert example.image_path == make_example(i)[0].image_path  # relative and normalised
        np.testing.assert_array_equal(example.camera.world_up, [0, -1, 0])
        np.testing.assert_array_equal(example.camera.get_distortion_coeffs(), LENS)


def todays_dataset(kind):
    pairs = [make_example(i, kind) for i in range(4)]
    cls = Pose2DDataset if kind == '2d' else Pose3DDataset
    return cls(JOINT_INFO, [ex for ex, _ in pairs[:2]], None, [ex for ex, _ in pairs[2:]])


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_todays_dataset_with_images(tmp_path, data_root, kind):
    dataset = todays_dataset(kind)
    for i in range(4):
        example, image = make_example(i, kind)
        file = data_root / example.image_path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(image))
    if kind == '3d':
        dataset.examples[TRAIN][0].world_coords = SparseCoords(
            dataset.examples[TRAIN][0].world_coords
        )
    path = tmp_path / 'dataset.pkl'
    path.write_bytes(pickle.dumps(dataset))
    out = [str(tmp_path / f'{name}.barecat') for name in ('annotations', 'images')]
    command = [sys.executable, '-m', 'posepile.tools.to_barecat', '--input-path', str(path)]
    subprocess.run([*command, '--output-path', out[0], '--images-path', out[1]], check=True)
    report = verify(*out, deep=True)
    assert report.problems == {} and report.kind == kind and report.images == 4
    packed = open_dataset(*out)
    for light, expected in zip(packed.iter_examples(), dataset.iter_examples(), strict=True):
        assert light.load().image.shape == (480, 400, 3)
        np.testing.assert_array_equal(light.bbox, expected.bbox)
    if kind == '3d':
        np.testing.assert_array_equal(packed.train_bones, dataset.train_bones)
        np.testing.assert_array_equal(packed.trainval_bones, dataset.trainval_bones)


def test_people_in_one_image_are_numbered(tmp_path, data_root):
    dataset = todays_dataset('3d')
    for example in dataset.iter_examples():
        example.image_path = 'same.jpg'
    (tmp_path / 'd.pkl').write_bytes(pickle.dumps(dataset))
    tool.convert(tmp_path / 'd.pkl', tmp_path / 'a.barecat')
    assert list(archive.list_files(tmp_path / 'a.barecat', 'train')) == [
        'train/same.jpg_00.msgpack',
        'train/same.jpg_01.msgpack',
    ]


def test_names_that_clients_import():
    record = tool.example_to_dict(make_example(0)[0])
    example = tool.dict_to_example(record, JOINT_INFO.n_joints)
    np.testing.assert_array_equal(example.bbox, make_example(0)[0].bbox)


class Mischief:
    def __reduce__(self):
        return exec, ('raise SystemExit("the pickle was run")',)


@pytest.mark.parametrize('place', ['top', 'custom'])
def test_pickles_run_nothing(tmp_path, data_root, place):
    saved = Mischief() if place == 'top' else todays_dataset('3d')
    if place == 'custom':
        saved.examples[TRAIN][0].custom = Mischief()
    (tmp_path / 'd.pkl').write_bytes(pickle.dumps(saved))
    with pytest.raises(RawDataError, match='not loaded'):
        tool.convert(tmp_path / 'd.pkl', tmp_path / 'a.barecat')
    assert not (tmp_path / 'a.barecat').exists()


@pytest.mark.parametrize('content', [b'', b'nonsense', pickle.dumps({'a': 1}), pickle.dumps([])])
def test_other_files(tmp_path, content):
    (tmp_path / 'd.pkl').write_bytes(content)
    with pytest.raises(RawDataError, match='d.pkl'):
        load_dataset_pickle(tmp_path / 'd.pkl')


def test_incomplete_datasets(tmp_path, data_root, old_package):
    saved = old_dataset3d(old_package('data'), data_root)
    del saved.examples[TRAIN][0].camera
    (tmp_path / 'd.pkl').write_bytes(pickle.dumps(saved))
    with pytest.raises(RawDataError, match='not as expected'):
        load_dataset_pickle(tmp_path / 'd.pkl')


def test_errors_of_the_command_line(tmp_path, data_root, capsys):
    assert tool.main(['--input-path', str(tmp_path / 'x.pkl'), '--output-path', 'a.barecat']) == 1
    assert 'there is no such pickle file' in capsys.readouterr().err
    (tmp_path / 'd.pkl').write_bytes(pickle.dumps(todays_dataset('3d')))
    args = ['--input-path', str(tmp_path / 'd.pkl'), '--output-path', str(tmp_path / 'a.barecat')]
    assert tool.main([*args, '--images-path', str(tmp_path / 'i.barecat')]) == 1
    assert 'no such image' in capsys.readouterr().err
    assert not (tmp_path / 'i.barecat').exists()
