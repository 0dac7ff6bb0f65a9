"""A miniature of H3WB on top of the miniature of Human3.6M.

Annotated are a few moments of a take of each subject, each seen by four cameras.
"""

import dataclasses
import json
import os
import os.path as osp
from typing import NamedTuple

import numpy as np
import rlemasklib

from posepile.ds.h36m.object_npz import save_objects
from posepile.ds.h36m.simulate import JOINTS_17
from posepile.ds.h36m.simulate_cameras import CAMERA_IDS, INTRINSICS, studio_camera
from posepile.ds.h36m.simulate_takes import Take, performer_of, takes_of, true_joints
from posepile.simulate.background import Background
from posepile.simulate.face_hands import FACE_NAMES
from posepile.simulate.scene import Scene
from posepile.simulate.truth import TruePerson, camera_dict
from posepile.util import TEST, TRAIN, VALID

RAW_FOLDERS = ('h3wb',)
BUILDS_ON = ('h36m',)

LANDMARKS = (
    'nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank '
    'ltoe ltoe2 lhee rtoe rtoe2 rhee'
).split()
LANDMARKS += [*FACE_NAMES, *(f'{side}han{i}' for side in 'lr' for i in range(1, 22))]
#: The first so many joints of each product.
PRODUCTS = {'h3wb': 133, 'h3wb_body17': 17}
SPLITS = {1: TRAIN, 5: TRAIN, 6: TRAIN, 7: VALID, 8: TEST}
MOMENTS_PER_TAKE = 8
#: The sample whose 2D joints are those of another camera.
WRONG_SAMPLE = 5
#: A camera that one take of the npz file does not have.
ABSENT = (6, '58860488')


class Moment(NamedTuple):
    """A frame of a take, which four cameras see."""

    take: Take
    frame: int


