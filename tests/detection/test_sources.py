"""What is looked at: folders, files, archives and videos."""

import os

import numpy as np
import pytest

from posepile.detection.sources import ArchiveImage, ImageFile, Video, list_sources
from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.raw.images import encode_jpeg
from posepile.storage.archive import ArchiveWriter
from posepile.storage.results import frame_key
from tests.detection.networks import picture
from tests.raw.test_video import N, make_video


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')


def keys(*args, **kwargs):
    return [source.key for source in list_sources(*args, **kwargs)]


def nothing_known(key):
    return False


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'in'
    touch(folder, 'b.jpg', 'a.PNG', 'v.mp4', 'c.txt', 'sub/d.jpg', 'sub/deep/e.webp', 'sub.jpg/f')
    return folder


def test_a_folder(folder):
    found = list_sources([str(folder)], every=5, threads=2)
    assert [s.key for s in found] == ['a.PNG', 'b.jpg', 'sub/d.jpg', 'sub/deep/e.webp', 'v.mp4']
    assert found[1] == ImageFile('b.jpg', str(folder / 'b.jpg'))
    assert found[4] == Video('v.mp4', str(folder / 'v.mp4'), 5, 2)
    assert keys(folder) == [s.key for s in found]


@pytest.mark.parametrize(
    'pattern, expected',
    [
        ('*.jpg', ['b.jpg', 'sub/d.jpg']),
        ('**/*.jpg, **/*.webp', ['b.jpg', 'sub/d.jpg', 'sub/deep/e.webp']),
        ('sub/**/d.jpg', ['sub/d.jpg']),
        ('sub/**/e.*', ['sub/deep/e.webp']),
        ('*/f', ['sub.jpg/f']),
        ('v.*', ['v.mp4']),
    ],
)
def test_patterns(folder, pattern, expected):
    assert keys([folder], pattern) == expected


def test_lists_of_paths(folder, tmp_path):
    paths, ignored = tmp_path / 'paths.txt', tmp_path / 'ignored.txt'
    paths.write_text('./b.jpg\r\nsub/d.jpg\n\nsub/d.jpg\nnot there.jpg\nodd\x0cname.jpg\n')
    ignored.write_text('\ufeff./sub/d.jpg\n', encoding='utf-8')
    assert keys([folder], paths_file=paths) == [
        'b.jpg', 'not there.jpg', 'odd\x0cname.jpg', 'sub/d.jpg'
    ]  # fmt: skip
    assert keys([folder], '*.jpg', ignore_file=ignored) == ['b.jpg']
    for name, data in (('none.txt', None), ('latin1.txt', b'caf\xe9.jpg')):
        if data:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(BadFileError, match=f'{name}.*a path per line'):
            list_sources([folder], paths_file=tmp_path / name)


def test_several_inputs_have_their_paths_as_keys(folder):
    a, sub = str(folder / 'b.jpg'), f'{folder}/sub/'
    assert keys([sub, a]) == sorted([a, f'{folder}/sub/d.jpg', f'{folder}/sub/deep/e.webp'])
    assert keys([a]) == [a]
    # The same file, found in two ways, is one.
    assert len(keys([str(folder), sub])) == 5


def test_nothing_to_look_at(folder, tmp_path):
    with pytest.raises(OptionError, match='no images or videos in .* that match x'):
        list_sources([str(folder)], 'x')
    with pytest.raises(BadFileError, match='nowhere: there is no such'):
        list_sources([str(tmp_path / 'nowhere')])


def test_links_are_followed_but_not_in_circles(folder, tmp_path):
    other = tmp_path / 'other'
    touch(other, 'g.jpg')
    os.symlink(other, folder / 'linked')
    os.symlink(folder, folder / 'sub' / 'back')
    os.symlink(folder, other / 'forth')
    os.symlink('nowhere', folder / 'broken')
    assert keys([folder], '*.jpg') == ['b.jpg', 'linked/g.jpg', 'sub/d.jpg']


def test_folders_that_may_not_be_read_are_told(folder):
    (folder / 'sub').chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        folder.parent.chmod(0o755)
        os.seteuid(65534)
    try:
        if not os.access(folder, os.R_OK, effective_ids=True):
            pytest.skip('the temporary folder is private')
        with pytest.raises(PermissionError, match='sub'):
            list_sources([folder])
    finally:
        if is_root:
            os.seteuid(0)
        (folder / 'sub').chmod(0o755)


