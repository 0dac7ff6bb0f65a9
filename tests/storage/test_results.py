"""Files of results: as one mapping, whatever happened to the tasks that wrote them."""

import contextlib
import itertools
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from posepile.errors import ArchiveError
from posepile.storage import result_files, results
from posepile.storage.results import Results, ResultWriter, frame_key, part_files, part_path

SETTINGS = dict(kind='numbers', size=3)
KEYS = st.text(st.characters(codec='utf-8', exclude_characters='\0'), min_size=1, max_size=6)


def value(i):
    return np.full((i % 3, 5), i, np.float32)


def write(folder, items, i_task=0, n_tasks=1, settings=SETTINGS, skipped=()):
    writer = ResultWriter(part_path(folder, i_task, n_tasks), settings)
    writer.add(dict(items))
    for key, reason in skipped:
        writer.skip(key, reason)
    writer.finish()
    return writer.path


def content(path):
    with open(path, 'rb') as f:
        return f.read()


def assert_holds(mapping, expected):
    assert list(mapping) == sorted(expected)
    assert len(mapping) == len(expected)
    for key, found in mapping.items():
        np.testing.assert_array_equal(found, expected[key])
        np.testing.assert_array_equal(mapping[key], expected[key])
        assert key in mapping


@hypothesis.settings(max_examples=12)
@hypothesis.given(
    st.lists(st.dictionaries(KEYS, st.integers(0, 99), max_size=20), min_size=1, max_size=4)
)
def test_all_files_are_one_mapping(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp('results')
    expected = {}
    for i, part in enumerate(parts):
        write(folder, {key: value(n) for key, n in part.items()}, i, len(parts))
        for key, n in part.items():
            expected.setdefault(key, value(n))  # of equal keys, that in the first file counts
    found = Results(folder)
    assert_holds(found, expected)
    assert found.missing_parts() == []
    assert 'no such key' not in found and found.get('no such key') is None
    with pytest.raises(KeyError):
        found['']


def test_equal_contents_are_equal_bytes(tmp_path):
    items = [(f'{i:04d}', value(i)) for i in range(500)]
    plain = write(tmp_path / 'a', items, skipped=[('x', 'why'), ('y', 'why')])
    path = part_path(tmp_path / 'b')
    for start in (250, 0):  # in another order, and in two goes
        writer = ResultWriter(path, SETTINGS)
        for key, found in reversed(items[start : start + 250]):
            writer.add({key: found})
        for key in ('y', 'x') if start else ():
            writer.skip(key, 'why')
        writer.close()
    ResultWriter(path, SETTINGS).finish()
    assert content(plain) == content(path)
    assert os.listdir(tmp_path / 'b') == [os.path.basename(path)]


def test_what_a_writer_knows(tmp_path):
    writer = ResultWriter(part_path(tmp_path), SETTINGS)
    writer.add({'a': value(1)})
    writer.skip('b', 'broken')
    writer.skip('b', 'broken in another way')
    assert 'a' in writer and 'b' in writer and 'c' not in writer
    assert writer.counts() == (1, 1)
    writer.finish()
    found = Results(tmp_path)
    assert found.skipped() == {'b': 'broken'}
    assert found.settings == SETTINGS
    assert [found.covers(key) for key in 'abc'] == [True, True, False]
    assert 'b' not in found


WRITE_AND_DIE = """
import os, signal, sys
import numpy as np
from posepile.storage import results
results._COMMIT_PERIOD = float('inf')
writer = results.ResultWriter(sys.argv[1], dict(kind='numbers', size=3))
value = np.zeros((50, 5), np.float32)
writer.add({f'{i:05d}': value for i in range(100)})
writer._commit()
writer.add({f'{i:05d}': value + 1 for i in range(int(sys.argv[2]))})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize('n', [200, 20000])  # more than SQLite keeps in memory
def test_a_killed_task_goes_on_from_its_last_commit(tmp_path, n):
    path = part_path(tmp_path)
    done = subprocess.run([sys.executable, '-c', WRITE_AND_DIE, path, str(n)])
    assert done.returncode == -signal.SIGKILL
    assert part_files(tmp_path) == []
    expected = {f'{i:05d}': np.zeros((50, 5), np.float32) for i in range(100)}
    with pytest.raises(ArchiveError, match='no results'):
        Results(tmp_path)
    if n > 1000:  # first by the one who reads, else by the one who goes on
        assert_holds(Results(tmp_path, unfinished=True), expected)
        subprocess.run([sys.executable, '-c', WRITE_AND_DIE, path, str(n)])
    writer = ResultWriter(path, SETTINGS)
    assert writer.counts() == (100, 0)
    writer.finish()
    assert_holds(Results(tmp_path), expected)


def test_killed_before_anything_was_noted(tmp_path):
    open(part_path(tmp_path) + '.partial', 'w').close()
    with pytest.raises(ArchiveError, match='no results'):
        Results(tmp_path, unfinished=True)
    write(tmp_path, {'a': value(1)})
    assert_holds(Results(tmp_path), {'a': value(1)})


def test_begun_with_other_settings_is_discarded(tmp_path):
    writer = ResultWriter(part_path(tmp_path), SETTINGS)
    writer.add({'a': value(1)})
    writer.skip('s', 'why')
    writer.close()
    write(tmp_path, {'b': value(1)}, settings=dict(SETTINGS, size=4))
    assert_holds(Results(tmp_path), {'b': value(1)})
    assert Results(tmp_path).skipped() == {}


def test_without_resuming_nothing_is_kept(tmp_path):
    writer = ResultWriter(part_path(tmp_path), SETTINGS)
    writer.add({'a': value(1)})
    writer.close()
    ResultWriter(part_path(tmp_path), SETTINGS, resume=False).finish()
    assert_holds(Results(tmp_path), {})


def test_a_finished_file_can_be_added_to(tmp_path):
    write(tmp_path / 'twice', {'b': value(1)}, skipped=[('s', 'why')])
    write(tmp_path / 'twice', {'a': value(2)})
    write(tmp_path / 'once', {'b': value(1), 'a': value(2)}, skipped=[('s', 'why')])
    assert content(part_path(tmp_path / 'once')) == content(part_path(tmp_path / 'twice'))


def test_read_while_being_written(tmp_path):
    write(tmp_path, {'a': value(1)}, 0, 2)
    writer = ResultWriter(part_path(tmp_path, 1, 2), SETTINGS)
    writer.add({'b': value(2)})
    writer._commit()
    live = Results(tmp_path, unfinished=True)
    assert_holds(live, {'a': value(1), 'b': value(2)})
    assert_holds(Results(tmp_path), {'a': value(1)})
    writer.add({'c': value(3), '0': value(0)})
    assert 'c' not in live
    writer._commit()
    everything = {'a': value(1), 'b': value(2), 'c': value(3), '0': value(0)}
    assert_holds(live, everything)
    writer.finish()  # under another name
    assert_holds(live, everything)
    assert_holds(Results(tmp_path, unfinished=True), everything)


def test_an_abandoned_reader_does_not_hold_up_the_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(results, '_PATIENCE', 0.05)
    writer = ResultWriter(part_path(tmp_path), SETTINGS)
    writer.add({f'{i:04d}': value(i) for i in range(1000)})
    writer._commit()
    reader = Results(tmp_path, unfinished=True).items()
    early = list(itertools.islice(reader, 3))
    writer.add({'0500x': value(1), 'z': value(1)})
    writer._commit()
    writer.finish()
    keys = [key for key, _ in [*early, *reader]]
    assert keys == sorted([*(f'{i:04d}' for i in range(1000)), '0500x', 'z'])


def test_one_writer_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(results, '_PATIENCE', 0.05)
    first = ResultWriter(part_path(tmp_path), SETTINGS)
    first.add({'a': value(1)})
    with pytest.raises(ArchiveError, match='in use by another process'):
        ResultWriter(part_path(tmp_path), SETTINGS)
    with pytest.raises(ArchiveError, match='in use by another process'):
        ResultWriter(part_path(tmp_path), dict(SETTINGS, size=4))
    first.finish()
    assert_holds(Results(tmp_path), {'a': value(1)})


@contextlib.contextmanager
def few_open_files(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir('/proc/self/fd')))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(
    not os.path.isdir('/proc/self/fd'), reason='open files are listed on Linux only'
)
def test_more_tasks_than_files_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(result_files, '_MOST_OPEN', 5)
    n = 30
    expected = {}
    for i in range(n):
        items = {f'{i:03d}-{j}': value(j) for j in range(4)}
        write(tmp_path, items, i, n)
        expected |= items
    with few_open_files(15):
        assert_holds(Results(tmp_path), expected)


def test_what_is_missing(tmp_path):
    with pytest.raises(ArchiveError, match='no results'):
        Results(tmp_path)
    for i in (0, 2):
        write(tmp_path, {f'{i}': value(i)}, i, 4)
    assert Results(tmp_path).missing_parts() == [part_path('', i, 4) for i in (1, 3)]
    write(tmp_path, {'x': value(1)}, 1, 2)  # now half of two is nearer
    assert Results(tmp_path).missing_parts() == [part_path('', 0, 2)]
    write(tmp_path, {'y': value(1)}, 0, 2)
    assert Results(tmp_path).missing_parts() == []


def test_different_settings_do_not_mix(tmp_path):
    write(tmp_path, {'a': value(1)}, 0, 2)
    write(tmp_path, {'b': value(1)}, 1, 2, settings=dict(SETTINGS, size=4))
    with pytest.raises(ArchiveError, match='part-00001.*other settings than part-00000'):
        Results(tmp_path)


def test_frames_of_a_video(tmp_path):
    indices = [0, 1, 9, 10, 999_999, 1_000_000, 1_000_001, 23_456_789]
    others = ['a.mp', 'a.mp4', 'a.mp4.mp4#000001', 'a.mp4#b.mp4#000002', 'a.mp4#x', 'b.mp4#000001']
    frames = {frame_key('a.mp4', i): np.array([i]) for i in indices}
    write(tmp_path, {key: np.zeros(1) for key in others}, 0, 3)
    write(tmp_path, dict(list(frames.items())[::2]), 1, 3)
    write(tmp_path, dict(list(frames.items())[1::2]), 2, 3)
    found = Results(tmp_path)
    assert [(i, int(v[0])) for i, v in found.frames_of('a.mp4')] == [(i, i) for i in indices]
    assert [i for i, _ in found.frames_of('a.mp4#b.mp4')] == [2]
    assert list(found.frames_of('c.mp4')) == []


def test_one_file_of_several(tmp_path):
    path = write(tmp_path, {'b': value(1), 'a': value(2)}, 0, 2)
    write(tmp_path, {'c': value(1)}, 1, 2)
    assert [key for key, _ in Results(tmp_path).items_in(path)] == ['a', 'b']


def double(found):
    return found * 2


def test_decoded_pickled_and_elsewhere(tmp_path):
    expected = {f'{i}': value(i) for i in range(20)}
    write(tmp_path, expected)
    found = Results(tmp_path, decode=double)
    np.testing.assert_array_equal(found['7'], value(7) * 2)
    plain = pickle.loads(pickle.dumps(Results(tmp_path)))
    assert_holds(plain, expected)
    assert (pickle.loads(pickle.dumps(found))['7'] == found['7']).all()
    results_of_threads = []
    threads = [
        threading.Thread(target=lambda: results_of_threads.append(list(plain))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results_of_threads == [sorted(expected)] * 3


@pytest.mark.skipif(sys.platform != 'linux', reason='forks')
def test_read_after_a_fork(tmp_path):
    write(tmp_path, {f'{i}': value(i) for i in range(20)})
    found = Results(tmp_path)
    assert '7' in found
    context = multiprocessing.get_context('fork')
    process = context.Process(target=lambda: os._exit(0 if len(list(found.items())) == 20 else 1))
    process.start()
    process.join()
    assert process.exitcode == 0 and len(found) == 20


@pytest.mark.parametrize('damage', ['text', 'empty', 'cut'])
def test_damaged_files_are_named(tmp_path, damage):
    path = write(tmp_path, {f'{i:04d}': np.zeros((50, 5)) for i in range(500)})
    whole = content(path)
    changed = {'text': b'no database, but text' * 99, 'empty': b'', 'cut': whole[: len(whole) // 2]}
    with open(path, 'wb') as f:
        f.write(changed[damage])
    with pytest.raises(ArchiveError, match='part-00000'):
        list(Results(tmp_path).items())


def test_a_damaged_begun_file_is_named(tmp_path):
    with open(part_path(tmp_path) + '.partial', 'wb') as f:
        f.write(b'no database, but text' * 99)
    with pytest.raises(ArchiveError, match='partial: cannot be continued'):
        ResultWriter(part_path(tmp_path), SETTINGS)


def test_hostile_values_are_refused(tmp_path):
    import msgpack

    writer = ResultWriter(part_path(tmp_path), SETTINGS)
    array = {b'nd': True, b'type': 'O', b'kind': b'O', b'shape': [1], b'data': pickle.dumps([1])}
    row = 'a', msgpack.packb(array)
    writer._db.execute('INSERT INTO found VALUES (?, ?)', row)
    writer.finish()
    with pytest.raises(ArchiveError, match='damaged value'):
        Results(tmp_path)['a']


FILL_THE_DISK = """
import resource, signal, sys
import numpy as np
from posepile.errors import ArchiveError
from posepile.storage import results
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
results._COMMIT_PERIOD = 0.0
writer = results.ResultWriter(sys.argv[1], dict(kind='numbers', size=3))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    for i in range(1000):
        writer.add({f'{i:05d}': np.zeros((50, 5), np.float32)})
    sys.exit('no error')
except ArchiveError as e:
    assert 'no space is left' in str(e), e
try:
    writer.close()
except ArchiveError as e:
    assert 'no space is left' in str(e), e
"""


def test_a_full_disk_is_told_and_work_is_kept(tmp_path):
    path = part_path(tmp_path)
    done = subprocess.run([sys.executable, '-c', FILL_THE_DISK, path], stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    writer = ResultWriter(path, SETTINGS)
    assert 10 < writer.counts()[0] < 100
    writer.close()
