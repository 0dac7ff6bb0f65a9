"""The truth about a simulated release: which people belong to which product, person by person."""

import itertools

import numpy as np
from pycocotools import mask as coco_mask

from posepile.ds.coco.photographs import BODY, PARTS
from posepile.simulate.truth import TruePerson
from posepile.util import TRAIN, VALID

LIMBS = 'rank rkne rhip lhip lkne lank rwri relb lelb lwri'.split()
LIMBS_AND_FACE = [*LIMBS, 'nose', 'leye', 'reye', 'lear', 'rear']
WHOLE_BODY = [*BODY, *itertools.chain.from_iterable(PARTS.values())]
TOP_FOLDERS = {'coco': 'coco_downscaled', 'coco_wholebody': 'coco_wb_downscaled'}


def true_people(content, year, split):
    """Who must come out of an annotation file.

    Args:
        content: of the file, with ``_markers``, (M, 2) or None, in each image.
        year, split: 2014 (COCO) or 2017 (COCO-WholeBody), ``train`` or ``val``.

    Returns:
        Lists of :class:`TruePerson` by product.
    """
    images = {image['id']: image for image in content['images']}
    people_of_image = {image_id: [] for image_id in images}
    for annotation in content['annotations']:
        flags = annotation['keypoints'][2::3]
        if flags.count(2) >= 6 and flags.count(1) + flags.count(2) >= 9:
            people_of_image[annotation['image_id']].append(annotation)
    truth = {}
    for image_id, people in people_of_image.items():
        for i, annotation in enumerate(people):
            others = people[:i] + people[i + 1 :]
            for product, joints in _examples(year, split, annotation, others):
                person = _true_person(
                    product, f'{split}{year}', images[image_id], i, joints, annotation
                )
                truth.setdefault(product, []).append(person)
    return truth


def _examples(year, split, annotation, others):
    """(product, joints) of each product in which an annotation becomes an example."""
    joints = _joints(annotation, whole_body=year == 2017)
    box = _joint_box(joints)
    if max(box[2] - box[0], box[3] - box[1]) < 200:
        return
    if year == 2017:
        yield 'coco_wholebody', [joints[name] for name in WHOLE_BODY]
        return
    yield 'coco_multi', [joints[name] for name in BODY]
    if all(_overlap(box, _joint_box(_joints(other, False))) < 0.1 for other in others):
        yield 'coco', [joints[name] for name in BODY]
    if split == 'val' or sum(not np.isnan(joints[name][0]) for name in LIMBS) >= 7:
        yield 'coco_reduced', [joints[name] for name in LIMBS_AND_FACE]
        yield 'coco_reduced_noface', [joints[name] for name in LIMBS]


def _joints(annotation, whole_body):
    """name -> (x, y), NaN where not annotated."""
    numbers = dict(zip(BODY, _triples(annotation['keypoints']), strict=True))
    if whole_body:
        for part, names in PARTS.items():
            triples = _triples(annotation[f'{part}_kpts'])
            if not annotation[f'{part}_valid']:
                triples = [(0, 0, 0)] * len(names)
            numbers |= dict(zip(names, triples, strict=True))
    return {n: (float(x), float(y)) if v > 0 else (np.nan,) * 2 for n, (x, y, v) in numbers.items()}


def _triples(numbers):
    return [tuple(numbers[i : i + 3]) for i in range(0, len(numbers), 3)]


def _joint_box(joints):
    """(left, top, right, bottom) of the joints, a quarter larger."""
    xs, ys = zip(*(xy for xy in joints.values() if not np.isnan(xy[0])), strict=True)
    dx, dy = (max(xs) - min(xs)) / 8, (max(ys) - min(ys)) / 8
    return min(xs) - dx, min(ys) - dy, max(xs) + dx, max(ys) + dy


def _overlap(a, b):
    """Intersection over union."""
    common = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    intersection = max(common[0], 0) * max(common[1], 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return intersection / (sum(areas) - intersection)


def _true_person(product, folder, image, i, joints, annotation):
    top_folder = TOP_FOLDERS.get(product, 'coco_downscaled_multi')
    height, width = image['height'], image['width']
    outlines = coco_mask.frPyObjects(annotation['segmentation'], height, width)
    return TruePerson(
        crop_path=f'{top_folder}/{folder}/{image["file_name"][:-4]}_{i:02d}.jpg',
        split=TRAIN if folder.startswith('train') else VALID,
        joints=np.array(joints, np.float64),
        box=np.array(annotation['bbox'], np.float64),
        imshape=(height, width),
        mask=coco_mask.merge(outlines),
        markers=image['_markers'],
    )