class View(NamedTuple):
    """What one camera sees of a moment: joints (133, 3) in world mm."""

    take: Take
    frame: int
    i_camera: int
    joints: np.ndarray

    @property
    def camera(self):
        return studio_camera(self.take.subject, self.i_camera)

    @property
    def name(self):
        return f'{self.take.name}.{CAMERA_IDS[self.i_camera]}'

    @property
    def image_path(self):
        """As the annotations have it."""
        return f'S{self.take.subject}/Images/{self.name}/frame_{self.frame:04d}.jpg'


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/h3wb`` and return the truth about its products.

    Args:
        seed, size, markers: those of the simulation of Human3.6M, whose takes are annotated; its
            markers are on the 17 joints of Human3.6M.
    """
    folder = osp.join(root, 'h3wb', 'json')
    os.makedirs(folder)
    rng = np.random.default_rng([seed, 133])
    takes = [take for take in takes_of(size) if take.subject in SPLITS]
    moments = [m for take in sorted(takes, key=lambda t: t.key) for m in _moments(take, rng)]
    training = _views([m for m in moments if SPLITS[m.take.subject] != TEST], seed, rng)
    tests = [m for m in moments if SPLITS[m.take.subject] == TEST]
    _write_training(folder, training)
    _write_tests(folder, _views(tests, seed, rng), rng)
    # The images of the third task are not in the order of the other two.
    images = _views([tests[i] for i in rng.permutation(len(tests))], seed, rng)
    _write_test_images(folder, images)
    _write_npz(osp.join(root, 'h3wb', 'h3wb_train.npz'), training)
    people = _true_people(training + images, seed, markers)
    return {
        product: [dataclasses.replace(p, joints=p.joints[:n_joints]) for p in people]
        for product, n_joints in PRODUCTS.items()
    }


def _moments(take, rng):
    """A few frames at irregular intervals, of those that the videos show with markers."""
    drawn = [i for i in range(take.n) if take.in_full or i % 5 == 0]
    chosen = rng.choice(drawn, min(MOMENTS_PER_TAKE, len(drawn)), replace=False)
    return [Moment(take, frame) for frame in sorted(chosen.tolist())]


def _views(moments, seed, rng):
    """Four views of each moment, one after the other, cameras in any order."""
    return [
        View(m.take, m.frame, i, performer_of(m.take, seed).joints(LANDMARKS, m.frame))
        for m in moments
        for i in rng.permutation(4).tolist()
    ]


def _write_training(folder, views):
    with_images = {i: dict(_image(v), keypoints_3d=_rotated(v)) for i, v in enumerate(views)}
    with_points = {
        i: dict(keypoints_2d=_points(v), keypoints_3d=_rotated(v)) for i, v in enumerate(views)
    }
    with_points[WRONG_SAMPLE]['keypoints_2d'] = _points(views[WRONG_SAMPLE - 1])
    _write_json(f'{folder}/RGBto3D_train.json', with_images)
    _write_json(f'{folder}/2Dto3D_train.json', with_points)


def _write_tests(folder, views, rng):
    """Of every two moments the first one for complete 2D joints, the second for incomplete ones."""
    for name, offset in (('2D', 0), ('I2D', 4)):
        ids = [i for i in range(len(views)) if i % 8 // 4 == offset // 4]
        points = {i: dict(keypoints_2d=_points(views[i])) for i in ids}
        if name == 'I2D':
            for entry in points.values():
                for j in rng.choice(133, 40, replace=False).tolist():
                    entry['keypoints_2d'][str(j)] = dict(x=0, y=0)
        _write_json(f'{folder}/{name}to3D_test_2d.json', points)
        truth = {i: dict(keypoints_3d=_rotated(views[i])) for i in ids}
        _write_json(osp.join(osp.dirname(folder), f'{name}to3D_test_3d.json'), truth)


def _write_test_images(folder, views):
    _write_json(f'{folder}/RGBto3D_test_img.json', {i: _image(v) for i, v in enumerate(views)})
    truth = {i: dict(keypoints_3d=_rotated(v)) for i, v in enumerate(views)}
    _write_json(osp.join(osp.dirname(folder), 'RGBto3D_test_3d.json'), truth)


def _write_json(path, samples):
    with open(path, 'w') as f:
        json.dump({str(i): entry for i, entry in samples.items()}, f)


def _image(view):
    left, top, width, height = _box(view)
    corners = dict(x_min=left, y_min=top, x_max=left + width, y_max=top + height)
    return dict(image_path=view.image_path, bbox=corners)


def _rotated(view):
    """Joints in the axes of the camera, relative to the origin of the world."""
    points = np.round(view.joints @ view.camera.R.T, 3).tolist()
    return {str(j): dict(zip('xyz', p, strict=True)) for j, p in enumerate(points)}


def _points(view):
    return {str(j): dict(x=x, y=y) for j, (x, y) in enumerate(_undistorted(view).tolist())}


def _undistorted(view):
    """(133, 2) pixels as through a lens without distortion."""
    return dataclasses.replace(view.camera, distortion=None).project(view.joints)


def _box(view):
    """Whole pixels around the joints, within the image."""
    pixels, (height, width) = view.camera.project(view.joints), view.camera.imshape
    start = np.clip(np.floor(pixels.min(axis=0)) - 15, 0, (width, height)).astype(int)
    end = np.clip(np.ceil(pixels.max(axis=0)) + 15, 0, (width, height)).astype(int)
    return [*start.tolist(), *(end - start).tolist()]


def _write_npz(path, views):
    """The training samples once more, as the file that most people download."""
    parts = dict(body=(0, 17), left_foot=(17, 20), right_foot=(20, 23), face=(23, 91))
    parts |= dict(left_hand=(91, 112), right_hand=(112, 133))
    metadata = {name: list(range(*ends)) for name, ends in parts.items()}
    for side, letter in (('left_side', 'l'), ('right_side', 'r')):
        metadata[side] = [j for j, name in enumerate(LANDMARKS) if name[0] == letter]
    data = {}
    for view in sorted(views, key=lambda v: (v.take.key, v.frame, v.i_camera)):
        subject, camera_id = f'S{view.take.subject}', CAMERA_IDS[view.i_camera]
        metadata.setdefault(subject, {})[camera_id] = _camera_metadata(view)
        take = data.setdefault(subject, {}).setdefault(view.take.name, {})
        frames = take.setdefault('frame_id', [])
        if view.frame not in frames:
            frames.append(view.frame)
            take.setdefault('global_3d', []).append([view.joints])
        if (view.take.subject, camera_id) != ABSENT:
            of_camera = take.setdefault(camera_id, dict(pose_2d=[], camera_3d=[]))
            of_camera['pose_2d'].append([_undistorted(view)])
            of_camera['camera_3d'].append([view.joints @ view.camera.R.T])
    save_objects(path, dict(metadata=metadata, train_data=_as_arrays(data)))


def _as_arrays(content):
    if isinstance(content, dict):
        return {key: _as_arrays(value) for key, value in content.items()}
    return np.array(content)


def _camera_metadata(view):
    camera = view.camera
    _, _, _, _, k1, k2, k3, p1, p2 = INTRINSICS[view.i_camera]
    parameters = dict(
        K=(camera.K / [[1000], [1000], [1]])[np.newaxis],
        R=camera.R[np.newaxis],
        T=(-camera.R @ camera.t / 1000)[np.newaxis, np.newaxis],
        Distortion=[[k1, k2, p1, p2, k3]],
    )
    return {name: np.array(value, np.float32) for name, value in parameters.items()}


def _true_people(views, seed, markers):
    """All 133 joints of the examples that must come of the views; those of the test set have no
    masks."""
    by_video = {}
    for view in sorted(views, key=lambda v: (v.take.key, v.i_camera, v.frame)):
        by_video.setdefault((view.take, view.i_camera), []).append(view)
    people = []
    for (take, i_camera), frames in by_video.items():
        scene = _without_surroundings(performer_of(take, seed))
        points = studio_camera(take.subject, i_camera).project(true_joints(take, seed))
        for view in _when_moved(frames):
            if view.frame >= take.video_length(i_camera):
                continue  # the video ends before, or there is none
            mask = None
            if SPLITS[take.subject] != TEST:
                frame = scene.render(view.camera, view.frame)
                mask = rlemasklib.encode(frame.mask(0).astype(np.uint8))
            people.append(
                TruePerson(
                    crop_path=f'h3wb_downscaled/S{take.subject}/Images/{view.name}/'
                    f'frame_{view.frame:06d}.jpg',
                    split=SPLITS[take.subject],
                    joints=view.joints,
                    box=np.array(_box(view), np.float64),
                    imshape=view.camera.imshape,
                    camera=camera_dict(view.camera),
                    mask=mask,
                    is_mask_estimated=mask is not None,
                    markers=points[view.frame, JOINTS_17] if markers else None,
                )
            )
    return people


def _when_moved(views):
    """The first, and whenever one of the 17 joints of the body has moved by 100 mm."""
    kept = [views[0]]
    for view in views[1:]:
        moved = np.linalg.norm(view.joints[:17] - kept[-1].joints[:17], axis=1)
        if np.any(moved >= 100):
            kept.append(view)
    return kept


def _without_surroundings(performer):
    background = Background.random(np.random.default_rng(0), 'room')
    return Scene([performer], dataclasses.replace(background, props=[]), supersample=1)
