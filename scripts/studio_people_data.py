"""Pictures of crowds in the synthetic studio, with labels in Ultralytics' YOLO format.

Used by ``train_studio_people.py``. A picture depends on nothing but its kind and its number: the
same one comes out in whatever process and order. Training and held-out pictures have numbers in
different ranges.
"""

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import os

import cv2
import numpy as np
from tqdm import tqdm

from posepile.simulate.crowd import random_crowd

HELD_OUT_START = 1_000_000
"""Pictures of this number and above are never trained on."""

_SEED = 20260  # the first entry of all seeds here, so that tests of the project use others
_MIN_AREA = 40  # visible pixels of a person worth a label
_CONTOUR_SCALE = 4  # outlines are traced on masks enlarged by this, to follow pixel edges


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of picture.

    Attributes:
        number: its entry in the seeds.
        imshape: (height, width) in pixels.
        n_people: range of the number of people; None for the usual mixture of crowds.
        main_height: range of the height of the person in the middle, as a part of the height of
            the picture; None if nobody is meant in particular.
    """

    number: int
    imshape: tuple
    n_people: tuple | None = None
    main_height: tuple | None = None


KINDS = {
    # A part of a frame, at the scale of the frame, with more people than most frames have: each
    # of them teaches something, and empty ground costs as much time.
    'view': Kind(1, (320, 320), n_people=(2, 8)),
    'crop': Kind(2, (320, 320), main_height=(0.42, 0.85)),  # around one person
    'frame': Kind(3, (360, 640)),
    'test_crop': Kind(4, (650, 650), main_height=(0.54, 0.64)),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """A picture and the people in it.

    Attributes:
        image: (h, w, 3) uint8 RGB, after JPEG compression.
        masks: (n, h, w) bool: visible pixels of the people that are seen at all.
        boxes: (n, 4) tight boxes [left, top, width, height] of the masks.
    """

    image: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray


def make_sample(kind_name, number):
    """The :class:`Sample` of a kind and number."""
    sample, jpeg = _render(kind_name, number)
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    return dataclasses.replace(sample, image=cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _render(kind_name, number):
    """The :class:`Sample` before compression, and the JPEG bytes of its picture."""
    kind = KINDS[kind_name]
    rng = np.random.default_rng([_SEED, kind.number, number])
    height = kind.main_height and rng.uniform(*kind.main_height) * kind.imshape[0]
    n_people = 1 + rng.binomial(4, 0.35) if kind.main_height else None
    if kind.n_people:
        n_people = int(rng.integers(*kind.n_people))
    scene, camera = random_crowd(rng, kind.imshape, n_people, height)
    frame = scene.render(camera, 0)
    seen = [k for k in range(len(scene.performers)) if frame.mask(k).any()]
    masks = np.array([frame.mask(k) for k in seen]).reshape(-1, *kind.imshape)
    boxes = np.array([frame.box(k) for k in seen]).reshape(-1, 4)
    quality = int(rng.integers(50, 93))
    _, jpeg = cv2.imencode(
        '.jpg', cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return Sample(frame.image, masks, boxes), jpeg


def write_dataset(folder, counts, n_processes):
    """Renders a dataset that Ultralytics can train on.

    Args:
        folder: to write to: ``images/train/*.jpg``, ``labels/train/*.txt``, the same for a small
            ``val``, and ``data.yaml``.
        counts: for each kind of picture, how many to train on.
        n_processes: number of processes that render.

    Returns:
        Path of ``data.yaml``.
    """
    # A few pictures that are only looked at once, at the end of training.
    n_val = {kind: min(32, 1 + count // 4) for kind, count in counts.items()}
    jobs = []
    for split, start, n_of_kind in (('train', 0, counts), ('val', HELD_OUT_START // 2, n_val)):
        for part in ('images', 'labels'):
            os.makedirs(os.path.join(folder, part, split), exist_ok=True)
        jobs += [(split, kind, start + i) for kind, n in n_of_kind.items() for i in range(n)]
    # Kinds take turns, so that batches hold all of them also where the order is kept.
    jobs.sort(key=lambda job: (job[0], job[2] / counts[job[1]] if job[0] == 'train' else job[2]))
    jobs = [(folder, i, *job) for i, job in enumerate(jobs)]
    for _ in in_processes(_write_labelled, jobs, n_processes, 'rendering'):
        pass
    path = os.path.join(folder, 'data.yaml')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(f'path: {folder}\ntrain: images/train\nval: images/val\nnames:\n  0: person\n')
    return path


def in_processes(function, jobs, n_processes, title):
    """Yields ``function(*job)`` of all jobs in order, computed in processes, with a bar."""
    # Processes are started afresh: forked ones would inherit the threads of torch and OpenCV.
    with concurrent.futures.ProcessPoolExecutor(
        n_processes, multiprocessing.get_context('spawn'), initializer=_use_one_thread
    ) as pool:
        results = pool.map(functools.partial(_call, function), jobs, chunksize=8)
        yield from tqdm(results, title, len(jobs), mininterval=5)


def _call(function, job):
    return function(*job)


def _use_one_thread():
    cv2.setNumThreads(1)


def _write_labelled(folder, i, split, kind_name, number):
    sample, jpeg = _render(kind_name, number)
    name = os.path.join('{}', split, f'{i:06d}_{kind_name}')
    jpeg.tofile(os.path.join(folder, name.format('images') + '.jpg'))
    lines = [label_line(mask) for mask in sample.masks if mask.sum() >= _MIN_AREA]
    path = os.path.join(folder, name.format('labels') + '.txt')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(''.join(line + '\n' for line in lines))


def label_line(mask):
    """The label of a mask: class 0 and the corners of its outline, as parts of the image size.

    The parts of a mask and its holes are joined to one polygon by bridges of no width, which
    the even-odd rule fills correctly.
    """
    corners = outline(mask) / np.array(mask.shape[::-1])
    return '0 ' + ' '.join(f'{v:.5f}' for v in corners.clip(0, 1).ravel())


def outline(mask):
    """(n, 2) corners of one polygon around all parts of a mask; 0 is the edge of the image."""
    fine = cv2.resize(
        mask.astype(np.uint8), None, fx=_CONTOUR_SCALE, fy=_CONTOUR_SCALE,
        interpolation=cv2.INTER_NEAREST,
    )  # fmt: skip
    rings, _ = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [cv2.approxPolyDP(ring, 1.5, True)[:, 0] for ring in rings]
    rings.sort(key=len, reverse=True)
    polygon = rings[0]
    for ring in rings[1:]:
        gaps = np.linalg.norm(polygon[:, None] - ring[None], axis=-1)
        i, j = np.unravel_index(gaps.argmin(), gaps.shape)
        ring = np.roll(ring, -j, axis=0)
        polygon = np.concatenate([polygon[: i + 1], ring, ring[:1], polygon[i:]])
    return (polygon + 0.5) / _CONTOUR_SCALE
