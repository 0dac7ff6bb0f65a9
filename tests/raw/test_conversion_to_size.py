"""Images and frames that come out small because only that is wanted."""

from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from posepile.errors import RawDataError
from posepile.raw.images import decode_image, decode_jpeg_at_least, encode_jpeg
from posepile.raw.video import VideoFrames, upright_rgb, upright_shape
from tests.raw.test_video import H, N, W, make_video


def smooth(width, height):
    texture = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    return cv2.resize(texture, (width, height), interpolation=cv2.INTER_CUBIC)


@hypothesis.settings(max_examples=60)
@hypothesis.given(*[st.integers(1, 200)] * 4)
def test_fewest_eighths_that_suffice(width, height, wanted_width, wanted_height):
    data = encode_jpeg(np.zeros((height, width, 3), np.uint8))
    found = decode_jpeg_at_least(data, (wanted_width, wanted_height)).shape[1::-1]
    sizes = [(-(-width * n // 8), -(-height * n // 8)) for n in range(1, 9)]
    enough = [s for s in sizes if s[0] >= wanted_width and s[1] >= wanted_height]
    assert found == (enough[0] if enough else (width, height))


def test_pixels_are_those_of_the_image():
    image = smooth(400, 240)
    found = decode_jpeg_at_least(encode_jpeg(image), (90, 50))
    assert found.shape == (60, 100, 3)
    expected = cv2.resize(image, (100, 60), interpolation=cv2.INTER_AREA)
    assert abs(found.astype(int) - expected).mean() < 2


def test_what_is_no_jpeg_or_a_damaged_one():
    data = encode_jpeg(smooth(64, 48))
    for bad in (b'', b'text', cv2.imencode('.png', smooth(8, 8))[1].tobytes(), data[:300]):
        with pytest.raises(RawDataError, match='here.jpg'):
            decode_jpeg_at_least(bad, (8, 8), 'here.jpg')
    with pytest.raises(RawDataError, match='here.jpg'):
        decode_jpeg_at_least(data[:-400], (8, 8), 'here.jpg')


def test_grey_and_cmyk():
    import io

    from PIL import Image

    image = smooth(64, 48)
    for mode in ('L', 'CMYK'):
        file = io.BytesIO()
        Image.fromarray(image).convert(mode).save(file, 'jpeg', quality=95)
        found = decode_jpeg_at_least(file.getvalue(), (64, 48))
        np.testing.assert_array_equal(found, decode_image(file.getvalue()))
        small = decode_jpeg_at_least(file.getvalue(), (8, 6))
        assert small.ndim == 3 and small.shape[2] == 3


@pytest.fixture(scope='module', params=[0, 90, 180, 270])
def frames(request, tmp_path_factory):
    path = make_video(tmp_path_factory.mktemp('turned') / 'a.mp4', rotation=request.param)
    return [frame for _, frame in VideoFrames(path).raw_frames(range(0, N, 10))]


def test_frames_are_upright_at_any_size(frames):
    for frame in frames:
        whole = upright_rgb(frame)
        assert whole.shape[:2] == upright_shape(frame)
        assert sorted(whole.shape[:2]) == sorted([W, H])
        height, width = whole.shape[:2]
        np.testing.assert_array_equal(upright_rgb(frame, (width, height)), whole)
        for size in ((width // 2, height // 2), (width * 2, height * 2)):
            found = upright_rgb(frame, size)
            assert found.shape == (size[1], size[0], 3) and found.flags.c_contiguous
            expected = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
            inner = np.s_[4:-4, 4:-4]
            assert abs(found.astype(int) - expected)[inner].mean() < 3


def test_raw_frames_are_frames(tmp_path):
    source = VideoFrames(make_video(tmp_path / 'a.mp4'))
    raw = [(i, upright_rgb(frame)) for i, frame in source.raw_frames(range(1, N, 3))]
    for (i, a), (j, b) in zip(raw, source.frames(range(1, N, 3)), strict=True):
        assert i == j
        np.testing.assert_array_equal(a, b)


def test_frames_may_be_converted_by_several_threads(frames):
    sizes = [(24, 32), (50, 30), (33, 17)]
    jobs = [(frame, size) for frame in frames for size in sizes] * 3
    expected = [upright_rgb(*job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(pool.map(lambda job: upright_rgb(*job), jobs), expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('colorspace', [1, 5, 9], ids=['BT.709', 'BT.601', 'BT.2020'])
@pytest.mark.parametrize('is_full', [False, True])
def test_colours_do_not_depend_on_the_size(colorspace, is_full):
    rgb = np.full((48, 64, 3), (200, 60, 30), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format='rgb24').reformat(
        format='yuv420p', dst_colorspace=colorspace, dst_color_range=2 if is_full else 1
    )
    frame.colorspace, frame.color_range = colorspace, 2 if is_full else 1
    whole = upright_rgb(frame)[24, 32].astype(int)
    for size in ((32, 24), (128, 96)):
        small = upright_rgb(frame, size)[size[1] // 2, size[0] // 2]
        assert abs(small - whole).max() <= 2
    assert abs(whole - rgb[0, 0]).max() <= 3
