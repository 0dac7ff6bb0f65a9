"""Datasets that stay in their archives."""

import multiprocessing
import os
import pickle
import random
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from posepile import datasets2d, datasets3d
from posepile.errors import ArchiveError
from posepile.raw.images import encode_jpeg
from posepile.storage import access, archive, codec
from posepile.storage.lazy import dataset_kind, open_dataset
from posepile.util import TEST, TRAIN, VALID
from tests.storage.packed_samples import JOINT_INFO, N_PER_SPLIT, make_example, write_dataset


@pytest.fixture(params=['3d', '2d'])
def kind(request):
    return request.param


@pytest.fixture
def dataset(tmp_path, kind):
    return open_dataset(write_dataset(tmp_path, kind), str(tmp_path / 'images.barecat'))


@pytest.fixture
def dataset3d(tmp_path):
    path = write_dataset(tmp_path, '3d')
    return datasets3d.Pose3DDataset.open(path, str(tmp_path / 'images.barecat'))


def coords_of(example):
    return example.coords if hasattr(example, 'coords') else example.get_world_coords()


def test_contents(dataset, kind):
    assert dataset.joint_info == JOINT_INFO
    assert tuple(len(dataset.examples[s]) for s in (TRAIN, VALID, TEST)) == N_PER_SPLIT
    saved = {}
    for i in range(sum(N_PER_SPLIT)):
        example, image = make_example(i, kind)
        saved[example.image_path] = example, image
    n = 0
    for light in dataset.iter_examples():
        expected, image = saved[light.image_path]
        example = light.load()
        assert example.image_path == light.image_path
        np.testing.assert_array_equal(coords_of(example), np.float32(coords_of(expected)))
        np.testing.assert_array_equal(example.bbox, expected.bbox)
        # JPEG changes little of a smooth picture.
        assert np.abs(example.image.astype(int) - image).mean() < 4
        assert light.load(load_image=False).image is None
        n += 1
    assert n == sum(N_PER_SPLIT)


def test_classes(dataset, kind):
    module, base = {
        '3d': (datasets3d, datasets3d.Pose3DDataset),
        '2d': (datasets2d, datasets2d.Pose2DDataset),
    }[kind]
    assert isinstance(dataset, base)
    light = dataset.examples[TRAIN][0]
    assert type(light) is getattr(module, f'Pose{kind.upper()}ExampleBarecat')
    assert type(light.load()) is getattr(module, f'Pose{kind.upper()}Example')
    assert dataset_kind(dataset.annotations_path) == kind


def test_sequence_protocol(dataset):
    examples = dataset.examples[TRAIN]
    paths = [ex.path for ex in examples]
    assert paths == sorted(paths) and len(set(paths)) == len(examples) == 5
    assert [examples[i].path for i in range(-5, 5)] == paths + paths
    assert [examples[np.int64(i)].path for i in range(5)] == paths
    assert [ex.path for ex in examples[1:4]] == paths[1:4]
    assert [ex.path for ex in examples[::-2]] == paths[::-2]
    assert [ex.path for ex in examples[np.array([3, 0, -1])]] == [paths[3], paths[0], paths[-1]]
    assert [ex.path for ex in examples[np.arange(5) > 2]] == paths[3:]
    assert [ex.path for ex in random.Random(0).sample(examples, 3)] == [
        paths[i] for i in random.Random(0).sample(range(5), 3)
    ]
    both = examples + dataset.examples[VALID]
    assert [ex.path for ex in both] == paths + [ex.path for ex in dataset.examples[VALID]]
    assert len([] + examples) == 5 and len(examples + [1]) == 6
    assert len(list(reversed(examples))) == 5 and examples
    for i in (5, -6):
        with pytest.raises(IndexError):
            examples[i]


def test_empty_splits(tmp_path):
    path = write_dataset(tmp_path, examples=[(VALID, *make_example(0))])
    examples = open_dataset(path).examples
    assert [len(examples[s]) for s in range(3)] == [0, 1, 0]
    assert list(examples[TRAIN]) == [] and not examples[TRAIN]
    with pytest.raises(IndexError):
        examples[TRAIN][0]


