"""The command line: what it does, and that errors are one line."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from posepile.detection import open_detections
from posepile.detection.__main__ import main
from posepile.raw.images import encode_jpeg
from posepile.simulate.origin import MARKER
from posepile.storage.archive import ArchiveWriter
from posepile.storage.results import part_files, part_path
from tests.detection.networks import picture
from tests.raw.test_video import make_video


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ('DATA_ROOT', 'POSEPILE_DETECTOR', 'SLURM_ARRAY_TASK_ID'):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def find(weights, capfd):
    """find(arguments...) -> standard output; refused(arguments...) -> the error."""

    def run(*arguments, own_weights=True):
        options = ['--weights', weights['two heads']] if own_weights else []
        status = main(['find', *map(str, arguments), *options, '--device', 'cpu'])
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return run


def assert_told(result, *texts):
    """One line on standard error, and status 1."""
    status, _, error = result
    assert status == 1, error
    assert error.startswith('posepile: error: ') and error.count('\n') == 1, error
    assert 'Traceback' not in error
    for text in texts:
        assert text in error, error


def test_a_folder(photos, find):
    status, out, _ = find(photos, '--out', 'found')
    assert status == 0
    assert '13 images looked at, 2 could not be read; results are in found' in out
    assert 'left out: 05_empty.jpg: ' in out and 'left out: sub/07_broken.jpg: ' in out
    found = open_detections('found')
    assert len(found) == 13 and found['01.jpg'].shape[1] == 5
    status, out, _ = find(photos, '--out', 'found')
    assert status == 0 and '0 images looked at' in out


def test_options_do_what_they_say(photos, find):
    options = '--confidence 0.4 --iou 0.5 --image-size 64 --batch-size 3 --flip --pattern *1.jpg'
    assert find(photos, '--out', 'found', *options.split())[0] == 0
    found = open_detections('found')
    assert list(found) == ['01.jpg', '11.jpg']
    settings = found.settings
    weights = settings.pop('weights')
    assert len(weights) == 64
    assert settings == dict(kind='detections', confidence=0.4, iou=0.5, image_size=64, flip=True)


def test_an_archive_and_a_video(find):
    with ArchiveWriter('images.barecat') as archive:
        for i in range(3):
            archive.add(f'{i}.jpg', encode_jpeg(picture(80, 60, i)))
        archive.add('3.jpg', b'broken')
    assert '3 images looked at, 1 could' in find('images.barecat', '--out', 'a')[1]
    assert list(open_detections('a')) == ['0.jpg', '1.jpg', '2.jpg']
    make_video('v.mp4')
    assert find('v.mp4', '--every', 9, '--out', 'v')[0] == 0
    assert [i for i, _ in open_detections('v').frames_of('v.mp4')][:3] == [0, 9, 18]


def test_an_array_of_tasks(photos, find, monkeypatch):
    monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', '3')
    for i in '201':
        monkeypatch.setenv('SLURM_ARRAY_TASK_ID', i)
        assert find(photos, '--out', 'found')[0] == 0
    assert part_files('found') == [part_path('found', i, 3) for i in range(3)]
    assert len(open_detections('found')) == 13


@pytest.mark.parametrize('i, n', [('3', '3'), ('-1', '3'), ('x', '3'), ('1', None), ('0', '0')])
def test_wrong_tasks(photos, find, monkeypatch, i, n):
    monkeypatch.setenv('SLURM_ARRAY_TASK_ID', i)
    if n:
        monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', n)
    assert_told(find(photos, '--out', 'found'), 'SLURM_ARRAY_TASK_ID')
    assert not os.path.exists('found')


def test_wrong_inputs(find, photos, tmp_path):
    os.mkdir('empty')
    assert_told(find('nowhere', '--out', 'found'), 'nowhere', 'no such folder')
    assert_told(find('nowhere.barecat', '--out', 'found'), 'nowhere.barecat', 'no such archive')
    assert_told(find('empty', '--out', 'found'), 'no images or videos in empty')
    assert_told(find(photos, '--paths-file', 'no.txt', '--out', 'found'), 'no.txt', 'path per line')
    (tmp_path / 'bad.barecat').write_bytes(b'no archive')
    assert_told(find('bad.barecat', '--out', 'found'), 'bad.barecat', 'not a readable')
    assert not os.path.exists('found')


def test_missing_names_are_counted(find, photos, tmp_path):
    (tmp_path / 'paths.txt').write_text('01.jpg\ngone.jpg\n')
    status, out, _ = find(photos, '--paths-file', 'paths.txt', '--out', 'found')
    assert status == 0 and '1 images looked at, 1 could not' in out and 'left out: gone.jpg' in out
    assert 'gone.jpg' in open_detections('found').skipped()


def test_wrong_weights(find, photos, tmp_path):
    (tmp_path / 'text.pt').write_text('no weights')
    for name, problem in [('./none.pt', 'no such file of weights'), ('text.pt', 'read safely')]:
        result = find(photos, '--out', 'found', '--weights', name, own_weights=False)
        assert_told(result, name.removeprefix('./'), problem)
    assert not os.path.exists('found')


def test_results_that_are_in_the_way(find, photos, tmp_path):
    find(photos, '--out', 'found')
    assert_told(find(photos, '--out', 'found', '--confidence', '0.9'), 'other options or weights')
    (tmp_path / 'file').touch()
    assert_told(find(photos, '--out', 'file'), 'file')
    assert find(photos, '--out', 'new', '--unless', 'found')[:2] == (
        0, 'found is there already: nothing to do\n'
    )  # fmt: skip
    assert not os.path.exists('new')


def test_values_out_of_range(photos, capfd):
    for options in ('--confidence 1.5', '--iou x', '--image-size 0', '--every 0', '--batch-size 0'):
        with pytest.raises(SystemExit) as e:
            main(['find', str(photos), '--out', 'found', *options.split()])
        assert e.value.code == 2
        assert options.split()[0] in capfd.readouterr().err


def test_simulated_data_is_looked_at_with_studio_weights(find, tmp_path, monkeypatch, weights):
    from posepile.detection import weights as choice

    monkeypatch.setattr(choice, 'studio_weights', lambda task: weights['own'])
    release = tmp_path / 'release'
    (release / 'images').mkdir(parents=True)
    (release / MARKER).write_text('{}')
    (release / 'images' / 'a.jpg').write_bytes(encode_jpeg(picture(64, 64)))
    status, out, _ = find(release / 'images', '--out', 'found', own_weights=False)
    assert status == 0 and 'note: the data is simulated' in out and '1 images looked at' in out
    # Beside anything real, all is taken for real.
    real = tmp_path / 'real'
    real.mkdir()
    (real / 'b.jpg').write_bytes(encode_jpeg(picture(64, 64)))
    monkeypatch.setattr(choice, '_downloaded', lambda task, name, path: weights['classic'])
    status, out, _ = find(release, real, '--out', 'both', own_weights=False)
    assert status == 0 and 'note' not in out
    status, out, _ = find(real, '--out', 'studio', '--weights', 'studio', own_weights=False)
    assert status == 0 and 'note: studio-trained weights do not know real people' in out


def test_import(tmp_path, capfd):
    boxes = np.array([[1, 2, 3, 4, 0.5]])
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'./a.jpg': boxes, 'b.jpg': []}))
    (tmp_path / 'c.pkl').write_bytes(pickle.dumps({'c.jpg': boxes[:, :4]}))
    (tmp_path / 'bad.pkl').write_bytes(b'bad')
    assert main(['import', 'a.pkl', 'bad.pkl', '--out', 'found']) == 1
    assert_told((1, *capfd.readouterr()), 'bad.pkl')
    assert main(['import', 'c.pkl', '--out', 'found']) == 0  # nothing is left of the first attempt
    assert list(open_detections('found')) == ['c.jpg']
    assert 'detections of 1 images' in capfd.readouterr().out
    assert main(['import', 'a.pkl', '--out', 'found']) == 1
    assert_told((1, *capfd.readouterr()), 'holds results already')
    assert main(['import', 'a.pkl', 'c.pkl', '--out', 'both']) == 0
    assert list(open_detections('both')) == ['a.jpg', 'b.jpg', 'c.jpg']
    assert main(['import', 'none.pkl', '--out', 'none']) == 1
    assert_told((1, '', capfd.readouterr().err), 'none.pkl')


def test_help_and_listing_do_not_wait_for_torch():
    script = (
        'import sys, runpy\n'
        'sys.argv = ["x", *sys.argv[1:]]\n'
        'try:\n'
        '    runpy.run_module("posepile.detection", run_name="__main__")\n'
        'except SystemExit as e:\n'
        '    heavy = {"torch", "torchvision", "ultralytics"} & set(sys.modules)\n'
        '    sys.exit(str(heavy) if heavy else 10 + (e.code or 0))\n'
    )
    for arguments, status in ((['find', '--help'], 10), (['find', 'nowhere', '--out', 'x'], 11)):
        done = subprocess.run(
            [sys.executable, '-c', script, *arguments], capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr


def test_a_network_does_not_wait_for_torchvision(weights):
    script = (
        'import sys\n'
        'from posepile.detection.network import PeopleNetwork\n'
        'PeopleNetwork(sys.argv[1], "cpu")\n'
        'sys.exit("torchvision" in sys.modules)\n'
    )
    subprocess.run([sys.executable, '-c', script, weights['own']], check=True)
