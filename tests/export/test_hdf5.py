"""The HDF5 layout as h5py reads it."""

import zlib

import numpy as np
import pytest
import rlemasklib

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DDataset, Pose3DExample
from posepile.export import export
from posepile.export.hdf5 import more_type, row_type
from posepile.storage.records import decode_camera
from posepile.util import SPLIT_NAMES, TRAIN
from tests.export.samples import (
    assert_same_example,
    assert_same_mask,
    loaded,
    rich_dataset,
)
from tests.storage.packed_samples import JOINT_INFO, make_example

h5py = pytest.importorskip('h5py')


def exported(tmp_path, kind, **options):
    dataset = rich_dataset(tmp_path, kind)
    report = export(dataset, 'hdf5', tmp_path / 'out.h5', **options)
    return dataset, report, h5py.File(tmp_path / 'out.h5')


def dense(pose, n_joints, n_dims):
    """(n_joints, n_dims) coordinates by the rule of the layout."""
    rows = pose['coords_fp32'] if len(pose['coords_fp32']) else pose['coords_fp16']
    rows = np.float32(rows).reshape(-1, n_dims)
    coords = np.full((n_joints, n_dims), np.nan, np.float32)
    if len(pose['row_indices']):
        coords[pose['row_indices']] = rows
    elif len(rows):
        coords[:] = rows
    return coords


def example_of(row, more, kind, n_joints):
    """The example in a row of a split and the same row of ``more``."""
    encoded = row['camera']
    camera = None
    if more['has_camera']:
        camera = decode_camera(
            dict(
                rotvec_w2c=encoded['rotvec_world_to_camera'],
                loc=encoded['optical_center'],
                intr=encoded['intrinsic_matrix'],
                distcoef=encoded['distortion_coeffs'],
                up=more['camera_world_up'],
            )
        )
    mask = bytes(row['mask_zipped_runlengths'])
    size = [int(n) for n in row['imshape']]
    common = dict(
        image_path=row['image_path'].decode(),
        bbox=more['bbox_fp32'],
        camera=camera,
        mask=dict(size=size, counts=zlib.decompress(mask)) if mask else None,
    )
    if kind == '2d':
        points, i_faces, barycentric = more['densepose']
        densepose = (points.reshape(-1, 2), i_faces, barycentric.reshape(-1, 3))
        return Pose2DExample(
            coords=dense(row['pose2d_image'], n_joints, 2),
            densepose=densepose if len(i_faces) else None,
            **common,
        )
    saved, parameters = more['parameters'], {}
    for key in saved.dtype.names:
        value = saved[key]
        if isinstance(value, bytes):
            value = value.decode()
        if len(value) if np.ndim(value) or isinstance(value, str) else not np.isnan(value):
            parameters[key] = value
    univ = more['univ_coords']
    return Pose3DExample(
        world_coords=dense(row['pose3d_world'], n_joints, 3),
        univ_coords=univ.reshape(-1, 3) if len(univ) else None,
        parameters=parameters or None,
        activity_name=more['activity'].decode(),
        scene_name=more['scene'].decode(),
        **common,
    )


@pytest.mark.parametrize('kind', ['3d', '2d'])
@pytest.mark.parametrize('rows_at_once', [2, 1000])
def test_everything_comes_back(tmp_path, kind, rows_at_once, monkeypatch):
    from posepile.export import hdf5

    monkeypatch.setattr(hdf5, '_ROWS_AT_ONCE', rows_at_once)
    dataset, report, file = exported(tmp_path, kind)
    assert report.lost == {}
    n_joints = dataset.joint_info.n_joints
    for split, name in enumerate(SPLIT_NAMES):
        expected = list(loaded(dataset, split).values())
        assert (name in file) == bool(expected)
        for i, example in enumerate(expected):
            actual = example_of(file[name][i], file['more'][name][i], kind, n_joints)
            assert_same_example(actual, example, coords_atol=1)