def test_two_loads_are_independent(dataset):
    light = dataset.examples[TRAIN][0]
    first, second = light.load(), light.load()
    coords_of(first)[:] = 0
    first.bbox[:] = 0
    first.image[:] = 0
    with warnings.catch_warnings():  # training programs do it
        warnings.simplefilter('ignore', DeprecationWarning)
        first.camera.t[:] = 0
    third = light.load()
    for other in (second, third):
        assert np.nanmax(np.abs(coords_of(other))) > 0
        assert other.bbox.max() > 0 and other.image.max() > 0
        assert np.abs(other.camera.t).max() > 0
    assert first.camera is not second.camera


def test_attributes_of_stand_ins(dataset):
    light = dataset.examples[TRAIN][0]
    loaded = light.load()
    np.testing.assert_array_equal(coords_of(light), coords_of(loaded))
    np.testing.assert_array_equal(light.bbox, loaded.bbox)
    np.testing.assert_array_equal(light.image, loaded.image)
    np.testing.assert_array_equal(light.get_image(), loaded.image)
    assert light.mask == loaded.mask
    assert light.camera is light.camera  # kept
    assert light.n_joints == JOINT_INFO.n_joints
    assert not hasattr(light, 'custom')
    light.custom = 1
    assert light.custom == 1
    with pytest.raises(AttributeError):
        light.no_such_attribute  # noqa: B018


def test_reading_a_path_reads_no_record(dataset3d, monkeypatch):
    light = dataset3d.examples[TRAIN][0]
    monkeypatch.setattr(archive, 'read_file', lambda *args: pytest.fail('the archive was read'))
    assert light.image_path.startswith('walkers/') and light.image_path.endswith('.jpg')


def test_several_people_in_one_image(tmp_path):
    pairs = [make_example(i) for i in range(3)]
    for example, _ in pairs:
        example.image_path = 'group/with_underscore_00.jpg'
    path = write_dataset(tmp_path, examples=[(TRAIN, ex, im) for ex, im in pairs])
    examples = open_dataset(path).examples[TRAIN]
    assert {ex.image_path for ex in examples} == {'group/with_underscore_00.jpg'}
    assert [ex.path[-11:] for ex in examples] == ['_00.msgpack', '_01.msgpack', '_02.msgpack']


def test_pickles_are_small_and_work(dataset):
    light = dataset.examples[TRAIN][1]
    assert len(pickle.dumps(light)) < 1000
    again = pickle.loads(pickle.dumps(light))
    np.testing.assert_array_equal(again.bbox, light.load().bbox)
    copied = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < 5000
    assert len(copied.examples[TRAIN]) == 5 and copied.joint_info == dataset.joint_info


def _first_box(dataset, queue):
    queue.put(dataset.examples[TRAIN][0].load().bbox.tolist())


@pytest.mark.parametrize('method', ['fork', pytest.param('spawn', marks=pytest.mark.slow)])
def test_other_processes(dataset3d, method):
    expected = dataset3d.examples[TRAIN][0].load().bbox.tolist()  # opens readers here
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_first_box, args=(dataset3d, queue))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join()
    assert process.exitcode == 0


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_forked_children_do_not_share_file_positions(dataset3d):
    # Children and parent read different files at the same time, over and over; with a shared
    # descriptor they would move each other's position, and checksums would fail.
    examples = list(dataset3d.iter_examples())
    expected = [ex.load().image.tobytes() for ex in examples]
    children = []
    for k in range(3):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                order = [(i + k) % len(examples) for i in range(len(examples))] * 10
                if all(examples[i].load().image.tobytes() == expected[i] for i in order):
                    status = 0
            finally:
                os._exit(status)
        children.append(pid)
    for i in list(range(len(examples))) * 10:
        assert examples[i].load().image.tobytes() == expected[i]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]


def _collate(batch):
    return batch


class LoadedBoxes:
    """What a training program puts between the examples and its loader."""

    def __init__(self, examples):
        self.examples = examples

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, i):
        example = self.examples[i].load()
        return example.image_path, example.bbox, example.image.shape


