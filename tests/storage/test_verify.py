"""Whatever is wrong with a packed dataset is found, counted and named."""

import contextlib
import copy
import json
import os
import sqlite3
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import rlemasklib

from posepile.datasets3d import Pose3DExample
from posepile.raw.images import encode_jpeg
from posepile.storage import archive, codec, schema
from posepile.storage.records import dict_to_example3d
from posepile.storage.verify import verify
from posepile.util import TRAIN
from posepile.util.bones import compute_mean_bones
from tests.storage.packed_samples import JOINT_INFO, N_PER_SPLIT, make_example, write_dataset

KEY = 'train/walkers/cam0/frame_000000.jpg_00.msgpack'
IMAGE = 'walkers/cam0/frame_000000.jpg'


@pytest.fixture(scope='module')
def packed_files(tmp_path_factory):
    """Contents of both archives, to write anew with something changed."""
    folder = tmp_path_factory.mktemp('packed')
    write_dataset(folder)
    return {
        name: dict(archive.open_reader(folder / f'{name}.barecat').items())
        for name in ('annotations', 'images')
    }


@pytest.fixture
def product(tmp_path, packed_files):
    """A function that packs the changed files, and one that verifies the result."""
    files = {name: dict(content) for name, content in packed_files.items()}
    paths = {name: str(tmp_path / f'{name}.barecat') for name in files}
    written = {}

    def write():
        for name, content in files.items():
            if written.get(name) == content:
                continue
            written[name] = dict(content)
            with archive.ArchiveWriter(paths[name]) as writer:
                for key in sorted(content):
                    writer.add(key, content[key])

    def check(deep=True):
        return verify(paths['annotations'], paths['images'], deep=deep)

    return SimpleNamespace(**files, paths=paths, write=write, check=check)


def edit(files, key, change):
    files[key] = codec.pack(change(codec.unpack(files[key])))


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_sound_datasets_have_no_problems(tmp_path, kind):
    path = write_dataset(tmp_path, kind)
    report = verify(path, str(tmp_path / 'images.barecat'), deep=True)
    assert report.problems == {} and report.ok
    assert report.kind == kind and report.images == sum(N_PER_SPLIT)
    assert report.examples == dict(zip(('train', 'val', 'test'), N_PER_SPLIT, strict=True))
    assert report.bytes == sum(p.stat().st_size for p in tmp_path.iterdir())


def test_nobody_but_parametric_models_may_do_without_joints(tmp_path):
    pairs = [make_example(i) for i in range(2)]
    for example, _ in pairs:
        example.world_coords = None
    pairs[0][0].parameters = dict(type='smpl', gender='male', pose=np.zeros(72), shape=np.zeros(10))
    path = write_dataset(tmp_path, examples=[(TRAIN, *pair) for pair in pairs])
    report = verify(path, str(tmp_path / 'images.barecat'), deep=True)
    assert set(report.problems) == {'record'} and report.problems['record'].count == 1
    assert 'frame_000001' in report.problems['record'].instances[0]


@pytest.mark.parametrize(
    'change',
    [
        {'joint_edges': [[0, 99]]},
        {'joint_edges': [[0, 1, 2]]},
        {'joint_names': ['a', 'a']},
        {'joint_names': [1, 2]},
        {'train_bone_lengths': np.ones(3)},
        {'train_bone_lengths': -np.ones(len(JOINT_INFO.stick_figure_edges))},
        {'posepile': dict(examples={'training': 3})},
    ],
)
def test_metadata(packed_files, change):
    metadata = codec.unpack(packed_files['annotations']['metadata.msgpack'])
    assert list(schema.metadata_problems(metadata)) == []
    problems = list(schema.metadata_problems({**metadata, **change}))
    assert problems and {check for check, _ in problems} == {'metadata'}


def test_metadata_of_another_shape(product):
    edit(product.annotations, 'metadata.msgpack', lambda m: {**m, 'joint_edges': 5})
    product.write()
    assert 'metadata' in product.check(deep=False).problems


def test_no_metadata(product):
    del product.annotations['metadata.msgpack']
    product.write()
    assert 'archive' in product.check(deep=False).problems


def test_counts(product):
    del product.annotations[KEY]
    product.write()
    problem = product.check(deep=False).problems['counts']
    assert problem.instances == ['train: 4 examples, but 5 were packed']