def test_the_documented_fields_and_types(tmp_path):
    dataset, _, file = exported(tmp_path, '3d')
    group = file['joint_info']
    assert group['joint_names'].asstr()[()].tolist() == dataset.joint_info.names
    assert [tuple(e) for e in group['joint_edges'][()]] == dataset.joint_info.stick_figure_edges
    np.testing.assert_array_equal(group['train_bone_lengths'][()], dataset.train_bones)
    assert 'trainval_bone_lengths' not in group  # the dataset has none
    table = file['train']
    assert table.shape == (5,)
    assert table.dtype.names == (
        'image_path', 'imshape', 'mask_zipped_runlengths', 'bbox', 'pose3d_world', 'camera',
    )  # fmt: skip
    assert h5py.check_string_dtype(table.dtype['image_path']).encoding == 'utf-8'
    assert table.dtype['imshape'] == np.dtype(('<u2', (2,)))
    assert table.dtype['bbox'] == np.dtype(('<i2', (4,)))
    kinds = {
        ('pose3d_world', 'coords_fp32'): np.float32,
        ('pose3d_world', 'coords_fp16'): np.float16,
        ('pose3d_world', 'row_indices'): np.uint16,
        ('camera', 'distortion_coeffs'): np.float32,
    }
    for (outer, inner), expected in kinds.items():
        assert h5py.check_vlen_dtype(table.dtype[outer][inner]) == expected
    shapes = {'rotvec_world_to_camera': (3,), 'optical_center': (3,), 'intrinsic_matrix': (2, 3)}
    for key, shape in shapes.items():
        assert table.dtype['camera'][key] == np.dtype(('<f4', shape))
    assert row_type('3d').names == table.dtype.names
    assert more_type('3d').names == file['more/train'].dtype.names


def test_the_rules_of_the_layout(tmp_path):
    dataset, _, file = exported(tmp_path, '3d')
    n_half = n_full = 0
    for split, name in enumerate(SPLIT_NAMES):
        for row, example in zip(file[name], loaded(dataset, split).values(), strict=True):
            np.testing.assert_array_equal(row['bbox'], np.round(example.bbox))
            height, width = row['imshape']
            assert (height, width) == (480, 400)
            pose = row['pose3d_world']
            half, full = pose['coords_fp16'], pose['coords_fp32']
            assert not (len(half) and len(full))
            coords = example.world_coords
            valid = ~np.isnan(coords[:, 0])
            rows = coords[valid]
            with np.errstate(over='ignore'):
                is_precise = np.all(np.abs(np.float32(np.float16(rows)) - rows) <= 1)
            n_half, n_full = n_half + bool(len(half)), n_full + bool(len(full))
            assert bool(len(full)) == (not is_precise)
            assert len(pose['row_indices']) == (0 if np.all(valid) else valid.sum())
    assert n_half and n_full


@pytest.mark.parametrize('y, is_half', [(2049, True), (4099, True), (4098.5, False), (1e5, False)])
def test_float16_where_it_moves_no_joint_by_more_than_a_millimetre(tmp_path, y, is_half):
    example, _ = make_example(0)
    example.world_coords = np.float32([[1, y, 3]] * 17)
    export(Pose3DDataset(JOINT_INFO, [example]), 'hdf5', tmp_path / 'x.h5')
    with h5py.File(tmp_path / 'x.h5') as file:
        pose = file['train'][0]['pose3d_world']
    assert (len(pose['coords_fp16']), len(pose['coords_fp32'])) == ((51, 0) if is_half else (0, 51))
    np.testing.assert_allclose(dense(pose, 17, 3), example.world_coords, atol=1, rtol=0)


def test_sizes_of_images_without_masks(tmp_path):
    """They are read from the image."""
    _, _, file = exported(tmp_path, '3d', splits=[TRAIN])
    rows = [row for row in file['train'] if len(row['mask_zipped_runlengths']) == 0]
    assert len(rows) == 1 and rows[0]['imshape'].tolist() == [480, 400]


def test_masks_are_cocos_run_lengths(tmp_path):
    dataset, _, file = exported(tmp_path, '3d')
    mask_utils = pytest.importorskip('pycocotools.mask')
    row, example = file['val'][0], next(iter(loaded(dataset, 1).values()))
    rle = dict(size=row['imshape'].tolist(), counts=zlib.decompress(row['mask_zipped_runlengths']))
    np.testing.assert_array_equal(mask_utils.decode(rle), rlemasklib.decode(example.mask))
    assert_same_mask(rle, example.mask)


def test_boxes_out_of_range_do_not_wrap(tmp_path):
    example, _ = make_example(0)
    example.bbox = np.float32([-40000, 5, 70000, 1.6])
    export(Pose3DDataset(JOINT_INFO, [example]), 'hdf5', tmp_path / 'x.h5')
    with h5py.File(tmp_path / 'x.h5') as file:
        assert file['train'][0]['bbox'].tolist() == [-32768, 5, 32767, 2]
        assert file['more/train'][0]['bbox_fp32'].tolist() == example.bbox.tolist()


def test_a_failed_export_leaves_the_old_file(tmp_path, monkeypatch):
    from posepile.errors import ArchiveError
    from posepile.export import hdf5

    out = tmp_path / 'out.h5'
    out.write_bytes(b'old')
    dataset = rich_dataset(tmp_path, '3d')

    def fail(*args):
        raise ArchiveError('x', 'damaged')

    monkeypatch.setattr(hdf5, '_more', fail)
    with pytest.raises(ArchiveError):
        export(dataset, 'hdf5', out)
    assert out.read_bytes() == b'old' and not list(tmp_path.glob('*partial*'))
