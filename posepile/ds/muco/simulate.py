"""Composites of the miniature of MPI-INF-3DHP, as the authors' program leaves them.

There are few, but everything that can happen to people: seen from head to foot, partly hidden,
hidden altogether, half outside of the picture; not found by the detector, found together with
somebody else, left out because a picture was missing.
"""

import dataclasses
import itertools
import os
import os.path as osp
import pickle
from dataclasses import dataclass

import numpy as np
import rlemasklib
import scipy.ndimage

from posepile.ds.muco import simulate_files as files
from posepile.ds.muco.simulate_moments import (
    JOINTS_17,
    JOINTS_28,
    draw_moment,
    sequences_of,
    shown_frames,
)
from posepile.simulate.markers import draw_markers
from posepile.simulate.truth import TruePerson, camera_dict, load_truth
from posepile.simulate.writers import write_jpeg
from posepile.util import TRAIN

RAW_FOLDERS = ('muco',)
BUILDS_ON = ('tdhp', 'mupots')

_IMAGES = 'unaugmented_set_001'
_JOINTS_21 = [
    i - 1 for i in (8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7, 18, 13, 28, 23)
]
#: Where the joints of MuPoTS are among the 28.
_MUPOTS_AMONG_28 = [JOINTS_28.index(j) for j in JOINTS_17]
_MARKER_DISTANCE = 20  # px


@dataclass(frozen=True)
class Composite:
    """One picture of four people.

    Attributes:
        camera: which sees all four.
        people: subject, sequence and place in time of each, as a share of the frames that the
            videos show; or a frame, if negative.
        detections: who is found: ``'all'``, ``'nobody'``, or the first two ``'as one'``.
        is_moved: whether the image lies in folders by digits.
    """

    camera: int
    people: tuple[tuple[int, int, float], ...]
    detections: str = 'all'
    is_moved: bool = False