def test_an_empty_dataset(product):
    for key in list(product.annotations):
        if '/' in key:
            del product.annotations[key]
    product.write()
    report = product.check()
    assert report.problems['counts'].count == 4


def test_paths(product):
    product.annotations['train/x.msgpack'] = b''
    product.annotations['other/x.jpg_00.msgpack'] = b''
    product.write()
    assert product.check(deep=False).problems['paths'].count == 2


def test_missing_images_are_counted_and_the_first_named(product):
    for key in list(product.images)[:7]:
        del product.images[key]
    product.write()
    problem = product.check(deep=False).problems['images']
    assert problem.count == 7 and len(problem.instances) == 5


@pytest.mark.parametrize(
    'image_path', ['a_00.jpg', 'b__', 'c/d_1_2', "it's [x] 100%.jpg", 'ü/e.f/g']
)
def test_images_of_odd_names_are_found(tmp_path, image_path):
    example, image = make_example(0)
    example.image_path = image_path
    path = write_dataset(tmp_path, examples=[(TRAIN, example, image)])
    assert verify(path, str(tmp_path / 'images.barecat'), deep=True).ok
    # Others, whose names begin or end alike, do not count.
    with archive.ArchiveWriter(tmp_path / 'images.barecat') as writer:
        for other in (f'{image_path}_', f'x{image_path}', image_path[:-1] + 'y'):
            writer.add(other, encode_jpeg(image))
    assert 'images' in verify(path, str(tmp_path / 'images.barecat')).problems


def test_images_may_be_files_below_data_root(product, tmp_path, monkeypatch):
    data = product.images.pop(IMAGE)
    product.write()
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'root'))
    assert 'images' in product.check(deep=False).problems
    file = tmp_path / 'root' / IMAGE
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    assert product.check().ok
    file.write_bytes(encode_jpeg(np.zeros((10, 10, 3), np.uint8)))
    assert set(product.check().problems) == {'box', 'mask'}


@pytest.mark.parametrize('name', ['annotations', 'images'])
def test_truncated_shards(product, name):
    product.write()
    shard = product.paths[name] + '-shard-00000'
    os.truncate(shard, os.path.getsize(shard) - 10)
    problem = product.check(deep=False).problems['shards']
    assert '10 bytes too short' in problem.instances[0]
    assert 'contents' in product.check().problems


@pytest.mark.parametrize('name', ['annotations', 'images'])
@pytest.mark.parametrize('suffix', ['', '-shard-00000'])
def test_missing_files(product, name, suffix):
    product.write()
    os.remove(product.paths[name] + suffix)
    report = product.check()
    assert {'archive', 'shards'} & set(report.problems) and not report.ok


@pytest.mark.parametrize('name', ['annotations', 'images'])
def test_garbage_for_an_index(product, name):
    product.write()
    with open(product.paths[name], 'r+b') as f:
        f.write(b'garbage' * 100)
    assert 'archive' in product.check().problems


@pytest.mark.parametrize('name', ['annotations', 'images'])
def test_a_flipped_bit_is_found_by_deep_verification_only(product, name):
    product.write()
    with open(product.paths[name] + '-shard-00000', 'r+b') as f:
        f.seek(1000)
        byte = f.read(1)[0]
        f.seek(1000)
        f.write(bytes([byte ^ 4]))
    assert product.check(deep=False).ok
    assert product.check().problems['contents'].count == 1


def test_images_that_do_not_decode(product):
    product.images[IMAGE] = product.images[IMAGE][:-500]
    product.images['walkers/cam1/frame_000001.jpg'] = b'no image'
    product.write()
    assert product.check(deep=False).ok
    problems = product.check().problems
    assert set(problems) == {'image'} and problems['image'].count == 2


def test_other_formats_than_jpeg(product):
    product.images[IMAGE] = cv2.imencode('.png', np.zeros((480, 400, 3), np.uint8))[1].tobytes()
    product.write()
    assert product.check().ok
    product.images[IMAGE] = cv2.imencode('.png', np.zeros((480, 401, 3), np.uint8))[1].tobytes()
    product.write()
    assert set(product.check().problems) == {'mask'}


