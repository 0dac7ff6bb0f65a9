"""Images that end early are found, wherever they end."""

import cv2
import numpy as np
import pytest

from posepile.errors import RawDataError
from posepile.storage.contents import image_file, size_of_intact
from tests.storage.packed_samples import make_example


def encoded(extension, *options):
    rgb = make_example(0)[1]
    return cv2.imencode(extension, rgb, options)[1].tobytes()


IMAGES = {
    'baseline': encoded('.jpg', cv2.IMWRITE_JPEG_QUALITY, 90),
    'progressive': encoded('.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'restart markers': encoded('.jpg', cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    'png': encoded('.png'),
}


@pytest.mark.parametrize('name', IMAGES)
def test_truncated_images(name):
    data = IMAGES[name]
    assert size_of_intact(data) == (400, 480)
    for n_missing in [1, 2, 3, 4, 10, *np.linspace(20, len(data), 15).astype(int)]:
        assert isinstance(size_of_intact(data[:-n_missing]), RawDataError), n_missing


def test_images_with_a_hole():
    data = IMAGES['baseline']
    middle = len(data) // 2
    holed = data[:middle] + bytes(2000) + data[middle + 2000 :]
    assert isinstance(size_of_intact(holed), RawDataError)


@pytest.mark.parametrize('path', ['/a.jpg', '../a.jpg', 'a/../../b.jpg', 'a\0b.jpg'])
def test_paths_that_lead_elsewhere_are_no_files(monkeypatch, tmp_path, path):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    assert image_file(path) == ''
    assert image_file('a/b..jpg') == str(tmp_path / 'a' / 'b..jpg')


def test_no_data_root(monkeypatch):
    monkeypatch.delenv('DATA_ROOT', raising=False)
    assert image_file('a.jpg') == ''
