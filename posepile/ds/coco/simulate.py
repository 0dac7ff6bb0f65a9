"""A miniature of the COCO and COCO-WholeBody releases, in their layout, from the synthetic studio.

Each photograph shows what one rule of the releases or of their reader hinges on: :data:`TINY` says
which.
"""

import json
import os
import os.path as osp

import cv2
import numpy as np

from posepile.ds.coco.photographs import PARTS, PersonPlan, PhotoPlan, photograph
from posepile.ds.coco.true_people import true_people
from posepile.simulate.writers import write_jpeg

RAW_FOLDERS = ('coco', 'coco_wb')

KEYPOINT_NAMES = (
    'nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow '
    'right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle '
    'right_ankle'
).split()
BONES = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip

# fmt: off
# Visibility flags: nose, eyes, ears; shoulders, elbows, wrists; hips, knees, ankles (left, right).
ALL_VISIBLE = '22222' '222222' '222222'
FIVE_VISIBLE = '22222' '111111' '111111'
SIX_OF_NINE = '20000' '221000' '210122'
EIGHT_LABELLED = '20000' '222000' '220022'
SIX_LIMBS = '22222' '222200' '220022'
SEVEN_LIMBS = '22222' '222200' '222022'
# fmt: on
#: Longer side in px of the joints whose box, a quarter larger, is 200 px: the least that is kept.
LEAST_SPAN = 160

