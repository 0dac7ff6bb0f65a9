"""Commands on products that are collections of images."""

import json
import re

import cv2
import numpy as np
import pytest

from posepile.cli import main
from posepile.datasets3d import get_dataset
from posepile.errors import OptionError
from posepile.raw.images import encode_jpeg
from posepile.registry import find_dataset
from posepile.simulate.true_images import TrueImage, save_true_images
from posepile.storage.image_collection import encode_cutout, write_images


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


RED = np.full((60, 90, 3), (250, 20, 30), np.uint8)


@pytest.fixture
def packed(data_root):
    """30 red things of which the right half is transparent, and 3 blue places."""
    opacity = np.repeat([[1.0, 0.0]], 45, axis=1).repeat(60, axis=0)
    thing = encode_cutout(RED, opacity)
    write_images(find_dataset('pascal_voc'), ((f'{i:02d}.png', thing) for i in range(30)))
    save_true_images('pascal_voc', [TrueImage(f'{i:02d}.png', RED, opacity) for i in range(30)])
    place = encode_jpeg(np.full((512, 512, 3), (20, 30, 240), np.uint8))
    write_images(find_dataset('inria_holidays'), ((f'{i}.jpg', place) for i in range(3)))
    return data_root


def test_list(packed, capsys):
    assert main(['list']) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert re.search(r'  occluders +-  +-  .*packed$', rows['pascal_voc'])
    assert 'packed' not in rows['pascal_voc_0based']
    assert re.search(r'  backgrounds +-  +-  .*packed$', rows['inria_holidays'])


def test_info(packed, capsys):
    assert main(['info', 'pascal_voc']) == 0
    fields = dict(
        line.split(None, 1) for line in capsys.readouterr().out.splitlines()[2:14] if line
    )
    assert fields['kind'] == 'occluders' and fields['images'] == '30'
    assert not {'joints', 'splits', 'parameters', 'benchmark'} & set(fields)
    assert main(['info', 'inria_holidays', '--json']) == 0
    content = json.loads(capsys.readouterr().out)
    assert content['images'] == 3 and content['expected'] == {'photographs': 1491}
    assert main(['info', 'pascal_voc_0based', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['images'] is None


def test_show(packed, tmp_path):
    out = str(tmp_path / 'sheet.png')
    assert main(['show', 'pascal_voc', '--n', '8', '--width', '800', '--out', out]) == 0
    sheet = cv2.imread(out)[..., ::-1].astype(int)
    assert sheet.shape[1] == 800
    is_red = np.abs(sheet - RED[0, 0]).max(axis=2) < 8
    n_things = cv2.connectedComponents(is_red.astype(np.uint8))[0] - 1
    assert n_things == 8
    rows, columns = np.nonzero(is_red)
    one = columns < columns.min() + 150
    width, height = np.ptp(columns[one & (rows < rows.min() + 150)]), 60 * 176 / 90
    assert width == pytest.approx(45 * 176 / 90, rel=0.1)  # half of it is transparent
    # Beside it the two greys of the checkerboard show.
    beside = sheet[rows.min() : rows.min() + int(height / 2), columns.min() + int(width) + 9 :][
        :, :60
    ]
    assert {tuple(pixel) for pixel in beside.reshape(-1, 3)} == {(70,) * 3, (96,) * 3}
    assert main(['show', 'inria_holidays', '--width', '320', '--out', out]) == 0
    blue = np.abs(cv2.imread(out)[..., ::-1].astype(int) - (20, 30, 240)).max(axis=2) < 8
    assert cv2.connectedComponents(blue.astype(np.uint8))[0] - 1 == 3


@pytest.mark.parametrize('deep', [[], ['--deep']])
def test_verify(packed, capsys, deep):
    assert main(['verify', 'pascal_voc', '--truth', *deep]) == 0
    out = capsys.readouterr().out
    assert '30 images compared' in out and out.splitlines()[-1] == 'OK'
    path = str(packed / 'packed' / 'inria_holidays' / 'images.barecat')
    assert main(['verify', path, *deep, '--json']) == 0
    report = json.loads(capsys.readouterr().out)
    assert report['images'] == 3 and report['kind'] == 'backgrounds' and report['problems'] == []


def test_verify_tells_what_differs_from_the_truth(packed, capsys):
    save_true_images('pascal_voc', [TrueImage('00.png', RED, np.ones((60, 90)))])
    assert main(['verify', 'pascal_voc', '--truth']) == 1
    out = capsys.readouterr().out
    assert '29 images should not be there' in out and 'the opacity of 00.png is 1.000 off' in out
    save_true_images('inria_holidays', [TrueImage('9.jpg', RED)])
    assert main(['verify', 'inria_holidays', '--truth', '--json']) == 1
    truth = json.loads(capsys.readouterr().out)['truth']
    assert truth['missing'] == ['9.jpg'] and len(truth['unexpected']) == 3


@pytest.mark.parametrize(
    'args, message',
    [
        (['show', 'pascal_voc', '--out', 'x.png', '--split', 'val'], 'has no splits'),
        (['verify', 'pascal_voc', '--quarantine', 'q'], 'pack pascal_voc again'),
        (['show', 'pascal_voc_0based', '--out', 'x.png'], 'posepile run pascal_voc_0based'),
        (['verify', 'pascal_voc_0based'], 'posepile run pascal_voc_0based'),
        (['export', 'pascal_voc', '--to', 'coco', '--out', 'x'], 'holds occluders'),
        (['eval', 'pascal_voc'], 'has no benchmark'),
    ],
)
def test_what_makes_no_sense_is_told(packed, monkeypatch, capsys, args, message):
    monkeypatch.chdir(packed)
    assert main(args) == 1
    assert message in capsys.readouterr().err


def test_they_are_no_datasets_of_poses(packed):
    with pytest.raises(OptionError, match='holds occluders, not poses'):
        get_dataset('pascal_voc')
