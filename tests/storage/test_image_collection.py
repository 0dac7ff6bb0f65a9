"""Packed collections of images: read at random by any process, verified, and safe to open."""

import multiprocessing
import pickle
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from posepile.errors import ArchiveError, RawDataError
from posepile.raw.images import encode_jpeg
from posepile.storage import codec
from posepile.storage.archive import ArchiveWriter, open_reader
from posepile.storage.image_collection import (
    METADATA,
    ImageCollection,
    decode_cutout,
    encode_cutout,
    open_images,
    packed_path,
    write_images,
)
from posepile.storage.verify_images import verify_images


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


def cutout(i):
    rng = np.random.default_rng(i)
    rgb = rng.integers(0, 256, (10 + i, 20, 3)).astype(np.uint8)
    return rgb, rng.integers(0, 256, (10 + i, 20)) / 255


def pack(kind='occluders', n=5, **changes):
    def images():
        for i in range(n):
            if kind == 'occluders':
                yield f'{i:02d}.png', encode_cutout(*cutout(i))
            else:
                yield f'{i:02d}.jpg', encode_jpeg(np.full((16, 16, 3), 40 * i, np.uint8))

    name = 'pascal_voc' if kind == 'occluders' else 'inria_holidays'
    write_images(SimpleNamespace(name=name, kind=kind, options={}, **changes), images())
    return packed_path(name)


def rewritten(path, change):
    """Write the archive again, with sound checksums, after ``change(files)``."""
    files = dict(open_reader(path).items())
    change(files)
    with ArchiveWriter(path) as writer:
        for key in sorted(files):
            writer.add(key, files[key])
    return path


def test_images_come_back_as_they_were():
    collection = ImageCollection(pack())
    assert len(collection) == 5 and collection.kind == 'occluders'
    for i in (3, 0, 4, -1):
        (rgb, alpha), (expected, opacity) = collection[i], cutout(i % 5)
        np.testing.assert_array_equal(rgb, expected)
        np.testing.assert_array_equal(alpha, np.rint(opacity * 255))
    places = open_images(pack('backgrounds'), 'backgrounds')
    assert [int(image.mean()) for image in places] == [0, 40, 80, 120, 160]
    assert places[2].shape == (16, 16, 3)


def _mean(collection, i):
    return float(collection[i][0].mean())


def test_processes_and_threads_share_a_collection():
    collection = ImageCollection(pack(n=20))
    expected = [_mean(collection, i) for i in range(20)]
    assert len(pickle.dumps(collection)) < 3000  # no pixels
    for way in ('fork', 'spawn'):
        with multiprocessing.get_context(way).Pool(2) as pool:
            assert pool.starmap(_mean, [(collection, i) for i in range(20)]) == expected
    found = [None] * 20
    threads = [
        threading.Thread(target=lambda i=i: found.__setitem__(i, _mean(collection, i)))
        for i in range(20)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == expected


def test_nothing_to_pack_leaves_what_was_there():
    path = pack()
    with pytest.raises(ArchiveError, match='not a single image'):
        pack(n=0)
    assert len(ImageCollection(path)) == 5


def test_other_archives_are_refused(data_root):
    path = str(data_root / 'x.barecat')
    for metadata in (None, codec.pack([1]), codec.pack({'posepile': {'kind': '3d'}}), b'\xc1'):
        with ArchiveWriter(path) as writer:
            writer.add('images/0.png', encode_cutout(*cutout(0)))
            if metadata is not None:
                writer.add(METADATA, metadata)
        with pytest.raises(ArchiveError, match='is no collection of images'):
            open_images(path)
        assert not verify_images(path).ok
    with pytest.raises(ArchiveError, match='no such archive'):
        open_images(str(data_root / 'y.barecat'))


def test_images_with_other_contents_are_damage():
    jpeg = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    path = rewritten(pack(), lambda files: files.update({'images/02.png': jpeg}))
    with pytest.raises(ArchiveError, match=r'images/02\.png is no PNG'):
        ImageCollection(path)[2]
    report = verify_images(path, deep=True)
    assert [(bad.key, bad.check) for bad in report.bad_files] == [('images/02.png', 'image')]


@pytest.mark.parametrize('data', [b'', b'\x89PNG\r\n\x1a\n', b'GIF89a'])
def test_decoding_what_is_no_cutout(data):
    with pytest.raises(RawDataError, match='x.png: is no PNG'):
        decode_cutout(data, 'x.png')
    _, grey = cv2.imencode('.png', np.zeros((3, 3), np.uint8))
    with pytest.raises(RawDataError):
        decode_cutout(grey.tobytes())


def test_verification_finds_nothing_in_a_sound_archive():
    for kind in ('occluders', 'backgrounds'):
        for deep in (False, True):
            report = verify_images(pack(kind), deep)
            assert report.ok and not report.warnings and report.kind == kind
            assert report.images == 5 and report.bytes > 500


def test_verification_finds_a_flipped_bit_anywhere_in_the_contents():
    path = pack()
    shard = f'{path}-shard-00000'
    with open(shard, 'rb') as f:
        content = f.read()
    for place in range(0, len(content), len(content) // 40):
        with open(shard, 'wb') as f:
            f.write(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        assert not verify_images(path, deep=True).ok
    with open(shard, 'wb') as f:
        f.write(content[:-1])
    assert not verify_images(path).ok


def test_verification_finds_what_is_missing_or_too_much():
    path = rewritten(pack(), lambda files: files.pop('images/01.png'))
    assert '4 images, but 5 were packed' in str(verify_images(path).problems['counts'].instances)
    path = rewritten(pack(), lambda files: files.update({'other/x': b'1'}))
    (bad,) = verify_images(path, deep=True).bad_files
    assert (bad.key, bad.check) == ('other/x', 'paths')
    assert not verify_images(path + '_none').ok