@pytest.mark.slow
@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_data_loader_with_workers(dataset3d, method):
    data = pytest.importorskip('torch.utils.data')
    examples = dataset3d.examples[TRAIN]
    examples[0].load()  # readers are open before workers start
    loader = data.DataLoader(
        LoadedBoxes(examples),
        batch_size=2,
        num_workers=2,
        collate_fn=_collate,
        multiprocessing_context=method,
    )
    loaded = [item for batch in loader for item in batch]
    assert [item[0] for item in loaded] == [ex.image_path for ex in examples]
    for (_, box, shape), example in zip(loaded, examples, strict=True):
        np.testing.assert_array_equal(box, example.load().bbox)
        assert shape == example.image.shape


def test_images_as_files_below_data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'root'))
    example, image = make_example(0)
    path = write_dataset(tmp_path, examples=[(TRAIN, example, None)])
    file = tmp_path / 'root' / example.image_path
    file.parent.mkdir(parents=True)
    file.write_bytes(encode_jpeg(image))
    # Without an image archive, and with one that lacks the image.
    for images_path in (None, str(tmp_path / 'images.barecat')):
        light = open_dataset(path, images_path).examples[TRAIN][0]
        assert light.load().image.shape == image.shape
        assert light.get_image().shape == image.shape


def test_bone_lengths(tmp_path):
    bones = np.arange(len(JOINT_INFO.stick_figure_edges), dtype=np.float32)
    path = write_dataset(tmp_path, metadata={'train_bone_lengths': bones})
    dataset = open_dataset(path)
    np.testing.assert_array_equal(dataset.train_bones, bones)
    assert dataset.train_bones.dtype == np.float32 and dataset.trainval_bones is None


def test_get_dataset_by_path(tmp_path, kind):
    module = {'3d': datasets3d, '2d': datasets2d}[kind]
    path = write_dataset(tmp_path, kind)
    dataset = module.get_dataset(path)
    assert dataset.images_path == str(tmp_path / 'images.barecat')  # found beside it
    assert dataset.examples[TRAIN][0].load().image is not None
    assert datasets3d.get_joint_info(path) == JOINT_INFO


def test_archives_under_the_names_of_2024(tmp_path):
    path = write_dataset(tmp_path)
    for name in ('annotations', 'images'):
        file = tmp_path / f'{name}.barecat'
        file.rename(f'{file}-sqlite-index')
    dataset = datasets3d.get_dataset(path)
    assert dataset.images_path == str(tmp_path / 'images.barecat')
    assert dataset.examples[TRAIN][0].load().image is not None


def test_image_archive_of_a_training_program(tmp_path, monkeypatch):
    import simplepyutils as spu

    path = write_dataset(tmp_path)
    other = str(tmp_path / 'all_pictures.barecat')
    with archive.ArchiveWriter(other):
        pass
    monkeypatch.setattr(spu.FLAGS, 'image_barecat_path', other, raising=False)
    assert datasets3d.get_dataset(path).images_path == other
    monkeypatch.setattr(spu.FLAGS, 'image_barecat_path', '')
    assert datasets3d.get_dataset(path).images_path == str(tmp_path / 'images.barecat')


def test_relative_paths_of_archives_start_at_the_working_directory(tmp_path, monkeypatch):
    write_dataset(tmp_path)
    monkeypatch.chdir(tmp_path)
    dataset = datasets3d.get_dataset('annotations.barecat')
    assert dataset.images_path == 'images.barecat'
    assert dataset.examples[TRAIN][0].load().image is not None


def test_options_reach_the_dataset_folder(monkeypatch):
    import simplepyutils as spu

    def make_dataset(name, first=None, train_subjects=None, test_subjects=None):
        return name, first, train_subjects, test_subjects

    module = SimpleNamespace(make_dataset=make_dataset)
    monkeypatch.setattr(access, 'dataset_module', lambda name: module)
    flags = {'train_subjects': '1,5', 'valid_subjects': '9', 'test_subjects': ''}
    for key, value in flags.items():
        monkeypatch.setattr(spu.FLAGS, key, value, raising=False)
    # The folder does not know valid_subjects; what the caller says goes first.
    assert datasets3d.get_dataset('aspset', 'x') == ('aspset', 'x', (1, 5), None)
    assert datasets3d.get_dataset('aspset', train_subjects=(7,)) == ('aspset', None, (7,), None)


def test_get_dataset_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    with pytest.raises(ArchiveError, match='posepile run walkers'):
        access.open_product('walkers', '3d')
    write_dataset(tmp_path / 'packed' / 'walkers')
    assert len(access.open_product('walkers', '3d').examples[TRAIN]) == 5


