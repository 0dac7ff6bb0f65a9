"""The code on docs/exports.md runs, and finds what is in the dataset."""

import os
import re

import numpy as np
import pytest

from posepile.export import FORMATS, export
from posepile.export.source import coords_of
from posepile.raw.images import decode_image
from posepile.util import TRAIN
from tests.export.samples import loaded, rich_dataset

PAGE = os.path.join(os.path.dirname(__file__), '..', '..', 'docs', 'exports.md')
with open(PAGE, encoding='utf-8') as f:
    BLOCKS = re.findall(r'^```python\n(.*?)^```', f.read(), re.M | re.S)


@pytest.fixture
def first(tmp_path, monkeypatch):
    """The first example of a dataset of which there are all exports in the current folder."""
    monkeypatch.chdir(tmp_path)
    dataset = rich_dataset(tmp_path, '3d')
    for to in FORMATS:
        export(dataset, to, 'walkers.h5' if to == 'hdf5' else f'walkers_{to}')
    light = dataset.examples[TRAIN][0]
    return light.load(), list(loaded(dataset, TRAIN).values())


def test_every_format_is_read_on_the_page(first):
    pytest.importorskip('webdataset')
    hdf5, webdataset, coco, humandata, parquet = (run(block) for block in BLOCKS)
    example, all_examples = first
    joints = coords_of(example)
    np.testing.assert_allclose(hdf5['joints'], joints, atol=1)
    assert len(hdf5['body']['pose']) == len((example.parameters or {}).get('pose', ()))
    last = all_examples[-1]
    np.testing.assert_array_equal(webdataset['example'].world_coords, last.world_coords)
    assert webdataset['image'].shape == (480, 400, 3)
    assert os.path.exists(coco['file']) and coco['mask'].shape == (480, 400)
    valid = ~np.isnan(joints[:, 0])
    assert [point is not None for point in coco['joints_mm']] == valid.tolist()
    xyz = humandata['keypoints'][0, :, :3]
    np.testing.assert_allclose(xyz[valid], joints[valid] / 1000, rtol=1e-5)
    np.testing.assert_allclose(humandata['cameras'][0], example.camera.R, atol=1e-6)
    np.testing.assert_array_equal(parquet['joints'], [ex.world_coords for ex in all_examples])
    np.testing.assert_array_equal(decode_image(parquet['jpeg']), example.image)


def run(code):
    names = {}
    exec(code, names)
    return names