def _with(path, value):
    """A change of the record's entry at a path of keys; None removes it."""

    def change(record):
        container = record
        for key in path[:-1]:
            container = container[key]
        if value is None:
            del container[path[-1]]
        else:
            container[path[-1]] = value
        return record

    return change


def _turned_away(record):
    rotation, _ = cv2.Rodrigues(np.float64(record['cam']['rotvec_w2c']))
    record['cam']['rotvec_w2c'] = cv2.Rodrigues(np.diag([-1.0, 1, -1]) @ rotation)[0][:, 0]
    return record


NAN3 = np.float32([0, np.nan, 0])
BAD_RECORDS = {
    'no path': ('record', _with(['impath'], None)),
    'another path': ('record', _with(['impath'], 'x.jpg')),
    'no camera': ('record', _with(['cam'], None)),
    'no joints': ('record', _with(['joints3d'], None)),
    'garbage': ('record', lambda record: 'nothing'),
    'box of three': ('box', _with(['bbox'], np.ones(3))),
    'box not finite': ('box', _with(['bbox'], np.float32([1, 2, np.inf, 4]))),
    'box empty': ('box', _with(['bbox'], np.float32([1, 2, 0, 4]))),
    'box of text': ('box', _with(['bbox'], np.array(list('abcd')))),
    'box off the image': ('box', _with(['bbox'], np.float32([401, 2, 50, 50]))),
    'box above the image': ('box', _with(['bbox'], np.float32([1, -60, 50, 50]))),
    'joints 2d': ('joints', _with(['joints3d', 'rows'], np.ones((17, 2)))),
    'joints not finite': ('joints', _with(['joints3d', 'rows'], np.full((17, 3), np.nan))),
    'joints missing': ('joints', _with(['joints3d', 'rows'], np.ones((3, 3)))),
    'no valid joint': ('joints', _with(['joints3d', 'rows'], np.ones((0, 3)))),
    'indices out of range': ('joints', _with(['joints3d', 'i_rows'], np.arange(1, 18))),
    'indices repeat': ('joints', _with(['joints3d', 'i_rows'], np.zeros(17, np.uint16))),
    'indices negative': ('joints', _with(['joints3d', 'i_rows'], np.arange(17) - 1)),
    'indices not whole': ('joints', _with(['joints3d', 'i_rows'], np.arange(17.0))),
    'joints no map': ('joints', _with(['joints3d'], [1, 2])),
    'fewer indices than rows': ('joints', _with(['joints3d', 'i_rows'], np.arange(3))),
    'camera turned away': ('joints', _turned_away),
    'rotation': ('camera', _with(['cam', 'rotvec_w2c'], NAN3)),
    'centre': ('camera', _with(['cam', 'loc'], NAN3)),
    'up': ('camera', _with(['cam', 'up'], np.zeros(3))),
    'focal length': ('camera', _with(['cam', 'intr'], np.zeros((2, 3)))),
    'one focal length': ('camera', _with(['cam', 'intr'], np.eye(2, 3) * [1, -1, 1])),
    'intrinsics': ('camera', _with(['cam', 'intr'], np.ones((3, 3)))),
    'no intrinsics': ('camera', _with(['cam', 'intr'], None)),
    'camera no map': ('camera', _with(['cam'], [1, 2])),
    'lens': ('camera', _with(['cam', 'distcoef'], np.ones(15))),
    'mask of another size': (
        'mask',
        _with(['mask'], rlemasklib.compress(rlemasklib.encode(np.ones((9, 9), np.uint8)), -1)),
    ),
    'mask not compressed': ('record', _with(['mask', 'zcounts'], b'xx')),
    'mask that does not add up': (
        'mask',
        _with(['mask'], dict(size=[480, 400], zcounts=zlib.compress(b'0a2'))),
    ),
    'mask without size': ('mask', _with(['mask', 'size'], [3])),
    'parameters': ('parameters', _with(['parameters'], dict(type='smpl', pose=np.ones(7)))),
    'parameters no map': ('parameters', _with(['parameters'], [1, 2])),
    'gender': (
        'parameters',
        _with(['parameters'], dict(type='smpl', pose=np.ones(6), gender='x')),
    ),
    'activity': ('record', _with(['activity'], 5)),
    'box elsewhere': ('projection', _with(['bbox'], np.float32([0, 0, 9, 9]))),
    'mask of nothing but a bomb': (
        'mask',
        _with(['mask', 'zcounts'], zlib.compress(bytes(1 << 26))),
    ),
    'metres': (
        'units',
        _with(['joints3d', 'rows'], np.random.default_rng(0).normal(size=(17, 3))),
    ),
    'parameters of no type': ('parameters', _with(['parameters'], dict(pose=np.ones(6)))),
    'parameters not finite': (
        'parameters',
        _with(['parameters'], dict(type='smpl', pose=np.ones(6), trans=NAN3)),
    ),
}


