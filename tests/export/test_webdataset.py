"""Tar shards as the webdataset package reads them."""

import json
import tarfile

import numpy as np
import pytest

from posepile.export import export
from posepile.export.plain import from_plain
from posepile.util import SPLIT_NAMES, TRAIN
from tests.export.samples import assert_same_example, loaded, rich_dataset

wds = pytest.importorskip('webdataset')


def read(shards, decode=True):
    dataset = wds.WebDataset([str(s) for s in shards], shardshuffle=False, empty_check=False)
    return list(dataset.decode('rgb8') if decode else dataset)


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_everything_comes_back(tmp_path, kind):
    dataset = rich_dataset(tmp_path, kind)
    report = export(dataset, 'webdataset', tmp_path / 'out', shard_size=2)
    assert report.lost == {}
    for split, name in enumerate(SPLIT_NAMES):
        expected = loaded(dataset, split)
        shards = sorted((tmp_path / 'out').glob(f'{name}-*.tar'))
        assert len(shards) == -(-len(expected) // 2)
        samples = read(shards) if shards else []
        assert [s['json']['key'] for s in samples] == list(expected)
        assert [s['__key__'] for s in samples] == [f'{i:09d}' for i in range(len(expected))]
        for sample, light in zip(samples, dataset.examples[split], strict=True):
            example = expected[sample['json']['key']]
            assert_same_example(from_plain(sample['json'], kind), example)
            # Another decoder of JPEGs rounds differently here and there.
            difference = np.abs(np.int16(sample['jpg']) - light.load().image)
            assert difference.max() <= 4 and difference.mean() < 0.5
    skeleton = json.loads((tmp_path / 'out' / 'skeleton.json').read_text())
    assert skeleton['joint_names'] == dataset.joint_info.names
    assert skeleton['kind'] == kind


def test_image_files_are_the_stored_ones(tmp_path):
    from posepile.storage import archive

    dataset = rich_dataset(tmp_path, '3d')
    export(dataset, 'webdataset', tmp_path / 'out', splits=[TRAIN])
    for sample in read((tmp_path / 'out').glob('*.tar'), decode=False):
        path = json.loads(sample['json'])['image_path']
        assert sample['jpg'] == archive.read_file(dataset.images_path, path)


def test_without_images(tmp_path):
    dataset = rich_dataset(tmp_path, '3d')
    report = export(dataset, 'webdataset', tmp_path / 'out', images=False)
    assert report.images == 0
    for shard in (tmp_path / 'out').glob('*.tar'):
        with tarfile.open(shard) as tar:
            assert all(name.endswith('.json') for name in tar.getnames())
            assert all((m.mtime, m.uid, m.uname, m.mode) == (0, 0, '', 0o644) for m in tar)
