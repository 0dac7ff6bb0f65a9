"""Tiny networks with random weights, and images to look at: what is found is arbitrary, but exact.

Nothing is downloaded, and Ultralytics keeps its settings to itself.
"""

import os

import pytest

os.environ.setdefault('YOLO_OFFLINE', 'true')
os.environ.setdefault('YOLO_AUTOINSTALL', 'false')
os.environ.setdefault('YOLO_VERBOSE', 'false')


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """The tests are small, and the machine may be busy."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    """{name: path} of files of weights: heads without and with suppression, and our own format."""
    from tests.detection.networks import save_networks

    return save_networks(tmp_path_factory.mktemp('weights'))


@pytest.fixture(scope='session')
def network(weights):
    """YOLO26's head, in float32 on the CPU."""
    return load(weights['two heads'])


@pytest.fixture(scope='session')
def classic(weights):
    """YOLO11's head."""
    return load(weights['classic'])


def load(path):
    from posepile.detection.network import PeopleNetwork

    return PeopleNetwork(path, 'cpu')


@pytest.fixture(scope='session')
def photos(tmp_path_factory):
    """A folder of 13 images of four shapes, two files that are none, and a text file."""
    from posepile.raw.images import encode_jpeg
    from tests.detection.networks import picture

    folder = tmp_path_factory.mktemp('photos')
    (folder / 'sub').mkdir()
    shapes = [(96, 64), (64, 96), (64, 64), (200, 120)]
    for i in range(13):
        place = folder / 'sub' if i % 3 == 0 else folder
        (place / f'{i:02d}.jpg').write_bytes(encode_jpeg(picture(*shapes[i % 4], i)))
    (folder / '05_empty.jpg').write_bytes(b'')
    (folder / 'sub' / '07_broken.jpg').write_bytes((folder / '07.jpg').read_bytes()[:400])
    (folder / 'notes.txt').write_text('no image')
    return folder
