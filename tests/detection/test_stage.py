"""What is found depends on the images alone: not on tasks, batches, threads and interruptions."""

import os

import numpy as np
import pytest

from posepile.detection import open_detections
from posepile.detection.letterbox import Letterbox
from posepile.detection.sources import list_sources
from posepile.detection.stage import DetectionOptions, detect_people
from posepile.errors import OptionError
from posepile.raw.images import read_image
from posepile.storage.results import part_files, part_path
from tests.raw.test_video import N, make_video

OPTIONS = DetectionOptions(0.3, 0.6, 96)
BAD = {'05_empty.jpg', 'sub/07_broken.jpg'}


def find(folder, out, network, options=OPTIONS, **more):
    return detect_people(list_sources([str(folder)]), str(out), network, options, **more)


def contents(out):
    found = []
    for path in part_files(out):
        with open(path, 'rb') as f:
            found.append((os.path.basename(path), f.read()))
    return found


def assert_same(a, b):
    assert list(a) == list(b)
    for (key, x), (_, y) in zip(a.items(), b.items(), strict=True):
        np.testing.assert_array_equal(x, y, key)
    assert a.skipped() == b.skipped()


@pytest.fixture(scope='module')
def inputs(photos, tmp_path_factory):
    """The photos, a video, half a video, and one that is none."""
    folder = tmp_path_factory.mktemp('inputs') / 'in'
    folder.mkdir()
    os.symlink(photos, folder / 'photos')
    with open(make_video(folder / 'whole.avi', 'mpeg4'), 'rb') as f:
        data = f.read()
    (folder / 'half.avi').write_bytes(data[: len(data) // 2])
    (folder / 'none.avi').write_bytes(b'')
    return folder


@pytest.fixture(scope='module')
def found(inputs, network, tmp_path_factory):
    out = tmp_path_factory.mktemp('found')
    n_images, skipped = find(inputs, out, network)
    results = open_detections(out)
    assert results.skipped() == skipped
    assert n_images == len(results)
    return out


def test_all_images_and_frames_have_people(found):
    results = open_detections(found)
    photos = {key for key in results if key.startswith('photos/')}
    assert len(photos) == 13
    assert len(list(results.frames_of('whole.avi'))) == N
    assert 3 < len(list(results.frames_of('half.avi'))) < N
    skipped = set(results.skipped())
    assert {f'photos/{name}' for name in BAD} | {'none.avi', 'half.avi'} <= skipped
    n_found = [len(boxes) for boxes in results.values()]
    assert min(n_found) > 0 and len(set(n_found)) > 3
    for boxes in results.values():
        assert boxes.dtype == np.float32 and boxes.shape[1:] == (5,)
        assert (boxes[:, 4] >= 0.3).all() and (np.diff(boxes[:, 4]) <= 0).all()
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:4] > 0).all()


def test_each_image_as_if_it_were_the_only_one(found, photos, network):
    results = open_detections(found)
    for name in ('01.jpg', 'sub/03.jpg', '04.jpg'):
        image = read_image(photos / name)
        letterbox = Letterbox.of(image.shape[:2], 96, network.stride)
        if letterbox.size[0] < image.shape[1]:
            continue  # read at a smaller scale
        output = network.start(letterbox.place(image)[np.newaxis])
        (people,) = network.people(output, 1, 0.3, 0.6)
        boxes = letterbox.corners_to_boxes(people.corners)
        expected = np.column_stack([boxes, people.confidence])
        expected = expected[(expected[:, 2:4] > 0).all(axis=1)]
        np.testing.assert_allclose(results[f'photos/{name}'], expected, atol=1e-4)


@pytest.mark.parametrize('batch_size, threads', [(1, 1), (3, 4), (16, 2)])
def test_batches_and_threads_do_not_matter(inputs, found, network, tmp_path, batch_size, threads):
    find(inputs, tmp_path, network, batch_size=batch_size, threads=threads)
    assert contents(tmp_path) == contents(found)


@pytest.mark.parametrize('n_tasks', [2, 3, 25])  # with more tasks than work
def test_number_of_tasks_does_not_matter(inputs, found, network, tmp_path, n_tasks):
    totals = [0, 0]
    for i in reversed(range(n_tasks)):
        n, skipped = find(inputs, tmp_path, network, i_task=i, n_tasks=n_tasks)
        totals[0] += n
        totals[1] += len(skipped)
    merged = open_detections(tmp_path)
    assert_same(merged, open_detections(found))
    assert totals == [len(merged), len(merged.skipped())]
    assert merged.missing_parts() == []


