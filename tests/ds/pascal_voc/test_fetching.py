"""The release comes over the network, in the folders that the archive has."""

import dataclasses
import shutil
import tarfile

import pytest

from posepile.pipeline.fetch import fetch_dataset
from posepile.registry import find_dataset


@pytest.fixture
def info(server):
    info = find_dataset('pascal_voc')
    url = f'http://127.0.0.1:{server.server_address[1]}/VOCtrainval_11-May-2012.tar'
    assert info.files[0].url.endswith('/VOCtrainval_11-May-2012.tar')
    file = dataclasses.replace(info.files[0], url=url, md5=None)  # of the real archive
    return dataclasses.replace(info, files=(file,))


def test_two_leading_folders_are_dropped_and_the_archive_is_removed(
    server, info, simulated_root, new_root
):
    with tarfile.open(server.folder / 'VOCtrainval_11-May-2012.tar', 'w') as tar:
        tar.add(simulated_root('pascal_voc') / 'pascal_voc', 'VOCdevkit/VOC2012')
    fetch_dataset(info)
    release, simulated = new_root / 'pascal_voc', simulated_root('pascal_voc') / 'pascal_voc'
    for folder in ('Annotations', 'JPEGImages', 'SegmentationObject'):
        expected = sorted(p.name for p in (simulated / folder).iterdir())
        assert sorted(p.name for p in (release / folder).iterdir()) == expected
    assert not (release / 'VOCdevkit').exists()
    assert not (release / 'VOCtrainval_11-May-2012.tar').exists()
    fetch_dataset(info)
    assert len(server.asked) == 1


def test_what_a_person_has_put_in_place_is_used(server, info, simulated_root, new_root):
    shutil.copytree(simulated_root('pascal_voc') / 'pascal_voc', new_root / 'pascal_voc')
    fetch_dataset(info)
    assert server.asked == []