def test_bad_records(product, monkeypatch):
    monkeypatch.setattr('posepile.storage.findings._MOST_NAMED', 100)
    record = codec.unpack(product.annotations[KEY])
    expected = set()
    for i, (check, change) in enumerate(BAD_RECORDS.values()):
        image_path = f'bad/{i:02d}.jpg'
        key = f'train/{image_path}_00.msgpack'
        product.images[image_path] = product.images[IMAGE]
        changed = change(copy.deepcopy({**record, 'impath': image_path}))
        product.annotations[key] = codec.pack(changed)
        expected.add((check, key))
    product.write()
    assert set(product.check(deep=False).problems) == {'counts'}
    problems = product.check().problems
    del problems['counts']
    found = {
        (check, instance.split(': ')[0])
        for check, problem in problems.items()
        for instance in problem.instances
    }
    assert found == expected


def test_all_bad_records_are_counted(product):
    for key in list(product.annotations):
        if '/' in key:
            edit(product.annotations, key, _with(['bbox'], np.zeros(4)))
    product.write()
    problem = product.check().problems['box']
    assert problem.count == sum(N_PER_SPLIT) and len(problem.instances) == 5


def test_a_hand_behind_the_camera_is_no_problem(tmp_path):
    example, image = make_example(0)
    camera = example.camera
    joints = example.get_world_coords().copy()
    joints[0] = camera.camera_to_world(np.float32([[0, 0, -100]]))[0]
    example = Pose3DExample(example.image_path, joints, example.bbox, camera)
    path = write_dataset(tmp_path, examples=[(TRAIN, example, image)])
    assert verify(path, str(tmp_path / 'images.barecat'), deep=True).ok


def test_a_person_behind_the_camera_is_one_although_a_hand_is_before_it(tmp_path):
    example, image = make_example(0)
    camera = example.camera
    joints = example.get_world_coords().copy()
    joints[1:] = 2 * camera.t - joints[1:]
    example = Pose3DExample(example.image_path, joints, example.bbox, camera)
    path = write_dataset(tmp_path, examples=[(TRAIN, example, image)])
    report = verify(path, str(tmp_path / 'images.barecat'), deep=True)
    assert set(report.problems) == {'joints'}


@pytest.mark.parametrize('column', ['offset', 'size'])
def test_negative_positions_in_the_index(product, column):
    product.write()
    with contextlib.closing(sqlite3.connect(product.paths['annotations'])) as index:
        index.execute(f'UPDATE files SET {column} = -5 WHERE path = ?', (KEY,))
        index.commit()
    assert 'shards' in product.check(deep=False).problems


def test_report_as_plain_data(product):
    edit(product.annotations, KEY, _with(['bbox'], np.zeros(4)))
    product.write()
    content = json.loads(json.dumps(product.check().as_dict()))
    assert content['ok'] is False and content['deep'] is True
    assert content['problems'][0]['check'] == 'box' and content['problems'][0]['count'] == 1


@pytest.mark.parametrize('name', ['annotations', 'images'])
def test_last_byte_of_a_shard_is_missing(product, name):
    product.write()
    path = f'{product.paths[name]}-shard-00000'
    os.truncate(path, os.path.getsize(path) - 1)
    [problem] = product.check(deep=False).problems.values()
    assert problem.check == 'shards' and '1 bytes too short' in problem.instances[0]


def test_more_than_a_hundred_people_in_an_image(product):
    product.annotations[KEY.replace('_00.msgpack', '_100.msgpack')] = product.annotations[KEY]
    product.write()
    assert set(product.check().problems) == {'counts'}