def test_another_division_of_the_work_goes_on(inputs, found, network, tmp_path):
    find(inputs, tmp_path, network, i_task=1, n_tasks=3)
    done = len(open_detections(tmp_path))
    assert open_detections(tmp_path).missing_parts() == [part_path('', i, 3) for i in (0, 2)]
    n, _ = find(inputs, tmp_path, network)
    assert 0 < done < len(open_detections(found)) and n + done == len(open_detections(found))
    assert_same(open_detections(tmp_path), open_detections(found))


@pytest.mark.parametrize('n_batches', [0, 1, 3, 6])
def test_an_interrupted_task_goes_on(inputs, found, network, tmp_path, n_batches):
    class Stop(Exception):
        pass

    seen = []

    def stop(n):
        seen.append(n)
        if len(seen) > n_batches:
            raise Stop

    with pytest.raises(Stop):
        find(inputs, tmp_path, network, batch_size=4, on_progress=stop)
    with pytest.raises(Exception, match='no detections|no results'):
        open_detections(tmp_path)
    partly = open_detections(tmp_path, unfinished=True)
    assert len(partly) + len(partly.skipped()) == sum(seen)
    n, _ = find(inputs, tmp_path, network, batch_size=4)
    assert contents(tmp_path) == contents(found)
    assert 0 < n < len(open_detections(found))


def test_what_is_done_is_not_done_again(photos, network, tmp_path, monkeypatch):
    find(photos, tmp_path, network)
    before = contents(tmp_path)
    monkeypatch.setattr(type(network), 'start', None)
    assert find(photos, tmp_path, network) == (0, {})
    assert contents(tmp_path) == before


def test_what_is_added_later_is_found_as_well(photos, network, tmp_path):
    folder, out = tmp_path / 'in', tmp_path / 'out'
    folder.mkdir()
    names = ['00', '01', '02', '04']
    for i, name in enumerate(n for n in names if n != '00'):
        os.symlink(photos / f'{name}.jpg', folder / f'{name}.jpg')
        assert find(folder, out, network)[0] == 1, i
    assert list(open_detections(out)) == ['01.jpg', '02.jpg', '04.jpg']
    find(folder, tmp_path / 'at once', network)
    assert contents(out) == contents(tmp_path / 'at once')


def test_more_frames_later(network, tmp_path):
    video = make_video(tmp_path / 'v.mp4')
    for every in (5, 2, 4, 1):
        sources = list_sources([video], every=every)
        detect_people(sources, str(tmp_path / 'a'), network, OPTIONS)
    detect_people(list_sources([video]), str(tmp_path / 'b'), network, OPTIONS)
    assert len(open_detections(tmp_path / 'b')) == N
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')


@pytest.mark.parametrize('changes', [dict(confidence=0.5), dict(image_size=64), dict(flip=True)])
def test_other_options_do_not_mix(photos, network, tmp_path, changes):
    find(photos, tmp_path, network)
    name = next(iter(changes))
    with pytest.raises(OptionError, match=f'other options or weights.*{name}.*Choose another'):
        find(photos, tmp_path, network, DetectionOptions(**{**OPTIONS.__dict__, **changes}))


def test_other_weights_do_not_mix(photos, network, classic, tmp_path):
    find(photos, tmp_path, network)
    with pytest.raises(OptionError, match='weights'):
        find(photos, tmp_path, classic)


def test_flipped_results_are_as_reproducible(photos, network, tmp_path):
    options = DetectionOptions(0.2, 0.6, 96, flip=True)
    find(photos, tmp_path / 'a', network, options)
    for i in range(4):
        find(photos, tmp_path / 'b', network, options, i_task=i, n_tasks=4, batch_size=3)
    a = open_detections(tmp_path / 'a')
    assert_same(a, open_detections(tmp_path / 'b'))
    assert all((boxes[:, 4] >= 0.2).all() for boxes in a.values())
    assert sum(map(len, a.values())) > 20


@pytest.mark.parametrize('bad', [dict(confidence=1.5), dict(iou=-0.1), dict(image_size=8)])
def test_options_are_checked(bad):
    with pytest.raises(OptionError, match='|'.join(bad).replace('_', ' ')):
        DetectionOptions(**bad)
