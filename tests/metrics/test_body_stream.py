"""Streams of bodies, written here from the description of their format."""

import importlib.util
import lzma
import os
import pickle

import numpy as np
import pytest

from posepile.errors import BadFileError
from posepile.metrics.body_stream import read_body_stream
from posepile.storage import codec

N_VERTICES = 50
HAS_PACKAGE = importlib.util.find_spec('bodycompress') is not None


def random_frames(n=4, n_people=2):
    rng = np.random.default_rng(0)
    return [
        dict(
            joints=rng.normal(0, 500, (n_people, 24, 3)),
            vertices=rng.normal(0, 500, (n_people, N_VERTICES, 3)),
            joint_uncertainties=rng.uniform(0, 0.1, (n_people, 24)),
            vertex_uncertainties=rng.uniform(0, 0.1, (n_people, N_VERTICES)),
            note=f'frame {i}',
        )
        for i in range(n)
    ]


def as_differences(frame, quantum=0.5, order=None):
    """A frame as the package stores it: rounded, and each point minus the one before."""
    stored = {}
    for key, values in frame.items():
        if key == 'note':
            stored[key] = values
            continue
        axis = -1 if 'uncertainties' in key else -2
        if order is not None and key.startswith('vert'):
            values = np.take(values, order, axis=axis)
        factor = (1000 if 'uncertainties' in key else 1) / quantum
        differences = np.diff(np.round(values * factor), axis=axis, prepend=0)
        stored[f'qd_{key}'] = [differences.astype(np.int32), factor]
    return stored


def packed(objects):
    return lzma.compress(b''.join(map(codec.pack, objects)), preset=0)


def with_header(frames, **header):
    """Header, 128 bytes of room, metadata, frames; places are as long as any number may be."""
    metadata, data = packed([dict(video='x.mp4')]), packed(frames)
    start = 1000

    def place(n):
        return dict(metadata_start=n, data_start=n + len(metadata))

    made = packed(
        [dict(__bodycompress_version__=[0, 3, 0], length=len(frames)) | place(start) | header]
    )
    return made + bytes(start - len(made)) + metadata + data


def written(path, data):
    path.write_bytes(data)
    return path


def assert_equal_frames(found, expected, tolerance=0.0):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.keys() == b.keys()
        assert a['note'] == b['note']
        for key in b.keys() - {'note'}:
            scale = 0.001 if 'uncertainties' in key else 1
            np.testing.assert_allclose(a[key], b[key], rtol=0, atol=scale * tolerance)


def test_plain_frames(tmp_path):
    frames = random_frames()
    path = written(tmp_path / 'a.xz', packed(frames))
    assert_equal_frames(list(read_body_stream(path)), frames)


def test_oldest_kind_has_metadata_first(tmp_path):
    frames = random_frames()
    path = written(tmp_path / 'a.xz', packed([dict(video='x.mp4'), *frames]))
    assert_equal_frames(list(read_body_stream(path)), frames)
    path = written(tmp_path / 'b.xz', packed([None, *map(as_differences, frames)]))
    assert_equal_frames(list(read_body_stream(path)), frames, 0.2501)


def test_frames_in_several_xz_streams(tmp_path):
    frames = random_frames(20)
    data = b''.join(map(codec.pack, frames))
    parts = [lzma.compress(data[i : i + 12345], preset=0) for i in range(0, len(data), 12345)]
    path = written(tmp_path / 'a.xz', b''.join(parts))
    assert_equal_frames(list(read_body_stream(path)), frames)


@pytest.mark.parametrize('quantum', [0.5, 0.01])
def test_header_and_differences(tmp_path, quantum):
    frames = random_frames()
    stored = [as_differences(frame, quantum) for frame in frames]
    path = written(tmp_path / 'a.xz', with_header(stored, compression='xz', vertex_order=None))
    assert_equal_frames(list(read_body_stream(path)), frames, 0.5001 * quantum)


def test_vertices_in_another_order(tmp_path):
    frames = random_frames()
    order = np.random.default_rng(1).permutation(N_VERTICES)
    stored = [as_differences(frame, 0.01, order) for frame in frames]
    path = written(tmp_path / 'a.xz', with_header(stored, vertex_order=order))
    assert_equal_frames(list(read_body_stream(path)), frames, 0.005001)


@pytest.mark.skipif(HAS_PACKAGE, reason='bodycompress is installed')
def test_order_that_only_the_package_knows(tmp_path):
    path = written(tmp_path / 'a.xz', with_header(random_frames(), vertex_order='smpl'))
    with pytest.raises(BadFileError, match='pip install bodycompress'):
        list(read_body_stream(path))


@pytest.mark.skipif(not HAS_PACKAGE, reason='bodycompress is not installed')
@pytest.mark.parametrize('order', ['auto', 'smpl', None])
def test_files_of_the_package(tmp_path, order):
    from bodycompress import BodyCompressor

    frames = random_frames()
    rng = np.random.default_rng(2)
    for frame in frames:
        frame['vertices'] = rng.normal(0, 500, (2, 6890, 3))
        frame['vertex_uncertainties'] = rng.uniform(0, 0.1, (2, 6890))
    with BodyCompressor(str(tmp_path / 'a.xz'), vertex_order=order) as writer:
        for frame in frames:
            writer.append(**frame)
    assert_equal_frames(list(read_body_stream(tmp_path / 'a.xz')), frames, 0.2501)


def test_frames_are_streamed(tmp_path):
    frames = random_frames(60)
    data = packed(frames)
    path = written(tmp_path / 'a.xz', data[: len(data) // 2])
    stream = read_body_stream(path)
    assert_equal_frames([next(stream)], frames[:1])
    with pytest.raises(BadFileError, match='damaged'):
        list(stream)


def broken_files():
    plain = packed(random_frames())
    data = b''.join(map(codec.pack, random_frames()))
    return {
        'ends in the middle of a frame': lzma.compress(data[:-3], preset=0),
        'ends in the middle of the file': plain[:-100],
        'no dictionaries': packed([1, 2]),
        'an array of another size': packed([dict(joints={b'nd': True, b'type': '<f8', b'kind': b'',
                                                         b'shape': [3], b'data': b'0'})]),
        'never closed': with_header(random_frames(), data_start=None),
        'zstd': with_header(random_frames(), compression='zstd'),
        'no xz': b'(\xb5/\xfd' + plain,
        'flipped': plain[:200] + bytes([plain[200] ^ 255]) + plain[201:],
    }  # fmt: skip


@pytest.mark.parametrize('kind', broken_files())
def test_broken_files_are_refused(kind, tmp_path):
    path = written(tmp_path / 'a.xz', broken_files()[kind])
    with pytest.raises(BadFileError, match='a.xz'):
        list(read_body_stream(path))


def test_missing_file(tmp_path):
    with pytest.raises(BadFileError, match='no such file'):
        list(read_body_stream(tmp_path / 'a.xz'))


class _Evil:
    def __reduce__(self):
        return os.mkdir, ('owned',)


def test_pickled_arrays_are_not_restored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = {
        b'nd': True,
        b'type': '|O',
        b'kind': b'O',
        b'shape': [1],
        b'data': pickle.dumps(_Evil()),
    }
    path = written(tmp_path / 'a.xz', packed([dict(joints=evil)]))
    with pytest.raises(BadFileError, match='damaged'):
        list(read_body_stream(path))
    assert not (tmp_path / 'owned').exists()
