"""The download step, against a server on this machine."""

import dataclasses
import zipfile

from posepile.pipeline.fetch import fetch_dataset
from posepile.registry import find_dataset


def test_archives_are_unpacked_and_removed(new_root, server):
    info = find_dataset('coco')
    host = f'http://127.0.0.1:{server.server_address[1]}'
    files = tuple(
        dataclasses.replace(file, url=f'{host}/{file.url.rpartition("/")[2]}')
        for file in info.files
        if file.group in info.groups
    )
    assert len(files) == 3
    for file, members in zip(
        files,
        (
            [f'annotations/person_keypoints_{split}2014.json' for split in ('train', 'val')],
            ['train2014/COCO_train2014_000000000009.jpg'],
            ['val2014/COCO_val2014_000000000042.jpg'],
        ),
        strict=True,
    ):
        with zipfile.ZipFile(server.folder / file.path, 'w') as archive:
            for member in members:
                archive.writestr(member, member)
    fetch_dataset(dataclasses.replace(info, files=files))
    n_requests = len(server.asked)
    assert n_requests >= 3
    fetch_dataset(dataclasses.replace(info, files=files))
    assert len(server.asked) == n_requests
    for member in (
        'annotations/person_keypoints_train2014.json',
        'annotations/person_keypoints_val2014.json',
        'train2014/COCO_train2014_000000000009.jpg',
        'val2014/COCO_val2014_000000000042.jpg',
    ):
        assert (new_root / 'coco' / member).read_text() == member
    assert not list((new_root / 'coco').glob('*.zip'))
