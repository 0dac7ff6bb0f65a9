"""A miniature of the 3DPW release, in its layout, with made-up body models beside it.

:data:`TINY` says which of its sequences shows what.
"""

import dataclasses
import os
import os.path as osp
import pickle
import shutil

import numpy as np

from posepile.bodymodels import load
from posepile.bodymodels.fake import write_body_models
from posepile.ds.tdpw.simulate_files import openpose_joints, sequence_file, write_pickle
from posepile.ds.tdpw.simulate_people import FPS, SmplPerson
from posepile.simulate.background import Background
from posepile.simulate.camera import StudioCamera
from posepile.simulate.markers import draw_markers
from posepile.simulate.scene import Scene
from posepile.simulate.truth import TruePerson
from posepile.simulate.writers import write_jpeg
from posepile.util import TEST, TRAIN, VALID

RAW_FOLDERS = ('3dpw',)

SPLITS = {'train': TRAIN, 'validation': VALID, 'test': TEST}
#: Joints of SMPL in the order of the products.
OUTPUT_ORDER = [*range(1, 24), 0]


@dataclasses.dataclass(frozen=True)
class Shot:
    """A sequence to simulate.

    Attributes:
        phase, name: of its file.
        people: gender and number of betas of each person.
        n: number of frames.
        is_portrait: whether the phone is held upright.
        unaligned: (person, frame) where the camera is not aligned.
        unseen: (person, frame) without 2D joints.
        turned_away: frames in which the camera looks the other way.
        without_detections, far_detections: frames in which the detector finds nothing, or only
            what is nobody.
    """

    phase: str
    name: str
    people: tuple[tuple[str, int], ...]
    n: int = 6
    is_portrait: bool = False
    unaligned: tuple[tuple[int, int], ...] = ()
    unseen: tuple[tuple[int, int], ...] = ()
    turned_away: tuple[int, ...] = ()
    without_detections: tuple[int, ...] = ()
    far_detections: tuple[int, ...] = ()

    @property
    def imshape(self):
        return (1920, 1080) if self.is_portrait else (1080, 1920)


