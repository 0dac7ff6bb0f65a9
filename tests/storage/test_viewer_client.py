"""What a viewer of packed datasets does: it browses the archive and draws examples from records."""

import barecat
import msgpack
import numpy as np
import pytest
import rlemasklib

from posepile.raw.images import decode_image
from posepile.storage import codec
from posepile.tools import dataset_pickle_to_barecat as tools
from tests.storage.packed_samples import write_dataset


@pytest.fixture
def archives(tmp_path):
    path = write_dataset(tmp_path)
    return path, path.replace('annotations', 'images')


def test_records_are_drawn(archives):
    annotations, images = (barecat.Barecat(path, readonly=True) for path in archives)
    metadata = codec.unpack(annotations['metadata.msgpack'])
    joint_info = tools.get_joint_info(metadata)
    assert joint_info.n_joints == 17 and len(joint_info.stick_figure_edges) == 16
    records = [p for p in annotations if p.endswith('.msgpack') and p != 'metadata.msgpack']
    assert sorted({p.split('/')[0] for p in records}) == ['test', 'train', 'val']
    for path in records:
        record = codec.unpack(annotations[path])
        assert 'impath' in record
        example = tools.dict_to_example(record, joint_info.n_joints)
        image = decode_image(images[example.image_path])
        assert rlemasklib.decode(example.mask).shape == image.shape[:2]
        assert example.world_coords.shape == (17, 3)  # dense, read without a function
        points = example.camera.world_to_image(example.world_coords)
        in_camera = example.camera.world_to_camera(example.world_coords)
        valid = np.isfinite(points).all(axis=1)
        assert valid.sum() >= 15 and np.all(in_camera[valid, 2] > 0)
        left, top, width, height = example.bbox
        inside = (points[valid] > [left - 9, top - 9]) & (
            points[valid] < [left + width + 9, top + height + 9]
        )
        assert inside.all()


def test_records_are_msgpack_that_other_programs_decode(archives):
    """msgpack-numpy is what they use; its arrays are maps with these keys."""
    record = msgpack.unpackb(
        barecat.Barecat(archives[0], readonly=True)[
            'train/walkers/cam0/frame_000000.jpg_00.msgpack'
        ]
    )
    rows = record['joints3d']['rows']
    assert rows[b'nd'] is True and rows[b'type'] == '<f4' and rows[b'shape'][1] == 3


def test_folders_of_the_archive_can_be_browsed(archives):
    index = barecat.Barecat(archives[0], readonly=True).index
    names = sorted(info.path for info in index.list_subdir_dirinfos(''))
    assert names == ['test', 'train', 'val']
    walkers = index.lookup_dir('train/walkers')
    assert walkers.num_subdirs == 2
    assert len(list(index.list_direct_fileinfos('train/walkers/cam0'))) == 3
