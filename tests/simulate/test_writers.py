"""Videos and pictures hold what was written, frame by frame, in the same bytes each time."""

import os

import av
import cv2
import numpy as np
import pytest
import simplejpeg

from posepile.errors import OptionError
from posepile.simulate import __main__ as command
from posepile.simulate.markers import draw_markers
from posepile.simulate.writers import write_image, write_jpeg, write_png, write_video
from tests.simulate.marker_centroid import find_marker


def picture(i=0, shape=(96, 128)):
    """Smooth, with a marker whose place tells the number of the frame."""
    rows, columns = np.indices(shape)
    image = np.stack([rows + 20, columns // 2 + 40, (rows + columns) // 3], axis=-1)
    return draw_markers(image.astype(np.uint8), [marker(i)], 4)


def marker(i):
    return 20 + 3.3 * i, 30 + 1.7 * i


def read_video(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [f.to_ndarray(format='rgb24') for f in container.decode(stream)]
        return frames, float(stream.average_rate)


@pytest.mark.parametrize(
    ('name', 'codec'),
    [
        ('a.mkv', 'libx264'),
        ('a.mp4', 'libx264'),
        ('a.avi', 'mpeg4'),
        ('a.mp4', 'mpeg4'),
        ('a.avi', 'mjpeg'),
        ('a.mkv', 'ffv1'),
    ],
)
def test_videos_come_back_frame_by_frame(tmp_path, name, codec):
    path = tmp_path / name
    n = 23
    assert write_video(path, (picture(i) for i in range(n)), 50, codec) == n
    frames, rate = read_video(path)
    assert len(frames) == n and rate == 50
    for i, frame in enumerate(frames):
        np.testing.assert_allclose(find_marker(frame, marker(i), 4), marker(i), atol=0.15)
        difference = np.abs(frame.astype(int) - picture(i)).mean()
        assert difference == 0 if codec == 'ffv1' else difference < 5
    first = path.read_bytes()
    write_video(path, (picture(i) for i in range(n)), 50, codec)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize('preset', ['veryfast', 'ultrafast'])
def test_none_repeats_the_picture_before(tmp_path, preset):
    path = tmp_path / 'a.mp4'
    pictures = [picture(0), None, None, picture(7), None]
    assert write_video(path, pictures, 50, preset=preset) == 5
    frames, _ = read_video(path)
    for frame, i in zip(frames, (0, 0, 0, 7, 7), strict=True):
        np.testing.assert_allclose(find_marker(frame, marker(i), 4), marker(i), atol=0.15)
    with av.open(str(path)) as container:
        times = [f.pts * f.time_base for f in container.decode(video=0)]
    assert np.allclose(np.diff([float(t) for t in times]), 0.02)


def test_broadcast_frame_rates(tmp_path):
    write_video(tmp_path / 'a.mp4', [picture()] * 10, 30000 / 1001)
    assert read_video(tmp_path / 'a.mp4')[1] == pytest.approx(30000 / 1001, abs=1e-9)


def test_coarser_quality_makes_smaller_files(tmp_path):
    for codec, fine, coarse in (('libx264', 10, 40), ('mpeg4', 2, 25), ('mjpeg', 2, 25)):
        sizes = []
        for quality in (fine, coarse):
            path = tmp_path / f'{codec}.mkv'
            noise = [
                np.random.default_rng(i).integers(0, 255, (96, 128, 3), np.uint8) for i in (1, 2)
            ]
            write_video(path, noise, 25, codec, quality)
            sizes.append(path.stat().st_size)
        assert sizes[1] < 0.8 * sizes[0]


def test_odd_sizes_need_another_pixel_format(tmp_path):
    path = tmp_path / 'a.mkv'
    with pytest.raises(OptionError, match='even'):
        write_video(path, [picture(shape=(95, 127))], 25)
    write_video(path, [picture(shape=(95, 127))], 25, pixel_format='yuv444p')
    assert read_video(path)[0][0].shape == (95, 127, 3)


def test_failed_videos_leave_nothing_behind(tmp_path):
    path = tmp_path / 'a.mkv'

    def broken():
        yield picture()
        raise RuntimeError('the renderer failed')

    with pytest.raises(RuntimeError, match='renderer'):
        write_video(path, broken(), 25)
    with pytest.raises(OptionError, match='at least one frame'):
        write_video(path, [], 25)
    with pytest.raises(OptionError, match='not one of'):
        write_video(path, [picture()], 25, 'vp9')
    with pytest.raises(OptionError, match='frame 1 is 64x48'):
        write_video(path, [picture(), picture(shape=(48, 64))], 25)
    assert os.listdir(tmp_path) == []


def test_jpegs_in_colour_and_grey(tmp_path):
    path = tmp_path / 'a.jpg'
    write_jpeg(path, picture(), 95)
    decoded = simplejpeg.decode_jpeg(path.read_bytes(), 'RGB')
    assert np.abs(decoded.astype(int) - picture()).mean() < 3
    write_jpeg(path, picture(), 95, grayscale=True)
    assert simplejpeg.decode_jpeg_header(path.read_bytes())[2].lower() == 'gray'
    grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert grey.ndim == 2
    expected = cv2.cvtColor(picture(), cv2.COLOR_RGB2GRAY)
    assert np.abs(grey.astype(int) - expected).mean() < 2


def test_pngs_are_lossless(tmp_path):
    write_png(tmp_path / 'a.png', picture())
    read = cv2.imread(str(tmp_path / 'a.png'))[..., ::-1]
    np.testing.assert_array_equal(read, picture())
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
    write_png(tmp_path / 'd.png', depth)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'd.png'), -1), depth)
    with pytest.raises(OptionError, match='ending'):
        write_image(tmp_path / 'a.bmp', picture())


def test_command_writes_a_contact_sheet(tmp_path, monkeypatch):
    path = tmp_path / 'sheet.png'
    monkeypatch.setattr(
        'sys.argv',
        ['simulate', '--out', str(path), '--seed', '1', '--rows', '1', '--columns', '1'],
    )
    command.main()
    assert cv2.imread(str(path)).shape == (360, 640, 3)
