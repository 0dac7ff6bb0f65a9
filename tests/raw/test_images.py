import io
import os
import pathlib
import struct

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from posepile.errors import RawDataError
from posepile.raw.frames import FrameSource
from posepile.raw.images import ImageFiles, decode_image, encode_jpeg, image_size, read_image

H, W = 61, 83
SAMPLES = pathlib.Path(
    os.environ.get('POSEPILE_SAMPLES')
    or pathlib.Path(__file__).parents[2].parent / 'shared' / 'samples'
)


@pytest.fixture(scope='module')
def rgb():
    noise = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return cv2.resize(noise, (W, H), interpolation=cv2.INTER_LINEAR)


def saved(rgb, format, mode='RGB', **options):
    buffer = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def assert_close(a, b, tolerance):
    assert a.shape == b.shape and a.dtype == np.uint8
    assert np.abs(a.astype(int) - b).mean() <= tolerance


@pytest.mark.parametrize(
    'format, options, tolerance',
    [
        ('PNG', {}, 0),
        ('BMP', {}, 0),
        ('TIFF', {}, 0),
        ('WEBP', {'lossless': True}, 0),
        ('JPEG', {'quality': 95}, 2),
        ('JPEG', {'quality': 95, 'progressive': True}, 2),
        ('JPEG', {'quality': 95, 'subsampling': 0}, 1),
    ],
)
def test_formats(rgb, format, options, tolerance):
    assert_close(decode_image(saved(rgb, format, **options)), rgb, tolerance)


MODES = [('PNG', m) for m in ('L', '1', 'P', 'RGBA', 'LA')]
MODES += [('JPEG', m) for m in ('L', 'CMYK', 'YCbCr')]


@pytest.mark.parametrize('format, mode', MODES)
def test_all_modes_become_rgb(rgb, format, mode):
    expected = np.asarray(Image.fromarray(rgb).convert(mode).convert('RGB'))
    assert_close(decode_image(saved(rgb, format, mode)), expected, 2 if format == 'JPEG' else 0)


