"""A miniature of the MuPoTS-3D release, in its layout, from the synthetic studio.

All 20 sequences are there, in a few images each, smaller than the real ones. What happens in which
of them stands in :mod:`posepile.ds.mupots.simulate_takes`.
"""

import dataclasses
import os
import os.path as osp
import pickle

import numpy as np

from posepile.ds.mupots.simulate_boxes import around, detections_in_frame
from posepile.ds.mupots.simulate_files import write_annotations, write_occlusions
from posepile.ds.mupots.simulate_takes import (
    TEST_LANDMARKS,
    TakePoses,
    camera_of,
    cast_of,
    performers_of,
    takes_of,
)
from posepile.simulate.background import Background
from posepile.simulate.markers import draw_markers
from posepile.simulate.scene import Scene
from posepile.simulate.truth import TruePerson
from posepile.simulate.writers import write_jpeg
from posepile.util import TEST, VALID

RAW_FOLDERS = ('mupots',)

#: Joints of the annotations that make those of the products.
PRODUCT_JOINTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 14)
_LEAST_OVERLAP, _LEAST_SCORE = 0.1, 0.1
_DETECTIONS = 'yolov4_detections.pkl'


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/mupots`` and return the truth about each product.

    Args:
        size: ``tiny`` (one to four images of each sequence) or ``small`` (twelve).
        markers: draw a marker on each of the joints of the people who are valid.
    """
    root = osp.join(root, 'mupots')
    truth = {'mupots': [], 'mupots_yolo': []}
    detections = {}
    cast = cast_of(seed)
    surroundings = {
        True: Scene([], _hall(seed), supersample=1),
        False: Scene([], 'field', seed=seed, supersample=1),
    }
    for take in takes_of(size):
        scene = surroundings[take.is_indoors]
        annotated, detected = _simulate_take(root, take, scene, cast, seed, markers, detections)
        truth['mupots'] += detected
        truth['mupots_yolo'] += annotated + detected
    with open(osp.join(root, _DETECTIONS), 'wb') as f:
        pickle.dump(detections, f, protocol=4)
    return truth


def _hall(seed):
    """A bare room around the cameras, too."""
    background = Background.random(np.random.default_rng([seed, 3]), 'room')
    return dataclasses.replace(background, room=(5500, 5500, 4200), props=[])


def _simulate_take(root, take, scene, cast, seed, markers, detections):
    """Write the files of a sequence; returns the annotated and the detected people."""
    folder = osp.join(root, f'TS{take.number}')
    os.makedirs(folder)
    rng = np.random.default_rng([seed, take.number])
    performers = performers_of(take, cast, rng)
    camera = camera_of(take, rng)
    true = TakePoses.of(take, performers, camera)
    scene = scene.with_performers(performers)

    is_valid = np.ones((take.n_frames, take.n_people), bool)
    written = TakePoses(true.pixels.copy(), true.joints.copy(), true.univ_joints.copy())
    found = [detections_in_frame(take, i, true.pixels[i], rng) for i in range(take.n_frames)]
    for place in take.absent:
        is_valid[place] = False
        for array in (written.pixels, written.joints, written.univ_joints):
            array[place] = 0
    for frame, person, other in take.impostors:
        is_valid[frame, person] = False
        box = next(d.box for d in found[frame] if d.person == other)
        _imitate(written, (frame, person), (frame, other), box, camera.K)

    annotated, detected = [], []
    is_occluded = np.zeros((take.n_frames, take.n_people, len(TEST_LANDMARKS)), bool)
    for i in range(take.n_frames):
        image = scene.render(camera, i).image
        for k in range(take.n_people):
            is_occluded[i, k] = ~scene.visible_landmarks(camera, i, k, TEST_LANDMARKS)
        drawn = true.pixels[i][is_valid[i]].reshape(-1, 2) if markers else None
        if markers:
            draw_markers(image, drawn)
        image_path = f'TS{take.number}/img_{i:06d}.jpg'
        write_jpeg(osp.join(root, image_path), image)
        if i in take.unlisted:
            continue
        rows = [d.row for d in found[i]]
        detections[image_path] = np.float32(rows) if take.number % 2 else rows
        common = dict(
            crop_path=f'mupots/{image_path}',
            imshape=take.imshape,
            camera=_camera_dict(camera.K),
            markers=drawn,
            is_cropped=False,
        )
        annotated += _annotated(true, is_valid, i, found[i], common)
        detected += [
            TruePerson(split=TEST, joints=np.ones((17, 3)), box=np.float64(d.box), **common)
            for d in found[i]
            if d.score > _LEAST_SCORE
        ]
    write_annotations(
        osp.join(folder, 'annot.mat'), is_valid, written.pixels, written.joints, written.univ_joints
    )
    write_occlusions(osp.join(folder, 'occlusion.mat'), is_occluded & is_valid[..., np.newaxis])
    return annotated, detected


def _camera_dict(K):
    return dict(K=K, R=np.eye(3), t=np.zeros(3), distortion=None, world_up=(0.0, -1.0, 0.0))


def _annotated(true, is_valid, i_frame, found, common):
    """The valid people of a frame with a detection of their own."""
    people = []
    for person in np.flatnonzero(is_valid[i_frame]):
        own = around(true.pixels[i_frame, person])
        for d in found:
            if d.person == person and d.score > _LEAST_SCORE and _iou(own, d.box) > _LEAST_OVERLAP:
                joints = true.joints[i_frame, person, list(PRODUCT_JOINTS)]
                people.append(
                    TruePerson(split=VALID, joints=joints, box=np.float64(d.box), **common)
                )
    return people


def _imitate(poses, place, model, box, K):
    """Give a person the pose of another, moved to the middle of a detected box."""
    own = around(poses.pixels[model])
    shift = box[:2] + box[2:] / 2 - own[:2] - own[2:] / 2
    depth = poses.joints[model][:, 2].mean()
    offset = np.array([*(shift * depth / np.diag(K)[:2]), 0])
    poses.joints[place] = poses.joints[model] + offset
    poses.univ_joints[place] = poses.univ_joints[model] + offset
    rays = poses.joints[place] @ K.T
    poses.pixels[place] = rays[:, :2] / rays[:, 2:]


def _iou(box, other):
    low = np.maximum(box[:2], other[:2])
    high = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    common = np.prod(np.maximum(high - low, 0))
    return common / (box[2] * box[3] + other[2] * other[3] - common)