_WALK, _SIT = (1, 1), (6, 2)
TINY = (
    Composite(2, ((*_SIT, 0), (*_WALK, 0.05), (*_WALK, 0.4), (*_WALK, 0.6))),
    Composite(0, ((*_WALK, 0), (*_WALK, 0.3), (*_WALK, 0.55), (*_WALK, 1)), is_moved=True),
    # Half outside; and with little more than an arm in the picture.
    Composite(2, ((*_WALK, 0.85), (*_SIT, 0), (*_WALK, 0.2), (*_WALK, 1))),
    # The same moment twice: one of the two cannot be seen.
    Composite(2, ((*_SIT, 0), (*_WALK, 0.45), (*_SIT, 0), (*_WALK, 0.75))),
    # The video of the sitting person ends before, and the masks of camera 9.
    Composite(2, ((*_SIT, -45), (*_WALK, 0), (*_WALK, 0.3), (*_WALK, 0.55))),
    Composite(9, ((*_WALK, 0), (*_WALK, 0.5), (*_WALK, -40), (*_WALK, 0.8))),
    Composite(2, ((*_WALK, 0), (*_WALK, 0.6), (*_SIT, 0), (*_WALK, 0.9)), 'as one'),
    Composite(2, ((*_SIT, 0), (*_WALK, 0.1), (*_WALK, 0.5), (*_WALK, 0.7)), 'nobody'),
    Composite(9, ((*_WALK, 0.9), (*_WALK, 0.1), (*_WALK, 0.4), (*_WALK, 0.65))),
)


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/muco`` and return the truth about each product.

    Args:
        seed, size: those of the simulated recordings; ``small`` has more composites.
        markers: draw markers on the 17 joints of MuPoTS, where they do not crowd.
    """
    root = osp.join(root, 'muco')
    os.makedirs(osp.join(root, _IMAGES))
    rng = np.random.default_rng([seed, 4711])
    takes = sequences_of(size)
    annotations, people, detections = [], [], {}
    drawn = {}
    for number, composite in enumerate(_composites(takes, size, rng), start=1):
        moments = []
        for subject, sequence, place in composite.people:
            take = takes[subject, sequence]
            shown = shown_frames(take, composite.camera, seed)
            i_frame = -place if place < 0 else shown[round(place * (len(shown) - 1))]
            key = take, composite.camera, i_frame
            drawn[key] = drawn.get(key) or draw_moment(*key, seed)
            moments.append(drawn[key])
        annotations.append([_annotation(m) for m in moments])
        points = _sparse([m.pixels[list(JOINTS_17)] for m in moments])
        image = _paste([m for m in moments if m.has_pictures])
        if markers:
            draw_markers(image, np.concatenate(points))
        path = f'{_IMAGES}/{number:06d}.jpg'
        stored = osp.join(root, _sorted(path) if composite.is_moved else path)
        os.makedirs(osp.dirname(stored), exist_ok=True)
        write_jpeg(stored, image)
        own = _own_boxes(moments)
        detections[path] = _detected(own, composite.detections, rng)
        if all(m.has_pictures for m in moments):
            found = dict(enumerate(_matched(own, detections[path])))
            people += _true_people(number, moments, found, points if markers else None)
    files.write_arrangement(osp.join(root, 'sampled_dataset_info.mat'), annotations)
    files.write_chunk_annotations(osp.join(root, _IMAGES, 'chunk_00001_annot.mat'), annotations)
    with open(osp.join(root, 'yolov4_detections.pkl'), 'wb') as f:
        pickle.dump(detections, f, protocol=4)
    return _by_product(people)


def _composites(takes, size, rng):
    if size == 'tiny':
        return TINY
    others = [key for key, take in takes.items() if take.n > 100]
    more = []
    for camera in (0, 1, 4, 7) * 6:
        chosen = [others[i] for i in rng.choice(len(others), 4)]
        more.append(Composite(camera, tuple((*key, rng.random()) for key in chosen)))
    return TINY + tuple(more)


def _sorted(path):
    """The path with folders by the first digits of the number."""
    folder, name = osp.split(path)
    return f'{folder}/{name[:2]}/{name[:4]}/{name}'


def _annotation(moment):
    columns = moment.pixels, moment.univ_joints, moment.joints
    return (moment.key, *(c[_JOINTS_21] for c in columns))


def _sparse(points):
    """The points, NaN for those that another one is near."""
    flat = np.concatenate(points)
    distances = np.linalg.norm(flat[:, np.newaxis] - flat, axis=2)
    np.fill_diagonal(distances, np.inf)
    crowded = (distances.min(axis=1) < _MARKER_DISTANCE)[:, np.newaxis]
    return np.split(np.where(crowded, np.nan, flat), len(points))


def _paste(moments):
    """The picture of all, the farthest first."""
    result = None
    for moment in sorted(moments, key=lambda m: -m.depth):
        image = 255 * (moment.image / 255) ** 0.75
        if result is None:
            result = image
            continue
        chair = moment.chair[..., np.newaxis] / 255
        person = scipy.ndimage.gaussian_filter(moment.foreground / 255, 2, truncate=2)
        result = result * chair + image * (1 - chair)
        result += (image - result) * person[..., np.newaxis]
    return np.rint(result).astype(np.uint8)


def _own_boxes(moments):
    """(4, 4) of what is seen of each person, as high as the box of the joints; NaN if nothing."""
    hidden = np.zeros(moments[0].camera.imshape, bool)
    boxes = np.full((4, 4), np.nan)
    far_to_near = sorted(range(4), key=lambda i: -moments[i].depth)
    for i in reversed(far_to_near):
        moment = moments[i]
        rows, columns = np.nonzero(moment.person_mask & ~hidden)
        hidden |= moment.person_mask | moment.chair_mask
        low = np.clip(moment.pixels.min(axis=0), 0, hidden.shape[::-1])
        high = np.clip(moment.pixels.max(axis=0), 0, hidden.shape[::-1])
        margin = 0.025 * (high[1] - low[1])
        if len(rows):
            top = max(rows.min(), low[1] - margin)
            bottom = min(rows.max() + 1, high[1] + margin)
            if bottom > top:
                width = columns.max() + 1 - columns.min()
                boxes[i] = columns.min(), top, width, bottom - top
    return boxes


def _detected(own, who, rng):
    """Rows [left, top, width, height, confidence]."""
    if who == 'nobody':
        return np.zeros((0, 5), np.float32)
    rows = []
    for i, box in enumerate(own):
        if np.isfinite(box).all() and not (who == 'as one' and i < 2):
            near = box + rng.uniform(-0.04, 0.04, 4) * np.tile(box[2:], 2)
            rows.append([*near, 0.9 - 0.1 * i])
            rows.append([*box, 0.09])  # fits better, but is too uncertain
    if who == 'as one':
        low = own[:2, :2].min(axis=0)
        high = (own[:2, :2] + own[:2, 2:]).max(axis=0)
        rows.append([*low, *(high - low), 0.95])
    return np.float32(rows)


def _matched(own, detections):
    """Detection of each person or None: of all assignments the one of the largest total IoU."""
    rows = [row for row in np.float64(detections) if row[4] > 0.1]
    candidates = rows + [None] * 4
    best, best_total = None, -1
    for chosen in itertools.permutations(range(len(candidates)), 4):
        total = sum(_iou(box, candidates[i]) for box, i in zip(own, chosen, strict=True))
        if total > best_total:
            best, best_total = chosen, total
    return [
        row[:4] if _iou(box, row) > 0.1 and row[2] * row[3] < 2 * box[2] * box[3] else None
        for box, row in zip(own, [candidates[i] for i in best], strict=True)
    ]


def _iou(box, row):
    if row is None or np.isnan(box[0]):
        return 0
    low = np.maximum(box[:2], row[:2])
    size = np.minimum(box[:2] + box[2:], row[:2] + row[2:4]) - low
    common = max(size[0], 0) * max(size[1], 0)
    return common / (box[2] * box[3] + row[2] * row[3] - common)


def _true_people(number, moments, found, points):
    everybody = np.any([m.person_mask | m.chair_mask for m in moments], axis=0)
    mask = rlemasklib.encode(everybody.astype(np.uint8))
    stem = _sorted(f'{_IMAGES}/{number:06d}')
    for i, moment in enumerate(moments):
        if found[i] is not None:
            yield TruePerson(
                crop_path=f'muco_downscaled/{stem}_{i}.jpg',
                split=TRAIN,
                joints=moment.world[list(JOINTS_28)],
                box=found[i],
                imshape=moment.camera.imshape,
                camera=camera_dict(moment.camera),
                mask=mask,
                markers=None if points is None else points[i],
                expansion=1.2 / 1.1,
                turns=False,
                box_side=256 / 0.85,
                max_enlargement=1,
            )


def _by_product(people):
    """The truth about all products; that about MuPoTS is where its simulation has left it."""
    mupots = load_truth('mupots_yolo')
    of_17 = [dataclasses.replace(p, joints=p.joints[_MUPOTS_AMONG_28]) for p in people]
    of_28 = []
    for person in mupots:
        joints = np.full((len(JOINTS_28), 3), np.nan)
        joints[_MUPOTS_AMONG_28] = person.joints
        of_28.append(dataclasses.replace(person, joints=joints))
    return {
        'muco': people,
        'muco_3dhp_200k': people,
        'muco_17_150k': of_17 + mupots,
        'muco_full': people + of_28,
    }
