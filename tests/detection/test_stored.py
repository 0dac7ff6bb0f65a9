"""Detections that other tools left."""

import pickle

import numpy as np
import pytest

from posepile.detection import open_detections
from posepile.detection.stored import PickledDetections
from posepile.errors import ArchiveError, BadFileError, RawDataError
from posepile.storage.results import ResultWriter, part_path

TWO = np.array([[1, 2, 3, 4, 0.5], [5, 6, 7, 8, 0.9]])


def dump(path, content, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, **kwargs))
    return path


def opened(path, content, **kwargs):
    return open_detections(dump(path, content, **kwargs))


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_dictionary(tmp_path, protocol):
    content = {'b/x.jpg': TWO, './a.jpg': TWO[:1], b'./c.jpg': TWO.tolist()}
    found = opened(tmp_path / 'd.pkl', content, protocol=protocol)
    assert list(found) == ['a.jpg', 'b/x.jpg', 'c.jpg'] and len(found) == 3
    for key in ('b/x.jpg', 'c.jpg'):
        np.testing.assert_array_equal(found[key], TWO[::-1].astype(np.float32))
        assert found[key].dtype == np.float32
    with pytest.raises(KeyError):
        found['x.jpg']


@pytest.mark.parametrize(
    'boxes',
    [[], (), np.zeros(0), np.zeros((0, 4)), np.zeros((0, 5)), np.zeros((1, 0)), [[]]],
    ids=str,
)
def test_nobody_in_any_shape(tmp_path, boxes):
    found = opened(tmp_path / 'd.pkl', {'a.jpg': boxes})
    assert found['a.jpg'].shape == (0, 5) and found['a.jpg'].dtype == np.float32


def test_without_confidence_and_alone(tmp_path):
    found = opened(tmp_path / 'd.pkl', {'a': TWO[:, :4], 'b': TWO[0], 'c': [1, 2, 3, 4]})
    np.testing.assert_array_equal(found['a'], [[1, 2, 3, 4, 1], [5, 6, 7, 8, 1]])  # order is kept
    np.testing.assert_array_equal(found['b'], [[1, 2, 3, 4, 0.5]])
    np.testing.assert_array_equal(found['c'], [[1, 2, 3, 4, 1]])


@pytest.mark.parametrize(
    'boxes', [[[1, 2, 3]], [[1, 2, 3, 4, 5, 6]], [[1, 2, 3, np.nan]], [[1e39, 2, 3, 4]], 5, 'text']
    + [[[1, 2, 3, 4], [1, 2, 3, 4, 0.5]], np.zeros((2, 2, 5)), None, {'box': [1, 2, 3, 4]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_boxes_is_refused(tmp_path, boxes):
    with pytest.raises(RawDataError, match='d.pkl: the boxes of a.jpg'):
        opened(tmp_path / 'd.pkl', {'a.jpg': boxes})


def test_a_folder_with_a_list_of_frames_per_video(tmp_path):
    dump(tmp_path / 'in' / 'sub' / 'v.pkl', [TWO, [], TWO[:1, :4]])
    dump(tmp_path / 'in' / 'w.pickle', (TWO[:1],))
    dump(tmp_path / 'in' / 'photos.pkl', {'p.jpg': TWO})
    (tmp_path / 'in' / 'readme.txt').write_text('no pickle')
    found = open_detections(tmp_path / 'in')
    frames = [f'sub/v#{i:06d}' for i in range(3)]
    assert list(found) == ['p.jpg', *frames, 'w#000000']
    assert [len(found[key]) for key in found] == [2, 2, 0, 1, 1]
    assert list(open_detections(tmp_path / 'in' / 'sub' / 'v.pkl')) == [f[4:] for f in frames]


PYTHON2 = (
    b"(dp0\nS'a.jpg'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\n"
    b"S'b'\np5\ntp6\nRp7\n(I1\n(I1\nI5\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n"
    b"(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
    b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@\\x00\\x00@@\\x00\\x00\\x80@\\x00\\x00\\x00?'\n"
    b'p15\ntp16\nbs.'
)


def test_pickles_of_python_2(tmp_path):
    found = opened(tmp_path / 'd.pkl', PYTHON2)
    np.testing.assert_array_equal(found['a.jpg'], [[1, 2, 3, 4, 0.5]])


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('content', [b'', b'text', pickle.dumps({'a': TWO})[:-20]], ids=len)
def test_damaged_pickles(tmp_path, content):
    with pytest.raises(RawDataError, match='d.pkl'):
        opened(tmp_path / 'd.pkl', content)


@pytest.mark.parametrize('content', [5, 'text', None, TWO], ids=str)
def test_pickles_of_something_else(tmp_path, content):
    with pytest.raises(RawDataError, match='d.pkl: a dictionary of image path to boxes, or'):
        opened(tmp_path / 'd.pkl', content)


def test_pickles_cannot_run_code(tmp_path):
    victim = tmp_path / 'victim'
    with pytest.raises(RawDataError, match='loading could run a program'):
        opened(tmp_path / 'd.pkl', {'a.jpg': Hostile(str(victim))})
    assert not victim.exists()


@pytest.mark.parametrize('key', [b'caf\xe9.jpg', 'caf\udce9.jpg'])
def test_keys_that_are_no_text(tmp_path, key):
    with pytest.raises(RawDataError, match='no Unicode text'):
        opened(tmp_path / 'd.pkl', {key: TWO})


def test_nothing_there(tmp_path):
    with pytest.raises(BadFileError, match='no detections'):
        open_detections(tmp_path / 'nowhere')
    with pytest.raises(BadFileError, match='no detections'):
        open_detections(tmp_path)


def test_results_of_another_kind(tmp_path):
    ResultWriter(part_path(tmp_path), dict(kind='masks')).finish()
    with pytest.raises(ArchiveError, match='holds masks, not detections'):
        open_detections(tmp_path)


def test_mappings_are_equal_however_they_are_stored(tmp_path):
    pickled = PickledDetections(dump(tmp_path / 'd.pkl', {'a': TWO, 'b': []}))
    writer = ResultWriter(part_path(tmp_path / 'out'), dict(kind='detections'))
    writer.add(pickled)
    writer.finish()
    stored = open_detections(tmp_path / 'out')
    assert list(stored) == list(pickled)
    for key in stored:
        np.testing.assert_array_equal(stored[key], pickled[key])
        assert stored[key].shape == pickled[key].shape