def test_compressed_dataset(tmp_path):
    write_dataset(tmp_path)
    dataset = datasets3d.get_compressed_dataset(str(tmp_path / 'annotations.barecat'))
    example = dataset.examples[TRAIN][0]
    light = open_dataset(str(tmp_path / 'annotations.barecat')).examples[TRAIN][0]
    assert isinstance(example, datasets3d.Pose3DExample) and example.image is None
    np.testing.assert_allclose(example.get_world_coords(), light.load(False).world_coords, atol=1)


def replace_record(path, key, data):
    """Write the archive anew with other contents in one file; checksums are right."""
    files = dict(archive.open_reader(path).items())
    with archive.ArchiveWriter(path) as writer:
        for k in sorted({**files, key: data}):
            writer.add(k, data if k == key else files[k])


RECORD_KEY = 'train/walkers/cam0/frame_000000.jpg_00.msgpack'


def _without(record, key):
    return {k: v for k, v in record.items() if k != key}


DAMAGES = {
    'no map': lambda r: [1, 2],
    'garbage': lambda r: b'\xc1\xff',
    'no box': lambda r: _without(r, 'bbox'),
    'no camera': lambda r: _without(r, 'cam'),
    'camera is a list': lambda r: {**r, 'cam': [1, 2]},
    'rotation of two numbers': lambda r: {**r, 'cam': {**r['cam'], 'rotvec_w2c': np.ones(2)}},
    'intrinsics of wrong shape': lambda r: {**r, 'cam': {**r['cam'], 'intr': np.ones((3, 5))}},
    'too many lens coefficients': lambda r: {**r, 'cam': {**r['cam'], 'distcoef': np.ones(99)}},
    'joint out of range': lambda r: {
        **r,
        'joints3d': dict(rows=np.zeros((1, 3)), i_rows=np.uint16([17])),
    },
    'rows and indices differ': lambda r: {
        **r,
        'joints3d': dict(rows=np.zeros((3, 3)), i_rows=np.uint16([1, 2])),
    },
    'too few rows': lambda r: {
        **r,
        'joints3d': dict(rows=np.zeros((3, 3)), i_rows=np.uint16([])),
    },
    'joints are a number': lambda r: {**r, 'joints3d': 5},
    'mask not compressed': lambda r: {**r, 'mask': dict(size=[2, 2], zcounts=b'nonsense')},
    'mask is a list': lambda r: {**r, 'mask': [1]},
}


@pytest.mark.parametrize('name', DAMAGES)
def test_damaged_record(dataset3d, name):
    path = dataset3d.annotations_path
    record = codec.unpack(archive.read_file(path, RECORD_KEY))
    damaged = DAMAGES[name](record)
    data = damaged if isinstance(damaged, bytes) else codec.pack(damaged)
    replace_record(path, RECORD_KEY, data)
    with pytest.raises(ArchiveError, match='is damaged or not of this layout'):
        dataset3d.examples[TRAIN][0].load(load_image=False)


@pytest.mark.parametrize(
    'metadata',
    [
        {},
        {'joint_names': ['a', 'b']},
        {'joint_names': ['a', 'a'], 'joint_edges': []},
        {'joint_names': ['a'], 'joint_edges': [[0]]},
        {'joint_names': 3, 'joint_edges': []},
        [],
        5,
    ],
)
def test_damaged_metadata(tmp_path, metadata):
    path = write_dataset(tmp_path)
    replace_record(path, 'metadata.msgpack', codec.pack(metadata))
    with pytest.raises(ArchiveError, match='metadata'):
        open_dataset(path)


def test_missing_image_archive(tmp_path):
    path = write_dataset(tmp_path)
    with pytest.raises(ArchiveError, match='no such archive'):
        open_dataset(path, str(tmp_path / 'elsewhere.barecat'))


def test_damaged_image(dataset3d):
    example = dataset3d.examples[TRAIN][0]
    data = archive.read_file(dataset3d.images_path, example.image_path)
    replace_record(dataset3d.images_path, example.image_path, data[: len(data) // 2])
    with pytest.raises(ArchiveError, match=example.image_path):
        example.load()
    assert example.load(load_image=False).bbox is not None
