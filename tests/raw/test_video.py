import itertools
import os
import pathlib

import av
import cv2
import numpy as np
import pytest

from posepile.errors import RawDataError
from posepile.raw.frames import FrameSource
from posepile.raw.video import VideoFrames

N, H, W = 40, 96, 160
SAMPLES = pathlib.Path(
    os.environ.get('POSEPILE_SAMPLES')
    or pathlib.Path(__file__).parents[2].parent / 'shared' / 'samples'
)


def picture(i):
    """Smooth noise, on a background whose grey level tells the frame number."""
    texture = np.random.default_rng(0).integers(0, 40, (6, 10, 3), dtype=np.uint8)
    texture = cv2.resize(texture, (W, H), interpolation=cv2.INTER_CUBIC)
    return np.roll(texture, 3 * i, axis=1) + np.uint8(5 * i)


def number_of(image):
    return round((image.mean() - 20) / 5)


def make_video(path, codec='libx264', n=N, options=None, pix_fmt='yuv420p', rate=25, rotation=0):
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = W, H, pix_fmt
        if codec == 'mpeg4':
            stream.codec_context.qmin = stream.codec_context.qmax = 2
        if rotation:
            stream.set_display_rotation(rotation)
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(picture(i), format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


KINDS = {
    'h264.mkv': ('libx264', {'bf': '0', 'crf': '10'}),
    'b-frames.mkv': (
        'libx264',
        {'bf': '3', 'b_strategy': '0', 'b-pyramid': 'none', 'crf': '10', 'g': '20'},
    ),
    'b-frames.mp4': ('libx264', {'bf': '3', 'b_strategy': '0', 'b-pyramid': 'none', 'crf': '10'}),
    'mpeg4.avi': ('mpeg4', {}),
    'mpeg4-b-frames.avi': ('mpeg4', {'bf': '2'}),
    'mpeg4.mp4': ('mpeg4', {'bf': '2'}),
    'mjpeg.avi': ('mjpeg', {}),
}


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('videos')
    for name, (codec, options) in KINDS.items():
        pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        make_video(folder / name, codec, options=options, pix_fmt=pix_fmt)
    return folder


@pytest.fixture
def bad():
    class Bad(list):
        def __call__(self, index, message):
            self.append((index, message))

        def indices(self):
            return [i for i, _ in self]

    return Bad()


def test_some_videos_store_frames_in_another_order(videos):
    """Else the tests below would not test that presentation order is restored."""
    for name in ('b-frames.mkv', 'b-frames.mp4'):
        with av.open(str(videos / name)) as c:
            times = [p.pts for p in c.demux(video=0) if p.size]
        assert times != sorted(times)


@pytest.mark.parametrize('threads', [1, 2, 0])
@pytest.mark.parametrize('name', KINDS)
def test_frames_in_order_of_presentation(videos, name, threads, bad):
    got = list(VideoFrames(videos / name, threads).frames(range(N), bad))
    assert [i for i, _ in got] == list(range(N)) and bad == []
    for i, image in got:
        assert image.shape == (H, W, 3) and image.dtype == np.uint8 and image.flags.c_contiguous
        assert number_of(image) == i
        assert np.abs(image.astype(int) - picture(i)).mean() < 6


@pytest.mark.parametrize('name', KINDS)
def test_wanted_frames_alone(videos, name, bad):
    video = VideoFrames(videos / name)
    wanted = [0, 1, 7, 8, 30, N - 1]
    got = list(video.frames(iter(wanted), bad))
    assert [(i, number_of(image)) for i, image in got] == [(i, i) for i in wanted]
    everything = dict(video.frames(range(N)))
    assert all(np.array_equal(image, everything[i]) for i, image in got)
    # Frames beyond the end are left out, and endless indices end with the video.
    assert [i for i, _ in video.frames([N - 1, N, N + 7], bad)] == [N - 1]
    assert [i for i, _ in video.frames(itertools.count(0, 16), bad)] == [0, 16, 32]
    assert list(video.frames([], bad)) == [] and bad == []


def test_indices_have_to_increase(videos):
    for indices in ([3, 3], [3, 2], [-1]):
        with pytest.raises(ValueError, match='increase'):
            list(VideoFrames(videos / 'h264.mkv').frames(indices))


@pytest.mark.parametrize('name', KINDS)
def test_properties(videos, name):
    video = VideoFrames(videos / name)
    assert isinstance(video, FrameSource)
    assert video.imshape == (H, W)
    assert video.fps == pytest.approx(25)
    assert abs(video.n_frames - N) <= 1
    assert video.count_frames() == N


@pytest.mark.parametrize('name', ['h264.mkv', 'b-frames.mkv', 'mpeg4.avi', 'mjpeg.avi'])
def test_truncated_video_gives_what_decodes(videos, tmp_path, name, bad):
    whole = (videos / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) * 6 // 10])
    got = list(VideoFrames(path).frames(range(N), bad))
    assert 3 < len(got) < N - 3
    assert all(number_of(image) == i for i, image in got)
    assert bad[-1][0] is None and 'the file ends after' in bad[-1][1]
    # Who does not want the missing part does not hear of it.
    bad.clear()
    assert len(list(VideoFrames(path).frames(range(3), bad))) == 3 and bad == []


@pytest.mark.parametrize('threads', [1, 4])
@pytest.mark.parametrize('name', ['h264.mkv', 'b-frames.mkv', 'b-frames.mp4'])
@pytest.mark.parametrize('is_valid_unit', [False, True])
def test_frames_after_a_damaged_one_keep_their_numbers(
    videos, tmp_path, name, threads, bad, is_valid_unit
):
    with av.open(str(videos / name)) as c:
        packets = [p for p in c.demux(video=0) if p.size]
        order = sorted(p.pts for p in packets)
        victim = packets[15]
        if name != 'h264.mkv':  # one stored after a frame that is shown later: a B-frame
            pairs = list(itertools.pairwise(packets))
            victim = next(b for a, b in pairs[10:] if b.pts < a.pts)
        index = order.index(victim.pts)
        content, start = bytes(victim), (videos / name).read_bytes()
    assert start.count(content) == 1
    path = tmp_path / name
    damage = b'\xff' * len(content)
    if is_valid_unit:  # of type 12, which is for filling, and holds no picture
        damage = (len(content) - 4).to_bytes(4, 'big') + b'\x0c' + damage[6:] + b'\x80'
    path.write_bytes(start.replace(content, damage))
    got = list(VideoFrames(path, threads).frames(range(N), bad))
    assert bad.indices() == [index] and 'decode' in bad[0][1]
    assert [i for i, _ in got] == [i for i in range(N) if i != index]
    for i, image in got:
        if name != 'h264.mkv' or i < index:
            assert number_of(image) == i


def test_damage_is_logged_by_default(videos, tmp_path, caplog):
    whole = (videos / 'h264.mkv').read_bytes()
    (tmp_path / 'a.mkv').write_bytes(whole[: len(whole) // 2])
    list(VideoFrames(tmp_path / 'a.mkv').frames(range(N)))
    assert 'a.mkv' in caplog.text and 'the file ends after' in caplog.text


@pytest.mark.parametrize('degrees', [0, 90, 180, 270])
def test_rotation_is_applied_as_by_opencv(tmp_path, degrees):
    path = make_video(tmp_path / 'a.mp4', n=2, options={'crf': '5'}, rotation=degrees)
    video = VideoFrames(path)
    ((_, image),) = video.frames([1])
    assert video.imshape == image.shape[:2] == ((W, H) if degrees % 180 else (H, W))
    upright = np.rot90(picture(1), degrees // 90)
    assert np.abs(image.astype(int) - upright).mean() < 6
    capture = cv2.VideoCapture(path)
    capture.read()
    theirs = capture.read()[1][..., ::-1]
    assert np.abs(image.astype(int) - theirs).mean() < 4


MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 2: (0.299, 0.114), 9: (0.2627, 0.0593)}


@pytest.mark.parametrize('colorspace', MATRICES)
@pytest.mark.parametrize('is_full', [False, True])
def test_colours_follow_the_stream(tmp_path, colorspace, is_full):
    """ITU-R BT.601, BT.709, BT.2020: R = Y + 2 (1 - kr) V, B = Y + 2 (1 - kb) U."""
    y, u, v = 120, 90, 180
    path = tmp_path / 'a.mkv'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '0'})
        stream.width, stream.height, stream.pix_fmt = W, H, 'yuv420p'
        stream.codec_context.colorspace = colorspace
        stream.codec_context.color_range = 2 if is_full else 1
        frame = av.VideoFrame(W, H, 'yuv420p')
        for plane, value in zip(frame.planes, (y, u, v), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range = colorspace, 2 if is_full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    kr, kb = MATRICES[colorspace]
    luma, cb, cr = y, u - 128, v - 128
    if not is_full:
        luma, cb, cr = (y - 16) * 255 / 219, cb * 255 / 224, cr * 255 / 224
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    ((_, image),) = VideoFrames(path).frames([0])
    assert np.abs(image - np.array([red, green, blue])).max() < 2


@pytest.mark.parametrize('content', [b'', b'x', b'<html>login</html>' * 100, bytes(100_000)])
def test_not_a_video(tmp_path, content):
    path = tmp_path / 'a.mkv'
    path.write_bytes(content)
    for use in ('imshape', 'fps', 'n_frames'):
        with pytest.raises(RawDataError, match=r'a\.mkv: is no video, or a damaged one'):
            getattr(VideoFrames(path), use)
    with pytest.raises(RawDataError):
        next(VideoFrames(path).frames([0]))


def test_missing_truncated_to_nothing_and_sound_alone(videos, tmp_path):
    with pytest.raises(RawDataError, match='no such video file'):
        VideoFrames(tmp_path / 'a.mkv').count_frames()
    (tmp_path / 'a.mp4').write_bytes((videos / 'b-frames.mp4').read_bytes()[:3000])
    with pytest.raises(RawDataError, match='no video, or a damaged one'):
        VideoFrames(tmp_path / 'a.mp4').count_frames()
    with av.open(str(tmp_path / 'a.mkv'), 'w') as container:
        stream = container.add_stream('pcm_s16le', rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), 's16', 'mono')
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(RawDataError, match='holds no video'):
        VideoFrames(tmp_path / 'a.mkv').count_frames()


def test_playlists_do_not_lead_to_other_files(videos, tmp_path):
    """A text file that FFmpeg would follow to wherever it points."""
    path = tmp_path / 'a.mkv'
    segment = make_video(tmp_path / 'secret.ts', n=3)
    path.write_text(
        '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n' + segment + '\n#EXT-X-ENDLIST\n'
    )
    with pytest.raises(RawDataError, match='no video'):
        next(VideoFrames(path).frames([0]))
    path.write_text("ffconcat version 1.0\nfile 'secret.ts'\n")
    with pytest.raises(RawDataError, match='no video'):
        next(VideoFrames(path).frames([0]))


def test_names_that_look_like_addresses(videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink(videos / 'h264.mkv', 'http:a.mkv')
    assert VideoFrames('http:a.mkv').count_frames() == N


def test_real_video():
    path = SAMPLES / 'posetrack18/videos/000001_mpiinew_test/000001_mpiinew_test.mp4'
    if not path.exists():
        pytest.skip(f'no sample video at {path}')
    video = VideoFrames(path)
    images = [cv2.imread(str(p))[..., ::-1] for p in sorted(path.parent.glob('*.jpg'))]
    assert video.count_frames() == video.n_frames == len(images)
    got = dict(video.frames(range(len(images))))
    for i, image in enumerate(images):
        differences = [np.abs(got[k].astype(int) - image).mean() for k in got]
        assert np.argmin(differences) == i