def test_names_that_are_no_text(folder):
    try:
        with open(os.fsencode(folder) + b'/caf\xe9.jpg', 'wb'):
            pass
    except OSError:
        pytest.skip('this file system takes no such names')
    with pytest.raises(BadFileError, match=r'caf\\xe9.jpg.*Rename'):
        list_sources([folder])


def test_an_archive(tmp_path):
    path = str(tmp_path / 'images.barecat')
    with ArchiveWriter(path) as archive:
        for name in ('a/1.jpg', 'b.jpg', 'c.txt'):
            archive.add(name, encode_jpeg(picture(64, 48)))
    found = list_sources([path])
    assert found == [ArchiveImage('a/1.jpg', path), ArchiveImage('b.jpg', path)]
    ((key, load),) = found[0].images(nothing_known)
    assert key == 'a/1.jpg' and load(64, 32).letterbox.imshape == (48, 64)
    assert list(found[0].images(lambda key: key == 'a/1.jpg')) == []
    assert keys([path], 'b*') == ['b.jpg']
    (tmp_path / 'paths.txt').write_text('b.jpg\nno.jpg\n')
    missing = list_sources([path], paths_file=tmp_path / 'paths.txt')[1]
    ((key, load),) = missing.images(nothing_known)
    with pytest.raises(RawDataError, match='no file no.jpg'):
        load(64, 32)
    with pytest.raises(OptionError, match='give it alone'):
        list_sources([path, str(tmp_path)])
    with pytest.raises(BadFileError, match='nowhere.barecat'):
        list_sources([str(tmp_path / 'nowhere.barecat')])


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp('video') / 'a.mp4')


def test_a_video(video):
    source = Video('v.mp4', video, 7)
    found = list(source.images(nothing_known))
    assert [key for key, _ in found] == [f'v.mp4#{i:06d}' for i in range(0, N, 7)]
    everything = dict(Video('v.mp4', video).images(nothing_known))
    for key, load in found:
        np.testing.assert_array_equal(load(64, 32).pixels, everything[key](64, 32).pixels)
    some = list(source.images(lambda key: key == 'v.mp4#000007'))
    assert [key for key, _ in some] == [key for key, _ in found if key != 'v.mp4#000007']


def test_a_video_that_is_done_is_not_decoded_again(video, monkeypatch):
    from posepile.raw.video import VideoFrames

    def fail(self, *_):
        raise AssertionError('decoded')

    monkeypatch.setattr(VideoFrames, 'raw_frames', fail)
    assert list(Video('v', video).images(lambda key: True)) == []
    with pytest.raises(AssertionError, match='decoded'):
        list(Video('v', video).images(lambda key: key != f'v#{N - 1:06d}'))


def test_a_video_cut_short(video, tmp_path):
    with open(make_video(tmp_path / 'b.avi', 'mpeg4'), 'rb') as f:
        data = f.read()
    (tmp_path / 'c.avi').write_bytes(data[: len(data) * 2 // 3])
    source = Video('c', str(tmp_path / 'c.avi'))
    good, bad = {}, {}
    for key, load in source.images(nothing_known):
        try:
            good[key] = load(64, 32)
        except RawDataError as e:
            bad[key] = str(e)
    assert 5 < len(good) < N and 'c' in bad and 'announced' in bad['c']
    # What remains of it is told again, unless it is known.
    assert 'c' in dict(source.images(lambda key: key in good))
    frames = {frame_key('c', i) for i in range(N)}
    assert [key for key, _ in source.images(lambda key: key in frames)] == ['c']
    assert list(source.images(lambda key: key in good or key in bad)) == []


def test_no_video_at_all(tmp_path):
    touch(tmp_path, 'v.mp4')
    ((key, load),) = Video('v.mp4', str(tmp_path / 'v.mp4')).images(nothing_known)
    assert key == 'v.mp4'
    with pytest.raises(RawDataError, match='v.mp4'):
        load(64, 32)


@pytest.mark.parametrize('size', [(640, 480), (97, 51), (100, 100), (32, 200)])
def test_a_jpeg_decoded_small_looks_like_the_whole(tmp_path, size):
    import cv2

    image = cv2.GaussianBlur(picture(*size), (0, 0), 3)
    (tmp_path / 'a.jpg').write_bytes(encode_jpeg(image))
    (tmp_path / 'a.png').write_bytes(cv2.imencode('.png', image[..., ::-1])[1].tobytes())
    jpeg, png = (
        next(ImageFile(n, str(tmp_path / n)).images(nothing_known))[1](64, 32)
        for n in ('a.jpg', 'a.png')
    )
    assert jpeg.letterbox == png.letterbox
    assert abs(jpeg.pixels.astype(int) - png.pixels).mean() < 3
