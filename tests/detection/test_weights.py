"""Which weights are used, and what is said if they are not there."""

import os

import pytest

from posepile.detection.weights import (
    choose_weights,
    is_below_simulated,
    studio_weights,
    weights_folder,
)
from posepile.errors import BadFileError
from posepile.simulate.origin import MARKER
from posepile.storage import codec
from posepile.storage.archive import ArchiveWriter


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    for variable in ('POSEPILE_DETECTOR', 'POSEPILE_SEGMENTER', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    """Ultralytics asks for files, and there is nobody to answer."""
    from ultralytics.utils import downloads

    asked = []

    def fail(url, *_, **more):
        asked.append(str(url))
        raise ConnectionError('Name or service\nnot known')

    monkeypatch.setattr(downloads, 'safe_download', fail)
    monkeypatch.setattr(downloads, 'get_github_assets', lambda *_, **__: ('', []))
    return asked


def test_weights_that_cannot_be_downloaded(places, no_network):
    with pytest.raises(BadFileError) as e:
        choose_weights('detect')
    path = places / 'data' / 'weights' / 'yolo26x.pt'
    text = str(e.value)
    assert text.startswith(f'{path}: the weights yolo26x.pt are not there')
    assert 'Name or service not known' in text and '--weights or POSEPILE_DETECTOR' in text
    assert 'https://github.com/ultralytics/assets/releases' in text and '\n' not in text
    assert no_network == [
        'https://github.com/ultralytics/assets/releases/download/v8.4.0/yolo26x.pt'
    ]
    assert os.listdir(places / 'data' / 'weights') == ['yolo26x.pt.lock']
    with pytest.raises(BadFileError, match='yolo26x-seg.pt.*POSEPILE_SEGMENTER'):
        choose_weights('segment')


def test_names_that_nobody_offers(no_network):
    with pytest.raises(BadFileError, match='mine.pt.*offers none of that name'):
        choose_weights('detect', 'mine.pt')
    assert no_network == []
    # What has a folder is a file of the user's, and not asked for elsewhere.
    assert choose_weights('detect', 'folder/yolo26x.pt').path == 'folder/yolo26x.pt'
    assert no_network == []


def test_a_download_appears_whole_or_not_at_all(places, monkeypatch):
    from ultralytics.utils import downloads

    folder = places / 'data' / 'weights'

    def download(url, file, **_):
        with open(file, 'w') as f:
            f.write('half')
        assert not (folder / 'yolo26x.pt').exists()
        if 'fail' in os.environ:
            raise ConnectionError('cut')

    monkeypatch.setattr(downloads, 'safe_download', download)
    monkeypatch.setenv('fail', '1')
    with pytest.raises(BadFileError, match='cut'):
        choose_weights('detect')
    assert not (folder / 'yolo26x.pt').exists()
    monkeypatch.delenv('fail')
    assert choose_weights('detect').path == str(folder / 'yolo26x.pt')
    assert (folder / 'yolo26x.pt').read_text() == 'half'
    assert sorted(os.listdir(folder)) == ['yolo26x.pt', 'yolo26x.pt.lock']


def test_weights_that_are_in_place_need_no_network(places, no_network):
    folder = places / 'data' / 'weights'
    folder.mkdir(parents=True)
    for name in ('yolo26x.pt', 'yolo26x-seg.pt', 'yolo11n.pt'):
        (folder / name).touch()
    (places / 'here.pt').touch()
    assert choose_weights('detect').path == str(folder / 'yolo26x.pt')
    assert choose_weights('segment').path == str(folder / 'yolo26x-seg.pt')
    assert choose_weights('detect', 'yolo11n.pt').path == str(folder / 'yolo11n.pt')
    assert choose_weights('detect', 'here.pt').path == 'here.pt'
    assert choose_weights('detect').note == '' and no_network == []


def test_the_variable_counts_unless_weights_are_named(places, monkeypatch):
    for name in ('a.pt', 'b.pt', 'c.pt'):
        (places / name).touch()
    monkeypatch.setenv('POSEPILE_DETECTOR', 'a.pt')
    monkeypatch.setenv('POSEPILE_SEGMENTER', 'b.pt')
    assert choose_weights('detect').path == 'a.pt'
    assert choose_weights('segment').path == 'b.pt'
    assert choose_weights('detect', 'c.pt').path == 'c.pt'
    # Also of simulated data.
    assert choose_weights('detect', simulated=True).path == 'a.pt'


def test_the_folder_of_weights(places, monkeypatch):
    assert weights_folder() == str(places / 'data' / 'weights')
    monkeypatch.delenv('DATA_ROOT')
    monkeypatch.setenv('HOME', str(places))
    assert weights_folder() == str(places / '.cache' / 'posepile' / 'weights')
    monkeypatch.setenv('XDG_CACHE_HOME', str(places / 'cache'))
    assert weights_folder() == str(places / 'cache' / 'posepile' / 'weights')


@pytest.mark.parametrize('task', ['detect', 'segment'])
def test_studio_weights_are_for_simulated_data_and_never_silent(task):
    chosen = choose_weights(task, simulated=True)
    assert chosen.path == studio_weights(task) and 'simulated' in chosen.note
    chosen = choose_weights(task, 'studio')
    assert chosen.path == studio_weights(task) and 'do not know real people' in chosen.note


def test_what_is_simulated(places):
    release, real = places / 'release', places / 'real'
    for folder in (release / 'videos' / 'deep', real):
        folder.mkdir(parents=True)
    (release / MARKER).write_text('{}')
    (release / 'videos' / 'a.mp4').touch()
    assert is_below_simulated(release)
    assert is_below_simulated('release/videos')
    assert is_below_simulated(str(release / 'videos' / 'a.mp4'))
    assert is_below_simulated(release / 'videos' / 'deep')
    assert not is_below_simulated(real) and not is_below_simulated(places)
    assert not is_below_simulated('/')


@pytest.mark.parametrize('simulated', [True, False, 'of something else', None])
def test_what_archives_are_made_of(places, simulated):
    images = str(places / 'images.barecat')
    with ArchiveWriter(images) as archive:
        archive.add('a.jpg', b'')
    if simulated is not None:
        with ArchiveWriter(str(places / 'annotations.barecat')) as archive:
            metadata = dict(joint_names=['a'], joint_edges=[], posepile=dict(simulated=simulated))
            if simulated == 'of something else':
                metadata = {}
            archive.add('metadata.msgpack', codec.pack(metadata))
    assert is_below_simulated(images) == (simulated is True)
