"""Exports that are interrupted, repeated, misdirected; the commands."""

import hashlib
import json
import pickle
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from posepile.cli import main
from posepile.datasets2d import Pose2DDataset
from posepile.datasets3d import Pose3DDataset
from posepile.errors import ArchiveError, OptionError, RawDataError
from posepile.export import FORMATS, export
from posepile.export.source import ExportSource
from posepile.raw.images import encode_jpeg
from posepile.storage import archive
from posepile.storage.lazy import open_dataset
from posepile.storage.verify import verify
from posepile.tools import dataset_pickle_to_hdf5
from posepile.util import TEST, TRAIN, VALID
from tests.export.samples import (
    COCO_INFO,
    assert_same_example,
    examples2d,
    examples3d,
    loaded,
    rich_dataset,
)
from tests.storage.packed_samples import JOINT_INFO, make_example, write_dataset

FOLDERS = [name for name in FORMATS if name != 'hdf5']


def contents(path):
    """{relative path: digest} of all files."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob('*') if p.is_file())
    return {str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize('to', FORMATS)
@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_same_bytes_every_time(tmp_path, to, kind):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        export(rich_dataset(tmp_path / name, kind), to, tmp_path / name / 'out')
    first = contents(tmp_path / 'a/out')
    assert first and first == contents(tmp_path / 'b/out')


@pytest.mark.parametrize('to', FOLDERS)
def test_interrupted_exports_continue(tmp_path, to, monkeypatch):
    dataset = rich_dataset(tmp_path, '3d')
    options = {} if to == 'coco' else dict(shard_size=2)
    whole = export(dataset, to, tmp_path / 'whole', **options)
    out = tmp_path / 'out'
    read = []
    image_bytes, image_size = ExportSource.image_bytes, ExportSource.image_size

    def counting(self, path):
        read.append(path)
        return image_bytes(self, path)

    def failing(self, path):
        if 'frame_000005' in path:  # in the second split
            raise KeyboardInterrupt
        return counting(self, path)

    monkeypatch.setattr(ExportSource, 'image_bytes', failing)
    with pytest.raises(KeyboardInterrupt):
        export(dataset, to, out, **options)
    assert not list(out.rglob('*partial*'))
    before = {p: p.stat().st_mtime_ns for p in out.rglob('*') if p.suffix in ('.tar', '.npz')}
    monkeypatch.setattr(ExportSource, 'image_bytes', counting)
    read.clear()
    report = export(dataset, to, out, **options)
    assert report.as_dict() == {**whole.as_dict(), 'out': str(out)}
    assert contents(out) == contents(tmp_path / 'whole')
    # Only what was missing was made.
    assert not any('frame_000000' in path for path in read)
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    # A third time does nothing, and what was damaged meanwhile is made again.
    read.clear()
    export(dataset, to, out, **options)
    assert read == []
    file = out / report.files[0]
    good = file.read_bytes()
    file.write_bytes(good[:100])
    export(dataset, to, out, **options)
    assert file.read_bytes() == good
    assert image_size is ExportSource.image_size


@pytest.mark.parametrize('to', FORMATS)
def test_full_disk(tmp_path, to):
    """One line, which names the file; nothing half-written stays."""
    write_dataset(tmp_path / 'data')
    out = tmp_path / 'out'
    command = [sys.executable, '-m', 'posepile.cli', 'export']
    command += [str(tmp_path / 'data/annotations.barecat'), '--to', to, '--out', str(out)]
    limit = 4096  # of bytes per file

    def limit_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    end = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_size)
    assert end.returncode == 1
    last_line = end.stderr.strip().splitlines()[-1]
    assert last_line.startswith(f'posepile: error: {out}') and 'cannot be written' in last_line
    assert not list(tmp_path.rglob('*partial*'))
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize('to', FOLDERS)
def test_other_exports_are_not_mixed(tmp_path, to):
    dataset = rich_dataset(tmp_path, '3d')
    out = tmp_path / 'out'
    export(dataset, to, out, splits=[VALID])
    before = contents(out)
    (tmp_path / 'other').mkdir()
    changed = examples3d()
    changed[5][1].bbox = changed[5][1].bbox + 1
    path = write_dataset(tmp_path / 'other', '3d', changed)
    other = open_dataset(path, str(tmp_path / 'other/images.barecat'))
    for source, options in [(dataset, dict(splits=[TRAIN])), (other, dict(splits=[VALID]))]:
        with pytest.raises(OptionError, match='holds an export of another dataset'):
            export(source, to, out, **options)
    with pytest.raises(OptionError, match='other options'):
        export(dataset, to, out, splits=[VALID], images=False)
    assert contents(out) == before


@pytest.mark.parametrize('to', FOLDERS)
def test_folders_with_other_things_are_left_alone(tmp_path, to):
    dataset = rich_dataset(tmp_path, '3d')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'letter.txt').write_text('dear')
    with pytest.raises(OptionError, match='holds other files'):
        export(dataset, to, tmp_path / 'mine')
    with pytest.raises(OptionError, match='is a file'):
        export(dataset, to, tmp_path / 'mine/letter.txt')
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken/posepile_export.json').write_text('{')
    with pytest.raises(OptionError, match='is damaged'):
        export(dataset, to, tmp_path / 'broken')
    assert [p.name for p in (tmp_path / 'mine').iterdir()] == ['letter.txt']


@pytest.mark.parametrize('to', FORMATS)
def test_damaged_records_and_missing_images(tmp_path, to, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'root'))
    example, image = make_example(0)
    example.mask = None  # so that HDF5 needs the image, for its size
    path = write_dataset(tmp_path, '3d', [(TRAIN, example, None)])
    dataset = open_dataset(path, str(tmp_path / 'images.barecat'))
    with pytest.raises(RawDataError, match='no such image'):
        export(dataset, to, tmp_path / 'out')
    # The image as a file below DATA_ROOT will do; a broken record will not.
    file = tmp_path / 'root' / example.image_path
    file.parent.mkdir(parents=True)
    file.write_bytes(encode_jpeg(image))
    assert export(dataset, to, tmp_path / 'out2').examples == {'train': 1}
    with archive.ArchiveWriter(path) as writer:
        for key, data in dict(archive.open_reader(path).items()).items():
            writer.add(key, data if key == 'metadata.msgpack' else data[:50])
    with pytest.raises(ArchiveError, match='frame_000000'):
        export(open_dataset(path, dataset.images_path), to, tmp_path / 'out3')


@pytest.mark.parametrize('to', ['coco', 'humandata'])
@pytest.mark.parametrize('place', ['../escaped.jpg', '/tmp/escaped_posepile.jpg', 'a/../../b.jpg'])
def test_images_stay_in_the_folder(tmp_path, to, place):
    example, _ = make_example(0)
    example.image_path = place
    with pytest.raises(OptionError, match='outside'):
        export(Pose3DDataset(JOINT_INFO, [example]), to, tmp_path / 'out')
    assert not list(tmp_path.rglob('*.jpg'))


@pytest.mark.parametrize('to', FOLDERS)
def test_other_files_than_images_are_not_exported(tmp_path, to):
    secret = tmp_path / 'secret.txt'
    secret.write_text('my password')
    example, _ = make_example(0)
    example.image_path = str(secret)
    with pytest.raises((RawDataError, OptionError), match='neither a JPEG nor a PNG|outside'):
        export(Pose3DDataset(JOINT_INFO, [example]), to, tmp_path / 'out')
    assert not any(b'password' in p.read_bytes() for p in (tmp_path / 'out').rglob('*.*'))


@pytest.mark.parametrize('name', ['../../up', '/tmp/x', '', '.hidden', 5, ['a']])
def test_names_of_products_stay_in_the_folder(tmp_path, name):
    path = write_dataset(tmp_path, metadata={'posepile': dict(name=name, kind='3d')})
    dataset = open_dataset(path, str(tmp_path / 'images.barecat'))
    report = export(dataset, 'humandata', tmp_path / 'out', splits=[TRAIN], images=False)
    assert report.files == ['dataset_train.npz']


@pytest.mark.parametrize('to', ['coco', 'webdataset'])
def test_numbers_that_json_lacks(tmp_path, to):
    example, _ = make_example(0)
    example.bbox = np.float32([0, 0, np.inf, 5])
    with pytest.raises(RawDataError, match='frame_000000.jpg_00: .*JSON'):
        export(Pose3DDataset(JOINT_INFO, [example]), to, tmp_path / 'out', images=False)


def test_nothing_to_export(tmp_path):
    example, _ = make_example(0)
    with pytest.raises(OptionError, match='no example to export in val, test'):
        export(Pose3DDataset(JOINT_INFO, [example]), 'coco', tmp_path / 'o', splits=[VALID, TEST])
    with pytest.raises(OptionError, match='no format'):
        export(Pose3DDataset(JOINT_INFO, [example]), 'pickle', tmp_path / 'o')


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    write_dataset(tmp_path / 'packed' / 'walkers')
    return tmp_path


@pytest.mark.parametrize('to', FORMATS)
def test_command(data_root, capsys, to):
    out = str(data_root / 'out')
    assert main(['export', 'walkers', '--to', to, '--out', out, '--split', 'val', '--json']) == 0
    report = json.loads(capsys.readouterr().out)
    assert report['examples'] == {'val': 3} and report['format'] == to and report['lost'] == {}
    assert main(['export', 'walkers', '--to', to, '--out', out + '2', '--no-images']) == 0
    assert '5 train, 3 val, 2 test' in capsys.readouterr().out


@pytest.mark.parametrize(
    'args, message',
    [
        (['--to', 'hdf5', '--out', '.'], 'is a folder'),
        (['--to', 'hdf5', '--out', 'no/such/x.h5'], 'there is no folder'),
        (['--to', 'hdf5', '--out', 'x.h5', '--shard-size', '3'], 'hdf5 has one file per split'),
        (['--to', 'coco', '--out', 'packed'], 'holds other files'),
    ],
)
def test_command_refuses(data_root, monkeypatch, capsys, args, message):
    monkeypatch.chdir(data_root)
    assert main(['export', 'walkers', *args]) == 1
    assert message in capsys.readouterr().err


def test_what_is_left_out_is_told(tmp_path, monkeypatch, capsys):
    example, image = make_example(0)
    example.parameters = dict(type='smpl', pose=np.zeros(3, np.float32))
    path = write_dataset(tmp_path, '3d', [(TRAIN, example, image)])
    assert main(['export', path, '--to', 'humandata', '--out', str(tmp_path / 'out')]) == 0
    assert 'left out of 1 examples, as humandata has no place' in capsys.readouterr().out


@pytest.fixture
def pickled(data_root):
    """A pickled dataset, and its images as files below DATA_ROOT."""
    pairs = [make_example(i) for i in range(4)]
    for example, image in pairs:
        file = data_root / example.image_path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(image))
    examples = [example for example, _ in pairs]
    dataset = Pose3DDataset(JOINT_INFO, examples[:3], None, examples[3:])
    (data_root / 'old.pkl').write_bytes(pickle.dumps(dataset))
    return data_root / 'old.pkl', dataset


def test_import_pickle(pickled, data_root, capsys):
    path, dataset = pickled
    out = data_root / 'packed' / 'old'
    assert main(['import-pickle', str(path), '--out', str(out)]) == 0
    archives = [str(out / f'{name}.barecat') for name in ('annotations', 'images')]
    assert capsys.readouterr().out.split() == archives
    assert verify(*archives, deep=True).problems == {}
    packed = open_dataset(*archives)
    expected = {example.image_path: example for example in dataset.iter_examples()}
    for split in range(3):
        assert len(packed.examples[split]) == len(dataset.examples[split])
        for light in packed.examples[split]:
            assert_same_example(light.load(load_image=False), expected[light.image_path])
    assert main(['import-pickle', str(path), '--out', str(out)]) == 1
    assert 'add --force' in capsys.readouterr().err
    assert main(['import-pickle', str(path), '--out', str(out), '--force', '--no-images']) == 0


@pytest.mark.parametrize('kind', ['3d', '2d'])
@pytest.mark.parametrize('way', ['archive', 'pickle'])
def test_archives_keep_everything(tmp_path, monkeypatch, kind, way):
    """2D joints, DensePose and body-model parameters, packed or from a pickle."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    triples = examples3d() if kind == '3d' else examples2d()
    if way == 'archive':
        packed = rich_dataset(tmp_path, kind)
    else:
        by_split = [[ex for s, ex, _ in triples if s == split] for split in range(3)]
        cls, info = (Pose3DDataset, JOINT_INFO) if kind == '3d' else (Pose2DDataset, COCO_INFO)
        (tmp_path / 'old.pkl').write_bytes(pickle.dumps(cls(info, *by_split)))
        args = ['import-pickle', str(tmp_path / 'old.pkl'), '--out', str(tmp_path / 'new')]
        assert main([*args, '--no-images']) == 0
        packed = open_dataset(str(tmp_path / 'new' / 'annotations.barecat'))
    boxes = {}
    for split, example, _ in triples:
        boxes[(split, example.image_path, *np.float32(example.bbox))] = example
    n_compared = 0
    for split in range(3):
        for actual in loaded(packed, split).values():
            example = boxes[(split, actual.image_path, *actual.bbox)]
            assert_same_example(actual, example)
            n_compared += 1
    assert n_compared == len(triples) == len(boxes)