def test_sixteen_bits(rgb):
    data = cv2.imencode('.png', rgb[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert_close(decode_image(data), rgb, 0)
    grey = cv2.imencode('.png', rgb[..., 0].astype(np.uint16) * 257)[1].tobytes()
    assert_close(decode_image(grey), np.repeat(rgb[..., :1], 3, axis=2), 0)


@pytest.mark.parametrize('format', ['JPEG', 'PNG'])
def test_exif_rotation_is_not_applied(rgb, tmp_path, format):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / 'a'
    path.write_bytes(saved(rgb, format, exif=exif))
    assert read_image(path).shape == (H, W, 3)
    assert image_size(path) == (W, H)


@pytest.mark.parametrize('scale', [2, 15 / 8, 1, 7 / 8, 3 / 4, 1 / 2, 3 / 8, 1 / 4, 1 / 8, 0.3])
@pytest.mark.parametrize('format', ['JPEG', 'PNG'])
def test_scale(rgb, format, scale):
    image = decode_image(saved(rgb, format), scale)
    assert image.shape == (int(np.ceil(H * scale)), int(np.ceil(W * scale)), 3)
    reference = cv2.resize(rgb, image.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - reference).mean() < (6 if scale > 1 / 8 else 10)


@pytest.mark.parametrize('share', [0, 0.01, 0.3, 0.7, 0.99])
@pytest.mark.parametrize('format', ['JPEG', 'PNG', 'BMP'])
def test_truncated(rgb, tmp_path, format, share):
    data = saved(rgb, format)
    path = tmp_path / 'broken.img'
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RawDataError, match=r'broken\.img'):
        read_image(path)


def test_damaged(rgb):
    jpeg, png = bytearray(saved(rgb, 'JPEG')), bytearray(saved(rgb, 'PNG'))
    middle = (jpeg.index(b'\xff\xda') + len(jpeg)) // 2
    jpeg[middle : middle + 2] = b'\xff\xd3'
    png[len(png) // 2] ^= 0xFF
    for data in (jpeg, png):
        with pytest.raises(RawDataError):
            decode_image(bytes(data))


def test_stray_bytes_do_no_harm(rgb):
    data = saved(rgb, 'JPEG')
    padded = data[:-2] + bytes(50) + data[-2:]
    with pytest.raises(ValueError, match='extraneous bytes'):
        simplejpeg.decode_jpeg(padded)
    np.testing.assert_array_equal(decode_image(padded), decode_image(data))


@pytest.mark.parametrize('data', [b'', b'x', b'<html>' * 50, b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'])
def test_not_an_image(tmp_path, data):
    path = tmp_path / 'a.jpg'
    path.write_bytes(data)
    for read in (read_image, image_size):
        with pytest.raises(RawDataError, match=r'a\.jpg'):
            read(path)
    with pytest.raises(RawDataError, match='no such image file'):
        image_size(tmp_path / 'b.jpg')


@pytest.mark.parametrize('format', ['JPEG', 'PNG', 'BMP', 'WEBP', 'TIFF'])
def test_size(rgb, tmp_path, format):
    (tmp_path / 'a').write_bytes(saved(rgb, format))
    assert image_size(tmp_path / 'a') == (W, H)


@pytest.mark.parametrize('format', ['JPEG', 'PNG'])
def test_size_comes_from_the_header(rgb, tmp_path, format):
    data = saved(rgb, format)
    cut = data.index(b'\xff\xda') + 30 if format == 'JPEG' else 40
    (tmp_path / 'a').write_bytes(data[:cut])
    assert image_size(tmp_path / 'a') == (W, H)


def test_size_behind_a_long_comment(rgb, tmp_path):
    data = saved(rgb, 'JPEG')
    comment = b'\xff\xfe' + struct.pack('>H', 60_002) + bytes(60_000)
    (tmp_path / 'a').write_bytes(data[:2] + comment * 3 + data[2:])
    assert image_size(tmp_path / 'a') == (W, H)


def test_encoding(rgb):
    data = encode_jpeg(rgb)
    assert data == encode_jpeg(np.asfortranarray(rgb)) == encode_jpeg(rgb.copy())
    assert simplejpeg.decode_jpeg_header(data) == (H, W, 'YCbCr', '420')
    assert_close(decode_image(data), rgb, 2)
    assert len(encode_jpeg(rgb, 50)) < len(data)
    for wrong in (rgb[..., 0], rgb.astype(np.float32), rgb[..., :2]):
        with pytest.raises(ValueError, match='uint8'):
            encode_jpeg(wrong)


@pytest.fixture
def sequence(rgb, tmp_path):
    paths = [tmp_path / f'{i:04d}.png' for i in range(6)]
    for i, path in enumerate(paths):
        path.write_bytes(saved(np.roll(rgb, i, axis=1), 'PNG'))
    return [str(p) for p in paths]


@pytest.mark.parametrize('as_function', [False, True])
def test_image_files(rgb, sequence, as_function):
    source = ImageFiles(sequence.__getitem__ if as_function else sequence)
    assert isinstance(source, FrameSource) and source.imshape == (H, W)
    got = list(source.frames([0, 2, 5]))
    assert [i for i, _ in got] == [0, 2, 5]
    for i, image in got:
        np.testing.assert_array_equal(image, np.roll(rgb, i, axis=1))


def test_image_files_end_and_are_skipped(sequence, caplog):
    os.unlink(sequence[1])
    with open(sequence[3], 'r+b') as f:
        f.truncate(500)
    bad = []
    source = ImageFiles(sequence)
    got = [i for i, _ in source.frames(range(1000), lambda *args: bad.append(args))]
    assert got == [0, 2, 4, 5]
    assert [i for i, _ in bad] == [1, 3] and 'no such image' in bad[0][1]
    list(source.frames(range(3)))
    assert 'frame 1' in caplog.text
    with pytest.raises(ValueError, match='increase'):
        list(source.frames([2, 2]))
    with pytest.raises(ValueError, match='no image files'):
        _ = ImageFiles([]).imshape


def test_real_images():
    paths = sorted((SAMPLES / 'coco').glob('*.jpg')) + sorted(SAMPLES.glob('posetrack18/**/*.jpg'))
    if not paths:
        pytest.skip(f'no sample images in {SAMPLES}')
    for path in paths:
        image = read_image(path)
        theirs = np.asarray(Image.open(path).convert('RGB'))
        assert_close(image, theirs, 1.5)
        assert image_size(path) == image.shape[1::-1]
