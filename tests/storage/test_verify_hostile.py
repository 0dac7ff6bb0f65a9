"""Contents made to run code, fill the memory or leave the folder: named like any other damage."""

import contextlib
import os
import pickle
import resource
import sqlite3
import struct
import subprocess
import sys
import textwrap
import zlib

import msgpack
import pytest

from posepile.storage import archive, codec
from posepile.storage.verify import verify
from tests.storage.packed_samples import write_dataset

KEY = 'train/walkers/cam0/frame_000000.jpg_00.msgpack'
IMAGE = 'walkers/cam0/frame_000000.jpg'


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sound')
    write_dataset(folder)
    return {
        name: dict(archive.open_reader(folder / f'{name}.barecat').items())
        for name in ('annotations', 'images')
    }


@pytest.fixture
def problems_with(sound, tmp_path):
    """Problems found when some files of the archives are others."""

    def find(annotations=(), images=()):
        for name, changes in (('annotations', annotations), ('images', images)):
            files = {**sound[name], **dict(changes)}
            with archive.ArchiveWriter(tmp_path / f'{name}.barecat') as writer:
                for key in sorted(files):
                    writer.add(key, files[key])
        report = verify(
            str(tmp_path / 'annotations.barecat'), str(tmp_path / 'images.barecat'), deep=True
        )
        return {(bad.check, bad.key): bad.problem for bad in report.bad_files}

    return find


class Touch:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (self._path,)


def test_arrays_of_objects_are_not_unpickled(problems_with, sound, tmp_path):
    target = str(tmp_path / 'pwned')
    pickled = {
        b'nd': True,
        b'type': '|O',
        b'kind': b'O',
        b'shape': [1],
        b'data': pickle.dumps(Touch(target)),
    }
    record = msgpack.unpackb(sound['annotations'][KEY], strict_map_key=False)
    record['bbox'] = pickled
    found = problems_with(annotations={KEY: msgpack.packb(record)})
    assert 'refused' in found['record', KEY] and not os.path.exists(target)


BOMBS = {
    'array of 4 billion': b'\xdd\xff\xff\xff\xff',
    'map of 4 billion': b'\xdf\xff\xff\xff\xff',
    'text of 4 GB': b'\xdb\xff\xff\xff\xff',
    'nested lists': b'\x91' * 100_000 + b'\xc0',
    'nested maps': b'\x81\xa1a' * 100_000 + b'\xc0',
    'huge shape': codec.pack({}).replace(b'\x80', b'')
    + msgpack.packb(
        {'bbox': {b'nd': True, b'type': '<f4', b'kind': b'', b'shape': [2**40], b'data': b''}}
    ),
    'empty': b'',
}


@pytest.mark.parametrize('name', BOMBS)
def test_records_that_promise_more_than_they_hold(problems_with, name):
    assert ('record', KEY) in problems_with(annotations={KEY: BOMBS[name]})


def test_masks_that_decompress_to_gigabytes(problems_with, sound):
    record = codec.unpack(sound['annotations'][KEY])
    stream = zlib.compressobj(1)
    zeros = bytes(1 << 24)
    compressed = b''.join(stream.compress(zeros) for _ in range(32)) + stream.flush()  # 512 MiB
    record['mask']['zcounts'] = compressed
    assert len(compressed) < 1 << 22
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = problems_with(annotations={KEY: codec.pack(record)})
    assert 'far too large' in found['mask', KEY]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    record['mask']['size'] = [1 << 30, 1 << 30]
    assert 'no image is that large' in problems_with({KEY: codec.pack(record)})['mask', KEY]


def png_header(width, height):
    chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
    )


def test_images_that_claim_to_be_huge(problems_with, sound):
    jpeg = bytearray(sound['images'][IMAGE])
    place = jpeg.index(b'\xff\xc0') + 5  # height and width of the frame header
    jpeg[place : place + 4] = struct.pack('>HH', 65000, 65000)
    for image in (bytes(jpeg), png_header(30_000, 30_000)):
        assert 'claims to have' in problems_with(images={IMAGE: image})['image', IMAGE]


@pytest.mark.parametrize('image_path', ['../../secret.jpg', 'absolute', 'x/../../../secret.jpg'])
def test_images_are_not_sought_outside_of_data_root(
    problems_with, sound, tmp_path, monkeypatch, image_path
):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'a' / 'b'))
    (tmp_path / 'a' / 'b' / 'x').mkdir(parents=True)
    (tmp_path / 'secret.jpg').write_bytes(b'')
    if image_path == 'absolute':
        image_path = str(tmp_path / 'secret.jpg')
    record = codec.unpack(sound['annotations'][KEY])
    record['impath'] = image_path
    problems_with(annotations={'train/x_00.msgpack': codec.pack(record)})
    path = str(tmp_path / 'annotations.barecat')
    key = f'train/{image_path}_00.msgpack'
    with contextlib.closing(sqlite3.connect(path)) as db:  # Barecat does not write such paths
        db.execute("UPDATE config SET value_int = 0 WHERE key = 'use_triggers'")
        db.execute('PRAGMA foreign_keys = OFF')
        db.execute("UPDATE files SET path = ? WHERE path = 'train/x_00.msgpack'", (key,))
        db.commit()
    report = verify(path, str(tmp_path / 'images.barecat'), deep=True)
    found = {bad.check: bad.problem for bad in report.bad_files if bad.key == key}
    assert found['images'] == 'its image is missing' and 'paths' in found
    # Had the file been read, its being no image would have been told.
    assert 'image' not in found


@pytest.mark.parametrize('size', [1 << 40, 1 << 62, (1 << 63) - 1])
@pytest.mark.parametrize('key', ['metadata.msgpack', KEY])
def test_sizes_beyond_all_memory(problems_with, tmp_path, key, size):
    problems_with()
    path = str(tmp_path / 'annotations.barecat')
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute('UPDATE files SET size = ? WHERE path = ?', (size, key))
        db.commit()
    report = verify(path, str(tmp_path / 'images.barecat'), deep=True)
    assert 'shards' in report.problems
    assert ('archive' if key == 'metadata.msgpack' else 'contents') in report.problems


def test_a_process_that_is_killed_is_told(tmp_path):
    code = """
        import os, signal
        from posepile.storage.in_processes import WorkerDiedError, map_in_processes

        def die(item):
            if item == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            return item

        if __name__ == '__main__':
            try:
                list(map_in_processes(die, range(100), 2, int, ()))
            except WorkerDiedError as e:
                print('told:', e)
    """
    script = tmp_path / 'script.py'
    script.write_text(textwrap.dedent(code))
    result = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert result.stdout.startswith('told: A process') and '--jobs 1' in result.stdout