class Mischief:
    def __reduce__(self):
        return exec, ('raise SystemExit("the pickle was run")',)


@pytest.mark.parametrize('command', ['import-pickle', 'export'])
def test_pickles_run_nothing(data_root, capsys, command):
    (data_root / 'x.pkl').write_bytes(pickle.dumps(Mischief()))
    args = [command, str(data_root / 'x.pkl'), '--out', str(data_root / 'out')]
    assert main([*args, '--to', 'hdf5'] if command == 'export' else args) == 1
    assert 'not loaded' in capsys.readouterr().err
    assert not (data_root / 'out' / 'annotations.barecat').exists()


def test_pickles_are_exported(pickled, data_root):
    path, dataset = pickled
    outs = [data_root / name for name in ('a.h5', 'b.h5')]
    assert main(['export', str(path), '--to', 'hdf5', '--out', str(outs[0])]) == 0
    args = ['--input-pickle-file', str(path), '--output-hdf5-file', str(outs[1])]
    assert dataset_pickle_to_hdf5.main(args) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    with h5py.File(outs[0]) as file:
        assert len(file['train']) == 3 and len(file['test']) == 1
        bones = file['joint_info/train_bone_lengths'][()]
        np.testing.assert_array_equal(bones, dataset.train_bones)
    # Interrupted or not, a pickle is recognised.
    for _ in range(2):
        export(dataset, 'webdataset', data_root / 'out')