TINY = (
    Shot('train', 'courtyard_golf_00', (('female', 10),), unaligned=((0, 2),), turned_away=(5,)),
    Shot('validation', 'courtyard_dancing_00', (('male', 16),), is_portrait=True,
         without_detections=(1,), far_detections=(3,)),
    # The second person is the first in the list of those who count.
    Shot('test', 'downtown_arguing_00', (('male', 10), ('female', 16)), unseen=((0, 1),)),
)  # fmt: skip
SMALL = (
    *(dataclasses.replace(shot, n=20) for shot in TINY),
    Shot('train', 'outdoors_slalom_00', (('male', 300),), 20, unseen=((0, 0), (0, 19))),
    Shot('validation', 'outdoors_parcours_01', (('female', 10), ('female', 10)), 20),
    Shot('test', 'flat_guitar_01', (('female', 10),), 20, is_portrait=True),
)
#: Images without a sequence file.
ONLY_IMAGES = 'downtown_cafe_01'


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/3dpw`` and return the truth about its products.

    Args:
        size: ``tiny`` (three sequences of 6 frames) or ``small`` (six of 20).
        markers: draw a marker on each joint.
    """
    root = osp.join(root, '3dpw')
    os.makedirs(root)
    models = osp.join(root, 'body_models')
    write_body_models(models, seed)
    truth = {'tdpw': [], 'tdpw_parametric': []}
    detections = {}
    for i, shot in enumerate(TINY if size == 'tiny' else SMALL):
        rng = np.random.default_rng([seed, i])
        _simulate_shot(root, models, shot, rng, markers, detections, truth)
    shutil.rmtree(osp.join(models, 'converted'))  # no part of a release
    only_images = osp.join(root, 'imageFiles', ONLY_IMAGES)
    os.makedirs(only_images)
    write_jpeg(osp.join(only_images, 'image_00000.jpg'), np.full((1080, 1920, 3), 90, np.uint8))
    with open(osp.join(root, 'yolov4_detections.pkl'), 'wb') as f:
        pickle.dump(detections, f, protocol=4)
    return truth


def _simulate_shot(root, models, shot, rng, markers, detections, truth):
    n_people = len(shot.people)
    people = [
        SmplPerson.random(
            *(rng, load('smpl', gender, models), shot.n),
            place=(800 * (k - (n_people - 1) / 2), rng.uniform(-300, 300)),
            heading=rng.uniform(0, 2 * np.pi),
            n_betas=n_betas,
        )
        for k, (gender, n_betas) in enumerate(shot.people)
    ]
    cameras = _moving_camera(shot, rng)
    is_valid = np.ones((n_people, shot.n), int)
    for k, i in shot.unaligned:
        is_valid[k, i] = 0
    poses2d = np.array(
        [[openpose_joints(p, i, cameras[i], rng) for i in range(shot.n)] for p in people]
    )
    for k, i in shot.unseen:
        poses2d[k, i] = 0
    path = osp.join(root, 'sequenceFiles', shot.phase, f'{shot.name}.pkl')
    write_pickle(path, sequence_file(shot.name, people, cameras, is_valid, poses2d))

    scene = Scene(people, Background.random(rng, 'field'), supersample=1)
    folder = osp.join(root, 'imageFiles', shot.name)
    os.makedirs(folder)
    for i, camera in enumerate(cameras):
        pixels = np.array([camera.project(p.joint_positions[i]) for p in people])
        image = scene.render(camera, i).image
        if markers:
            draw_markers(image, pixels.reshape(-1, 2))
        write_jpeg(osp.join(folder, f'image_{i:05d}.jpg'), image)
        counted = [
            k
            for k in range(n_people)
            if is_valid[k, i] and poses2d[k, i].any() and i not in shot.turned_away
        ]
        own = {k: _box_around(pixels[k]) for k in counted}
        found, box_of = _detections(shot, i, own, rng)
        detections[f'{shot.name}/image_{i:05d}.jpg'] = found
        for k in counted:
            person = _true_person(shot, camera, people[k], i, k)
            person.box = own[k]
            person.markers = pixels.reshape(-1, 2) if markers else None
            truth['tdpw'].append(person)
            if k in box_of:
                path = person.crop_path.replace('tdpw_', 'tdpw_parametric_')
                truth['tdpw_parametric'].append(
                    dataclasses.replace(
                        person,
                        crop_path=path,
                        split=SPLITS[shot.phase],
                        box=box_of[k],
                        has_joints=False,
                        parameters=_true_parameters(people[k], i, camera),
                    )
                )


def _moving_camera(shot, rng):
    """A camera in a hand that follows the people."""
    start, end = rng.normal([0, -7500, 1500], [500, 300, 100], (2, 3))
    cameras = []
    for i in range(shot.n):
        eye = start + (end - start) * i / (2 * FPS)
        target = np.array([0, 0, 900]) + rng.normal(0, 30, 3)
        if i in shot.turned_away:
            target = 2 * eye - target
        cameras.append(
            StudioCamera.look_at(eye, target, shot.imshape, focal=1950, roll=rng.normal(0, 0.03))
        )
    return cameras


def _box_around(pixels):
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    middle, size = (low + high) / 2, 1.15 * (high - low)
    return np.concatenate([middle - size / 2, size])


def _detections(shot, i_frame, own, rng):
    """Rows of the detector in a frame, and the box that each person must get."""
    if i_frame in shot.without_detections:
        return np.zeros((0, 5), np.float32), {}
    nobody = [0, 0, 60, 90, 0.4]
    if i_frame in shot.far_detections:
        return np.float32([nobody]), {}
    box_of = {}
    for k, box in own.items():
        shift = rng.uniform(-0.05, 0.05, 4) * [box[2], box[3], box[2], box[3]]
        box_of[k] = np.float32(box + shift).astype(np.float64)
    # The detector's order is not that of the people.
    rows = [[*box_of[k], 0.9] for k in sorted(own, reverse=True)]
    return np.float32([nobody, *rows]), box_of


def _true_person(shot, camera, person, i_frame, k):
    """The person as ``tdpw`` has them, in the axes of the camera, but for box and markers."""
    joints = camera.world_to_camera(person.joint_positions[i_frame])
    return TruePerson(
        crop_path=f'tdpw_downscaled/imageFiles/{shot.name}/image_{i_frame:05d}_{k:03d}.jpg',
        split=TEST,
        joints=joints[OUTPUT_ORDER],
        box=None,
        imshape=shot.imshape,
        camera=dict(
            K=camera.K,
            R=np.eye(3),
            t=np.zeros(3),
            distortion=None,
            world_up=np.array([0.0, -1.0, 0.0]),
        ),
    )


def _true_parameters(person, i_frame, camera):
    """The body in the axes of the camera, by moving a point of it that nothing else turns."""
    from scipy.spatial.transform import Rotation

    pose = person.pose[i_frame].copy()
    pose[:3] = (Rotation.from_matrix(camera.R) * Rotation.from_rotvec(pose[:3])).as_rotvec()
    pelvis = person.joint_positions[i_frame, 0] / 1000
    rest = pelvis - person.trans[i_frame]  # the pelvis of the rest pose, whatever the pose
    trans = camera.R @ (pelvis - camera.t / 1000) - rest
    return dict(type='smpl', gender=person.gender, pose=pose, shape=person.betas[:10], trans=trans)
