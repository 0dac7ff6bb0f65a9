"""Repaired copies have all that is good and nothing else, and say what was left out and why."""

import json
import shutil

import numpy as np
import pytest

from posepile.datasets3d import Pose3DDataset
from posepile.errors import ArchiveError, OptionError
from posepile.storage import archive, codec
from posepile.storage.access import get_packed_dataset
from posepile.storage.quarantine import quarantine
from posepile.storage.seal import seal_index
from posepile.storage.verify import verify
from posepile.util import TRAIN
from posepile.util.bones import compute_mean_bones
from tests.storage.packed_samples import JOINT_INFO, make_example, write_dataset

BAD_BOX = 'train/walkers/cam0/frame_000000.jpg_00.msgpack'
BAD_IMAGE = 'walkers/cam1/frame_000001.jpg'
UNUSED = 'walkers/cam9/unused.jpg'


def files_of(folder, name):
    return dict(archive.open_reader(folder / f'{name}.barecat').items())


def rewrite(folder, name, files):
    with archive.ArchiveWriter(folder / f'{name}.barecat') as writer:
        for key in sorted(files):
            writer.add(key, files[key])
    seal_index(folder / f'{name}.barecat')


def check(folder):
    return verify(str(folder / 'annotations.barecat'), str(folder / 'images.barecat'), deep=True)


@pytest.fixture(scope='module')
def damaged(tmp_path_factory):
    """A dataset with a bad record, a bad image, an image that nobody uses, and a flipped byte."""
    folder = tmp_path_factory.mktemp('damaged')
    write_dataset(folder, metadata={'train_bone_lengths': np.ones(16, np.float32)})
    annotations, images = (files_of(folder, name) for name in ('annotations', 'images'))
    record = codec.unpack(annotations[BAD_BOX])
    record['bbox'] = np.zeros(4, np.float32)
    annotations[BAD_BOX] = codec.pack(record)
    images[UNUSED] = images[BAD_IMAGE]
    images[BAD_IMAGE] = images[BAD_IMAGE][:-300]
    rewrite(folder, 'annotations', annotations)
    rewrite(folder, 'images', images)
    flipped = sorted(key for key in annotations if key.startswith('test/'))[-1]
    (row,) = archive.open_reader(folder / 'annotations.barecat').index.conn.execute(
        'SELECT offset FROM files WHERE path = ?', (flipped,)
    )
    with open(folder / 'annotations.barecat-shard-00000', 'r+b') as f:
        f.seek(row[0] + 50)
        byte = f.read(1)[0]
        f.seek(-1, 1)
        f.write(bytes([byte ^ 1]))
    return folder, flipped


def test_what_is_good_is_kept(damaged, tmp_path):
    folder, flipped = damaged
    report = check(folder)
    result = quarantine(report, tmp_path / 'copy')
    assert result.kept == {'annotations': 7, 'images': 7}
    assert result.left_out == {'annotations': 3, 'images': 4}

    copied = check(tmp_path / 'copy')
    assert copied.ok and copied.examples == {'train': 3, 'val': 3, 'test': 1}
    assert not set(copied.warnings) - {'archive'}
    for name in ('annotations', 'images'):
        before, after = {}, files_of(tmp_path / 'copy', name)
        for key in after:
            before[key] = archive.read_file(folder / f'{name}.barecat', key)
        before.pop('metadata.msgpack', None), after.pop('metadata.msgpack', None)
        assert before == after

    lines = (tmp_path / 'copy' / 'left_out.jsonl').read_text().splitlines()
    reasons = {(r['archive'], r['key']): (r['check'], r['problem']) for r in map(json.loads, lines)}
    bad_image_record = f'train/{BAD_IMAGE}_00.msgpack'
    assert {key for name, key in reasons if name == 'annotations'} == {
        BAD_BOX,
        flipped,
        bad_image_record,
    }
    assert reasons['annotations', BAD_BOX] == ('box', 'it is empty: 0.0 x 0.0 px')
    assert reasons['annotations', flipped][0] == 'contents'
    assert reasons['annotations', bad_image_record] == ('image', 'its image is left out')
    assert reasons['images', BAD_IMAGE][0] == 'image'
    assert reasons['images', UNUSED] == ('images', 'no annotation that is left belongs to it')


