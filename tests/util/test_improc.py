import os

import cv2
import numpy as np
import pytest

from posepile.errors import RawDataError
from posepile.raw.images import encode_jpeg
from posepile.util import improc


@pytest.fixture
def rgb():
    noise = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return cv2.resize(noise, (84, 62), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


def test_writing_and_reading_below_data_root(rgb, data_root):
    improc.imwrite_jpeg(rgb, 'new/folder/a.jpg')
    assert os.listdir(data_root / 'new/folder') == ['a.jpg']
    assert (data_root / 'new/folder/a.jpg').read_bytes() == encode_jpeg(rgb, 95)
    for path in ('new/folder/a.jpg', b'new/folder/a.jpg', data_root / 'new/folder/a.jpg'):
        image = improc.imread(path)
        assert np.abs(image.astype(int) - rgb).mean() < 3
        assert improc.image_extents(path) == (84, 62)
    dst = np.zeros_like(rgb)
    assert improc.imread('new/folder/a.jpg', dst=dst) is dst
    np.testing.assert_array_equal(dst, image)
    assert improc.imread('new/folder/a.jpg', scale=0.5).shape == (31, 42, 3)


def test_failed_write_leaves_nothing(data_root, rgb):
    with pytest.raises(ValueError):
        improc.imwrite_jpeg(rgb.astype(float), 'a.jpg')
    os.mkdir(data_root / 'b.jpg')
    with pytest.raises(IsADirectoryError):
        improc.imwrite_jpeg(rgb, 'b.jpg')
    assert os.listdir(data_root) == ['b.jpg']


def test_png(data_root, rgb):
    cv2.imwrite(str(data_root / 'a.png'), rgb[..., ::-1])
    np.testing.assert_array_equal(improc.imread('a.png'), rgb)
    assert improc.is_image_readable('a.png')
    assert improc.imread('a.png', scale=0.5).shape == (31, 42, 3)


@pytest.mark.parametrize('decode', [improc.decode_jpeg, improc.decode_jpeg_bytes])
def test_decode_jpeg(data_root, rgb, decode):
    data = encode_jpeg(rgb)
    (data_root / 'a.jpg').write_bytes(data)
    expected = improc.imread('a.jpg')
    for source in ('a.jpg', data, bytearray(data), np.frombuffer(data, np.uint8)):
        np.testing.assert_array_equal(decode(source), expected)
        assert decode(source, scale=0.25).shape == (16, 21, 3)
        assert improc.decode_imsize_jpeg(source) == (84, 62)
        assert improc.is_jpeg_readable(source)
    dst = np.zeros_like(rgb)
    assert decode(data, dst) is dst and np.array_equal(dst, expected)


def test_unreadable(data_root, rgb):
    data = encode_jpeg(rgb)[:-100]
    (data_root / 'a.jpg').write_bytes(data)
    assert not improc.is_image_readable('a.jpg')
    assert not improc.is_image_readable('missing.jpg')
    assert not improc.is_jpeg_readable(data)
    assert not improc.is_jpeg_readable(b'')
    with pytest.raises(RawDataError):
        improc.decode_imsize_jpeg(b'nothing')


def test_resize_by_factor(rgb):
    assert improc.resize_by_factor(rgb, 0.3).shape == (19, 25, 3)
    assert improc.resize_by_factor(rgb, 1.5).shape == (93, 126, 3)
    np.testing.assert_array_equal(
        improc.resize_by_factor(rgb, 0.5), cv2.resize(rgb, (42, 31), interpolation=cv2.INTER_AREA)
    )


def test_adjust_gamma(rgb):
    expected = np.array([int(255 * (v / 255) ** 0.67) for v in rgb.ravel()]).reshape(rgb.shape)
    image = rgb.copy()
    np.testing.assert_array_equal(improc.adjust_gamma(image, 0.67), expected)
    np.testing.assert_array_equal(image, rgb)
    assert improc.adjust_gamma(image, 0.67, inplace=True) is image
    np.testing.assert_array_equal(image, expected)


def test_white_balance(rgb):
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    expected = lab.copy()
    expected[..., 1] -= (110 - 128) * (lab[..., 0] / 255) * 1.1
    expected[..., 2] -= (145 - 128) * (lab[..., 0] / 255) * 1.1
    expected = cv2.cvtColor(expected.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    np.testing.assert_array_equal(improc.white_balance(rgb, 110, 145), expected)
    tinted = rgb // 2 + np.array([60, 0, 0], np.uint8)
    before = np.ptp(tinted.mean((0, 1)))
    assert np.ptp(improc.white_balance(tinted).mean((0, 1))) < 0.7 * before


def test_normalize01(rgb):
    scaled = improc.normalize01(rgb)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, rgb / 255, rtol=1e-6)
    dst = np.empty_like(scaled)
    assert improc.normalize01(rgb, dst) is dst


def test_blend_image():
    a, b = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert (improc.blend_image(a, b, 0.25) == 125).all()
    weights = np.array([[0, 1], [0.5, 0.999]])
    assert improc.blend_image(a, b, weights)[..., 0].tolist() == [[100, 200], [150, 199]]


@pytest.mark.parametrize('center', [(3, 4), (0, 0), (9.6, 7.4), (5, 8), (-20, 3), (30, 30)])
def test_paste_over(center):
    rng = np.random.default_rng(1)
    src, dst = rng.integers(0, 256, (5, 4, 3), np.uint8), rng.integers(0, 256, (9, 10, 3), np.uint8)
    alpha = rng.random((5, 4)).astype(np.float32)
    expected = dst.copy()
    left, top = round(center[0]) - 2, round(center[1]) - 2
    for y in range(5):
        for x in range(4):
            if 0 <= top + y < 9 and 0 <= left + x < 10:
                d = dst[top + y, left + x].astype(np.float32)
                mixed = d * (1 - alpha[y, x]) + src[y, x].astype(np.float32) * alpha[y, x]
                expected[top + y, left + x] = mixed.astype(np.uint8)
    before = dst.copy()
    np.testing.assert_array_equal(improc.paste_over(src, dst, alpha, center), expected)
    np.testing.assert_array_equal(dst, before)
    assert improc.paste_over(src, dst, alpha, center, inplace=True) is dst
    np.testing.assert_array_equal(dst, expected)