TINY = (
    PhotoPlan('train', (PersonPlan(ALL_VISIBLE),), grey=True),
    PhotoPlan('train', (PersonPlan(ALL_VISIBLE, right=-1000),
                        PersonPlan(ALL_VISIBLE, 'none', right=1000)), span=240),
    # Large people who overlap: only for multi.
    PhotoPlan('train', (PersonPlan(ALL_VISIBLE, right=-120),
                        PersonPlan(ALL_VISIBLE, right=120, behind=500)), (640, 480), span=300),
    # Too few visible joints, however large; the other one does not have to be apart from them.
    PhotoPlan('train', (PersonPlan(FIVE_VISIBLE, 'face', behind=400),
                        PersonPlan(ALL_VISIBLE, right=150))),
    PhotoPlan('train', (PersonPlan(SIX_OF_NINE, 'face'),)),
    PhotoPlan('train', (PersonPlan(EIGHT_LABELLED),)),
    # Too small by one pixel, yet number 0; brows, toes or fingers can make them large enough.
    PhotoPlan('train', (PersonPlan(ALL_VISIBLE, 'none', right=-1000),
                        PersonPlan(ALL_VISIBLE, right=1000, behind=-1500)), span=LEAST_SPAN - 1),
    PhotoPlan('val', (PersonPlan(ALL_VISIBLE),), span=LEAST_SPAN - 1),
    PhotoPlan('val', (PersonPlan(ALL_VISIBLE, 'none'),), span=LEAST_SPAN, split17='train'),
    # Too small, but close to a large one: that is enough to keep the large one out of single.
    PhotoPlan('train', (PersonPlan(ALL_VISIBLE, 'foot'),
                        PersonPlan(ALL_VISIBLE, 'face', right=150, behind=3600)), span=200),
    PhotoPlan('train', (PersonPlan(ALL_VISIBLE, 'face foot'),), crowd=5),
    PhotoPlan('train', (PersonPlan(parts='foot lefthand'),), pole=True),
    # The box reaches over the border.
    PhotoPlan('train', (PersonPlan(whole_box=True, parts='lefthand'),), span=420, raised=550),
    PhotoPlan('train', (PersonPlan(SIX_LIMBS),), (640, 480)),
    PhotoPlan('train', (PersonPlan(SEVEN_LIMBS, 'face'),)),
    PhotoPlan('val', (PersonPlan(SIX_LIMBS, 'foot righthand'),), split17='train'),
    PhotoPlan('val', (PersonPlan(ALL_VISIBLE, twice=True),)),
    PhotoPlan('val', (), crowd=3),
    PhotoPlan('val', (PersonPlan(parts='face', right=-900), PersonPlan(right=900), PersonPlan())),
)  # fmt: skip


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/coco`` and ``<root>/coco_wb`` and return the truth about each product.

    Args:
        size: ``tiny`` (the photographs of :data:`TINY`) or ``small`` (150 photographs).
        markers: draw a marker on each annotated joint of the body below the head.
    """
    plans = TINY if size == 'tiny' else [*TINY, *_ordinary(150 - len(TINY), seed)]
    files = {(year, split): _empty_file() for year in (2014, 2017) for split in ('train', 'val')}
    for i, plan in enumerate(plans):
        rng = np.random.default_rng([seed, i])
        photo = photograph(plan, rng, markers)
        image_id = 36 + 37 * i
        entries = [_annotation(person, rng) for person in photo.people if _polygons(person.mask)]
        if photo.crowd.any():
            entries.append(_crowd_annotation(photo.crowd))
        for year, split in ((2014, plan.split), (2017, plan.split17 or plan.split)):
            name = f'{image_id:012d}.jpg'
            name = f'COCO_{split}2014_{name}' if year == 2014 else name
            folder = osp.join(root, 'coco', f'{split}{year}')
            os.makedirs(folder, exist_ok=True)
            write_jpeg(osp.join(folder, name), photo.image, 95, grayscale=plan.grey)
            _append(files[year, split], image_id, name, photo, entries)
    truth = {}
    for (year, split), content in files.items():
        # The people of an image do not stand side by side in the file.
        content['annotations'].sort(key=lambda a: a['id'] % 100)
        name = f'person_keypoints_{split}2014' if year == 2014 else f'coco_wholebody_{split}_v1.0'
        folder = osp.join(root, 'coco/annotations' if year == 2014 else 'coco_wb')
        os.makedirs(folder, exist_ok=True)
        with open(osp.join(folder, f'{name}.json'), 'w') as f:
            json.dump(_stored(content, whole_body=year == 2017), f)
        for product, people in true_people(content, year, split).items():
            truth.setdefault(product, []).extend(people)
    return truth


def _ordinary(n, seed):
    """Plans of ``n`` photographs of one to three people."""
    rng = np.random.default_rng([seed, 10_000])
    for i in range(n):
        n_people = int(rng.choice([1, 1, 2, 3]))
        parts = [' '.join(p for p in PARTS if rng.random() < 0.6) or 'none' for _ in range(3)]
        people = [
            PersonPlan('', parts[k], rng.uniform(-1000, 1000), rng.uniform(-1000, 2500))
            for k in range(n_people)
        ]
        shape = ((480, 640), (640, 480), (427, 640), (500, 375))[rng.integers(4)]
        yield PhotoPlan(
            'val' if i % 4 == 0 else 'train', tuple(people), shape, int(rng.integers(120, 300)),
            grey=rng.random() < 0.05, pole=rng.random() < 0.1,
            crowd=int(rng.integers(3, 6)) if rng.random() < 0.1 else 0,
        )  # fmt: skip


def _empty_file():
    licence = dict(id=1, name='Attribution License', url='http://localhost/licence')
    person = dict(supercategory='person', id=1, name='person', keypoints=KEYPOINT_NAMES,
                  skeleton=[list(bone) for bone in BONES])  # fmt: skip
    return dict(
        info=dict(description='Simulated COCO', version='1.0', year=2014),
        licenses=[licence], images=[], annotations=[], categories=[person],
    )  # fmt: skip


def _append(content, image_id, name, photo, entries):
    """Add a photograph; keys that begin with ``_`` are notes for ourselves and are not stored."""
    height, width = photo.image.shape[:2]
    content['images'].append(
        dict(license=1, file_name=name, coco_url=f'http://localhost/{name}', height=height,
             width=width, date_captured='2013-11-14 17:02:52', id=image_id,
             _markers=photo.markers)
    )  # fmt: skip
    for i, entry in enumerate(entries):
        content['annotations'].append(dict(entry, image_id=image_id, id=100 * image_id + i))
        if entry['_twice']:
            repeated = dict(entry, image_id=image_id, id=100 * image_id + 50 + i)
            content['annotations'].append(repeated)


def _annotation(person, rng):
    keypoints = person.keypoints
    entry = dict(
        segmentation=_polygons(person.mask),
        num_keypoints=int(np.count_nonzero(keypoints[:, 2])),
        area=float(person.mask.sum()),
        iscrowd=0,
        keypoints=keypoints.ravel().tolist(),
        bbox=person.box.tolist(),
        category_id=1,
        _twice=person.plan.twice,
    )
    wanted = person.plan.parts.split()
    for part, points in person.parts.items():
        is_valid = part in wanted
        values = _part_keypoints(part, points, rng) if is_valid else np.zeros(points.shape)
        # Parts that are not annotated hold integers or floats.
        only_integers = part == 'foot' or 'none' in wanted
        values = values.astype(int) if only_integers else values
        entry[f'{part}_kpts'] = values.ravel().tolist()
        entry[f'{part}_valid'] = is_valid
        if part != 'foot':
            box = cv2.boundingRect(np.float32(values[:, :2])) if is_valid else [0.0] * 4
            entry[f'{part}_box'] = [float(x) for x in box]
    return entry


def _part_keypoints(part, points, rng):
    """x, y and flag of the feet (integers), or how reliable they are of face and hands."""
    is_inside = points[:, 2:]
    if part == 'foot':
        return np.column_stack([np.rint(points[:, :2]), 2 * is_inside]) * is_inside
    if part == 'face':
        reliability = rng.choice([0.0, 0.3, 0.9], (len(points), 1), p=[0.2, 0.3, 0.5])
    else:
        reliability = np.round(rng.uniform(0.01, 1, (len(points), 1)), 3)
    return np.column_stack([points[:, :2], reliability * is_inside])


def _polygons(mask):
    """Outlines [x0, y0, x1, y1, ...] of a mask, simplified as by hand and without splinters."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [cv2.approxPolyDP(c, 0.8, closed=True).reshape(-1, 2) for c in contours]
    return [(o + 0.25).ravel().tolist() for o in outlines if cv2.contourArea(o) > 30]


def _crowd_annotation(mask):
    """Many people as one region: lengths of runs of 0 and 1, column by column."""
    pixels = mask.ravel(order='F')
    starts = np.flatnonzero(np.diff(pixels.astype(int), prepend=0))
    ys, xs = np.nonzero(mask)
    zeros = {f'{part}_kpts': [0.0] * (3 * len(names)) for part, names in PARTS.items()}
    return dict(
        segmentation=dict(
            counts=np.diff([0, *starts, len(pixels)]).tolist(), size=list(mask.shape)
        ),
        num_keypoints=0, area=float(mask.sum()), iscrowd=1, keypoints=[0] * 51, category_id=1,
        bbox=[float(x) for x in (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)],
        **zeros, **{f'{part}_valid': False for part in PARTS},
        **{f'{part}_box': [0.0] * 4 for part in PARTS if part != 'foot'},
        _twice=False,
    )  # fmt: skip


def _stored(content, whole_body):
    """The content without our notes, and without parts of the body that the file does not have."""
    dropped = ('_',) if whole_body else ('_', *(f'{part}_' for part in PARTS))

    def stored(entries):
        return [{k: v for k, v in e.items() if not k.startswith(dropped)} for e in entries]

    images, annotations = stored(content['images']), stored(content['annotations'])
    return dict(content, images=images, annotations=annotations)