def test_a_report_does_not_depend_on_the_number_of_processes(product, monkeypatch):
    monkeypatch.setattr('posepile.storage.contents._FILES_PER_PROCESS', 1)
    monkeypatch.setattr('posepile.storage.stored_files._BATCH_FILES', 2)
    edit(product.annotations, KEY, _with(['bbox'], np.zeros(4)))
    product.images['walkers/cam1/frame_000001.jpg'] = b'no image'
    product.images['walkers/unused.jpg'] = product.images[IMAGE]
    product.write()
    reports = [
        verify(product.paths['annotations'], product.paths['images'], True, n).as_dict()
        for n in (1, 3)
    ]
    assert reports[0] == reports[1]
    assert reports[0]['n_bad_files'] == 2 and len(reports[0]['warnings']) > 0


def test_images_that_nobody_uses_are_unusual(product):
    product.images['walkers/unused.jpg'] = product.images[IMAGE]
    product.write()
    report = product.check()
    assert report.ok
    assert report.warnings['images'].instances == [
        'walkers/unused.jpg: no annotation belongs to it'
    ]


@pytest.mark.parametrize('factor, is_wrong', [(1, False), (1.001, False), (1.02, True)])
def test_mean_bone_lengths_are_those_of_the_examples(product, factor, is_wrong):
    examples = [
        dict_to_example3d(codec.unpack(data), JOINT_INFO.n_joints)
        for key, data in product.annotations.items()
        if key.startswith('train/')
    ]
    bones = compute_mean_bones(examples, JOINT_INFO) * np.float32(factor)
    edit(product.annotations, 'metadata.msgpack', lambda m: {**m, 'train_bone_lengths': bones})
    product.write()
    problems = product.check().problems
    assert (set(problems) == {'metadata'}) if is_wrong else not problems


@pytest.mark.parametrize(
    'change',
    [
        {'imcoords': np.zeros((3, 3), np.float32)},
        {'i_faces': np.zeros(4, np.int16)},
        {'i_faces': np.zeros(3, np.float32)},
        {'i_faces': np.int16([-1, 0, 0])},
        {'barycoords': np.ones((3, 3), np.float32)},
        {'barycoords': np.full((3, 3), np.nan, np.float32)},
    ],
)
def test_densepose(change):
    densepose = dict(
        imcoords=np.ones((3, 2), np.float32),
        i_faces=np.zeros(3, np.uint16),
        barycoords=np.full((3, 3), 1 / 3, np.float32),
    )
    rows = dict(rows=np.zeros((0, 2), np.float32), i_rows=np.zeros(0, np.uint16))
    record = dict(impath='x', bbox=np.ones(4), joints2d=rows, densepose=densepose)
    assert list(schema.record_problems(record, '2d', 17, 'x')) == []
    record['densepose'] = {**densepose, **change}
    problems = list(schema.record_problems(record, '2d', 17, 'x'))
    assert problems and {check for check, _ in problems} == {'densepose'}


@pytest.mark.parametrize(
    'metadata',
    [
        ['joint_names', 'joint_edges'],
        5,
        None,
        {'joint_names': 5, 'joint_edges': []},
        {'joint_names': ['a'], 'joint_edges': 'x'},
        {'joint_names': None, 'joint_edges': None},
        {'joint_names': ['a'] * 17, 'joint_edges': [], 'posepile': 5},
        {'joint_names': ['a'], 'joint_edges': [], 'train_bone_lengths': 'x', 'posepile': {}},
        {'joint_names': ['a', 'b'], 'joint_edges': [[0, 1]], 'train_bone_lengths': {}},
        {'joint_names': ['a'], 'joint_edges': [], 'posepile': {'examples': 5, 'kind': '3d'}},
    ],
)
def test_odd_metadata(product, metadata):
    product.annotations['metadata.msgpack'] = codec.pack(metadata)
    product.write()
    for deep in (False, True):
        assert {'metadata', 'archive'} & set(product.check(deep).problems)


def test_records_are_checked_although_bones_are_odd(product):
    edit(product.annotations, 'metadata.msgpack', lambda m: {**m, 'joint_edges': [[0, 99]]})
    edit(product.annotations, KEY, _with(['bbox'], np.zeros(4)))
    product.write()
    report = product.check()
    assert set(report.problems) == {'metadata', 'box'}
