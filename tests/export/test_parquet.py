"""Rows as pyarrow reads them."""

import json

import numpy as np
import pytest

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.export import export
from posepile.export.plain import camera_from_plain, densepose_from_plain, mask_from_plain
from posepile.raw.images import decode_image
from posepile.util import SPLIT_NAMES, TRAIN
from tests.export.samples import assert_same_example, loaded, rich_dataset

pa = pytest.importorskip('pyarrow')
pq = pytest.importorskip('pyarrow.parquet')
ds = pytest.importorskip('pyarrow.dataset')


def example_of(row, kind):
    """The example in a row; shows what it takes to read one."""
    common = dict(
        image_path=row['image_path'],
        bbox=np.float32(row['bbox']),
        camera=row['camera'] and camera_from_plain(row['camera']),
        mask=row['mask'] and mask_from_plain(row['mask']),
    )
    if kind == '2d':
        densepose = row['densepose'] and densepose_from_plain(row['densepose'])
        return Pose2DExample(coords=np.float32(row['joints']), densepose=densepose, **common)
    parameters = row['parameters'] and {
        key: np.float32(value) if isinstance(value, list) else value
        for key, value in row['parameters'].items()
        if value is not None
    }
    univ = row['univ_joints']
    return Pose3DExample(
        world_coords=np.float32(row['joints']),
        univ_coords=None if univ is None else np.float32(univ),
        parameters=parameters,
        activity_name=row['activity'],
        scene_name=row['scene'],
        **common,
    )


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_everything_comes_back(tmp_path, kind):
    dataset = rich_dataset(tmp_path, kind)
    report = export(dataset, 'parquet', tmp_path / 'out', shard_size=3)
    assert report.lost == {}
    rows = ds.dataset([str(tmp_path / 'out' / f) for f in report.files]).to_table().to_pylist()
    for split, name in enumerate(SPLIT_NAMES):
        of_split = [row for row in rows if row['split'] == name]
        expected = loaded(dataset, split)
        assert [row['key'] for row in of_split] == list(expected)
        for row, light in zip(of_split, dataset.examples[split], strict=True):
            assert_same_example(example_of(row, kind), expected[row['key']])
            np.testing.assert_array_equal(decode_image(row['image']), light.load().image)


def test_types_and_metadata(tmp_path):
    dataset = rich_dataset(tmp_path, '3d')
    export(dataset, 'parquet', tmp_path / 'out', images=False)
    table = pq.read_table(tmp_path / 'out' / 'train-00000.parquet')
    about = json.loads(table.schema.metadata[b'posepile'])
    assert about['joint_names'] == dataset.joint_info.names and about['name'] == 'walkers'
    assert 'image' not in table.column_names
    joints = table['joints'].combine_chunks()
    assert joints.type == pa.list_(pa.list_(pa.float32(), 3), 17)
    # As one array, without a loop over the rows.
    array = joints.flatten().flatten().to_numpy().reshape(-1, 17, 3)
    expected = [ex.world_coords for ex in loaded(dataset, TRAIN).values()]
    np.testing.assert_array_equal(array, expected)


def test_row_groups_are_bounded(tmp_path, monkeypatch):
    from posepile.export import parquet

    monkeypatch.setattr(parquet, '_ROWS_AT_ONCE', 2)
    export(rich_dataset(tmp_path, '3d'), 'parquet', tmp_path / 'out', splits=[TRAIN])
    metadata = pq.ParquetFile(tmp_path / 'out' / 'train-00000.parquet').metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [2, 2, 1]
