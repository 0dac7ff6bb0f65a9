"""COCO keypoints: one JSON file per split, which pycocotools reads, and the images.

``annotations/person_keypoints_<split>.json`` and ``images/<image path>``. 3D joints are projected;
everything that COCO has no place for stands under the key ``posepile`` of an annotation, as
:mod:`posepile.export.plain` has it. Pixel coordinates are taken over as they are.
"""

import contextlib
import sqlite3
from collections import Counter

import numpy as np
import rlemasklib

import posepile
from posepile.export.folder import ExportFolder
from posepile.export.plain import plain_numbers, to_json, to_plain
from posepile.export.source import box_of, image_points_of
from posepile.util import SPLIT_NAMES

#: COCO's keypoints in its order, by our names and by its own.
COCO_JOINTS = dict(
    nose='nose', leye='left_eye', reye='right_eye', lear='left_ear', rear='right_ear',
    lsho='left_shoulder', rsho='right_shoulder', lelb='left_elbow', relb='right_elbow',
    lwri='left_wrist', rwri='right_wrist', lhip='left_hip', rhip='right_hip',
    lkne='left_knee', rkne='right_knee', lank='left_ankle', rank='right_ankle',
)  # fmt: skip
#: Pairs that COCO draws, numbered from 1.
COCO_SKELETON = [
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
]  # fmt: skip
_PERSON = 1


def write(source, out, images=True):
    """Export to the folder ``out``; see :func:`posepile.export.export`."""
    folder = ExportFolder(out, 'coco', source, images=images)
    with source.progress('coco') as progress:
        for split in source.splits:
            name = f'annotations/person_keypoints_{SPLIT_NAMES[split]}.json'
            if folder.is_done(name):
                progress.update(source.count(split))
                continue
            with folder.write(name, SPLIT_NAMES[split]) as (partial, count):
                _write_split(partial, count, folder, source, split, images, progress)
    return folder.report()


def keypoint_order(joint_info):
    """Names of the keypoints, which joint each is (None: not annotated), and pairs from 1.

    They are COCO's 17 if the skeleton has no other joints, else those of the skeleton itself.
    """
    if set(joint_info.names) <= set(COCO_JOINTS):
        indices = [joint_info.ids.get(name) for name in COCO_JOINTS]
        return list(COCO_JOINTS.values()), indices, COCO_SKELETON
    pairs = dict.fromkeys((i + 1, j + 1) for i, j in joint_info.stick_figure_edges)
    return list(joint_info.names), list(range(joint_info.n_joints)), list(pairs)


def _write_split(path, count, folder, source, split, images, progress):
    names, order, pairs = keypoint_order(source.joint_info)
    category = dict(
        id=_PERSON, name='person', supercategory='person', keypoints=names, skeleton=pairs
    )
    info = dict(description=f'{source.name} {SPLIT_NAMES[split]}', version=posepile.__version__)
    lost = Counter()
    with (
        contextlib.closing(_ImageTable()) as table,
        open(path, 'w', encoding='utf-8') as file,
    ):
        file.write(f'{{"info":{to_json(info)},"licenses":[],"categories":[{to_json(category)}],\n')
        file.write('"annotations":[')
        for i, sample in enumerate(source.samples(split)):
            image_path = sample.example.image_path
            row = table.find(image_path)
            if row is None:
                size = source.image_size(sample.example)
                name = folder.write_image(image_path) if images else image_path
                row = table.add(image_path, name, size)
                count['images'] += images
            annotation = dict(id=i + 1, **_annotation(sample, order, *row, lost))
            file.write(f'{"," if i else ""}\n{to_json(annotation, sample.key)}')
            count['examples'] += 1
            progress.update(1)
        file.write('\n],\n"images":[')
        for i, image in enumerate(table):
            file.write(f'{"," if i else ""}\n{to_json(image)}')
        file.write('\n]}\n')
    count['lost'] = dict(lost)


def _annotation(sample, order, image_id, image_size, lost):
    example = sample.example
    plain = to_plain(example, lost)
    mask = plain.pop('mask', None)
    keypoints = _keypoints(image_points_of(example), order, image_size)
    box = box_of(example)
    box = [0.0] * 4 if box is None else plain_numbers(box)
    area = box[2] * box[3] if mask is None else float(rlemasklib.area(example.mask))
    annotation = dict(
        image_id=image_id,
        category_id=_PERSON,
        bbox=box,
        area=area,
        iscrowd=0,
        keypoints=keypoints,
        num_keypoints=sum(v > 0 for v in keypoints[2::3]),
        segmentation=[] if mask is None else mask,
    )
    return {**annotation, 'posepile': dict(key=sample.key, **plain)}


def _keypoints(points, order, image_size):
    """x, y, v of each keypoint: v is 0 where missing, 1 outside of the image, else 2."""
    if points is None:
        return [0] * (3 * len(order))
    numbers, valid = plain_numbers(points), ~np.isnan(points[:, 0])
    width, height = image_size
    result = []
    for i in order:
        if i is None or not valid[i]:
            result += [0, 0, 0]
            continue
        x, y = numbers[i]
        is_inside = -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5
        result += [x, y, 2 if is_inside else 1]
    return result


class _ImageTable:
    """The images of a file in order of appearance, on disk, as there may be millions of them."""

    def __init__(self):
        self._db = sqlite3.connect('')  # a temporary file that SQLite deletes
        self._db.execute(
            'CREATE TABLE images '
            '(path TEXT PRIMARY KEY, id INTEGER, name TEXT, width INTEGER, height INTEGER)'
        )
        self._n = 0

    def find(self, path):
        """(id, (width, height)) or None."""
        rows = self._db.execute('SELECT id, width, height FROM images WHERE path = ?', (path,))
        row = rows.fetchone()
        return row and (row[0], row[1:])

    def add(self, path, name, size):
        self._n += 1
        self._db.execute('INSERT INTO images VALUES (?, ?, ?, ?, ?)', (path, self._n, name, *size))
        return self._n, size

    def __iter__(self):
        for row in self._db.execute('SELECT id, name, width, height FROM images ORDER BY id'):
            yield dict(zip(('id', 'file_name', 'width', 'height'), row, strict=True))

    def close(self):
        self._db.close()