def test_metadata_describe_the_copy(damaged, tmp_path):
    quarantine(check(damaged[0]), tmp_path / 'copy')
    dataset = get_packed_dataset(str(tmp_path / 'copy' / 'annotations.barecat'), '3d')
    assert isinstance(dataset, Pose3DDataset)
    loaded = [ex.load(load_image=False) for ex in dataset.examples[TRAIN]]
    expected = compute_mean_bones(loaded, JOINT_INFO)
    assert 90 < expected.min()  # not the ones of the damaged dataset
    np.testing.assert_array_equal(dataset.train_bones, expected)
    assert dataset.metadata['posepile']['name'] == 'walkers'


def test_equal_bytes(damaged, tmp_path):
    contents = []
    for name in 'ab':
        quarantine(check(damaged[0]), tmp_path / name)
        contents.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        'annotations.barecat',
        'annotations.barecat-shard-00000',
        'images.barecat',
        'images.barecat-shard-00000',
        'left_out.jsonl',
    }


def test_a_sound_dataset_is_copied_byte_for_byte(tmp_path):
    write_dataset(tmp_path)
    quarantine(check(tmp_path), tmp_path / 'copy')
    assert (tmp_path / 'copy' / 'left_out.jsonl').read_text() == ''
    assert files_of(tmp_path, 'images') == files_of(tmp_path / 'copy', 'images')
    assert files_of(tmp_path, 'annotations') == files_of(tmp_path / 'copy', 'annotations')


def test_a_damaged_index_is_written_anew(tmp_path):
    """What carries no meaning in it is gone; a truncated shard loses its last files."""
    write_dataset(tmp_path)
    for name in ('annotations', 'images'):
        seal_index(tmp_path / f'{name}.barecat')
    with open(tmp_path / 'annotations.barecat', 'r+b') as f:
        f.seek(72)  # reserved for expansion
        f.write(b'\1')
    shard = tmp_path / 'images.barecat-shard-00000'
    shard.write_bytes(shard.read_bytes()[:-10])
    report = check(tmp_path)
    assert set(report.problems) == {'archive', 'contents', 'shards'}
    result = quarantine(report, tmp_path / 'copy')
    assert result.left_out == {'annotations': 1, 'images': 1}
    assert check(tmp_path / 'copy').ok


def test_images_that_are_files(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'root'))
    path = write_dataset(tmp_path)
    for key, data in files_of(tmp_path, 'images').items():
        file = tmp_path / 'root' / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if key != BAD_IMAGE else data[:-300])
    result = quarantine(verify(path, None, deep=True), tmp_path / 'copy')
    assert result.left_out == {'annotations': 1, 'images': 0}
    assert verify(str(tmp_path / 'copy' / 'annotations.barecat'), None, deep=True).ok


def test_refusals(damaged, tmp_path):
    report = check(damaged[0])
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'precious').write_text('x')
    with pytest.raises(OptionError, match='not an empty folder'):
        quarantine(report, tmp_path / 'full')
    with pytest.raises(OptionError, match='not an empty folder'):
        quarantine(report, tmp_path / 'full' / 'precious')
    shallow = verify(report.annotations_path, report.images_path)
    with pytest.raises(OptionError, match='--deep'):
        quarantine(shallow, tmp_path / 'copy')
    assert not (tmp_path / 'copy').exists()


def test_nothing_good(tmp_path):
    example, image = make_example(0)
    example.bbox = np.zeros(4)
    write_dataset(tmp_path, examples=[(TRAIN, example, image)])
    with pytest.raises(ArchiveError, match='not a single good example'):
        quarantine(check(tmp_path), tmp_path / 'copy')
    assert not (tmp_path / 'copy').exists()


def test_a_skeleton_that_makes_no_sense(tmp_path):
    write_dataset(tmp_path, metadata={'joint_edges': [[0, 99]], 'train_bone_lengths': np.ones(1)})
    with pytest.raises(ArchiveError, match='the skeleton'):
        quarantine(check(tmp_path), tmp_path / 'copy')


def test_an_index_that_cannot_be_read(damaged, tmp_path):
    for file in damaged[0].iterdir():
        shutil.copy(file, tmp_path)
    with open(tmp_path / 'images.barecat', 'r+b') as f:
        f.write(b'garbage')
    with pytest.raises(ArchiveError, match='too damaged for a repaired copy'):
        quarantine(check(tmp_path), tmp_path / 'copy')
