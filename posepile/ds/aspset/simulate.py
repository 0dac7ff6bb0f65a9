"""A miniature of the ASPset-510 release, in its layout, from the synthetic studio.

Each clip shows what one rule of the release or of its reader hinges on: :data:`TINY` says which.
"""

import itertools
import json
import os
import os.path as osp
from dataclasses import dataclass

import numpy as np
import rlemasklib

from posepile.raw.c3d import write_c3d
from posepile.simulate.camera import StudioCamera
from posepile.simulate.markers import draw_markers
from posepile.simulate.scene import Performer, Scene
from posepile.simulate.truth import TruePerson, camera_dict
from posepile.simulate.writers import write_video
from posepile.util import TEST, TRAIN, VALID

RAW_FOLDERS = ('aspset',)

#: Order of the points in a C3D file, as studio landmarks and as the file labels them.
LANDMARKS = (
    'rank rkne rhip rwri relb rsho lank lkne lhip lwri lelb lsho htop head neck spin pelv'
).split()
LABELS = (
    'right_ankle right_knee right_hip right_wrist right_elbow right_shoulder left_ankle left_knee '
    'left_hip left_wrist left_elbow left_shoulder head_top head neck spine pelvis'
).split()
VIEWS = ('left', 'mid', 'right')
FPS = 50
SPLITS = {'train': TRAIN, 'val': VALID, 'test': TEST}
#: Half the size of the real videos; intrinsics and boxes are in proportion.
IMSHAPE = (1080, 1920)


@dataclass(frozen=True)
class ClipPlan:
    """One clip of the miniature.

    Attributes:
        camera_id: the fourth column of splits.csv: a view, or ``all``.
        excess: frames by which the C3D file is longer than the video.
    """

    subject: str
    clip: str
    split: str
    camera_id: str
    motion: str
    n_frames: int = 30
    excess: int = 0

    @property
    def views(self):
        return VIEWS if self.camera_id == 'all' else (self.camera_id,)

    @property
    def part(self):
        return 'test' if self.split == 'test' else 'trainval'


TINY = (
    ClipPlan('0aaa', '0001', 'train', 'all', 'walk'),
    ClipPlan('0aaa', '0002', 'train', 'mid', 'still'),  # only its first frame is kept
    ClipPlan('0bbb', '0003', 'train', 'left', 'kick', excess=2),
    ClipPlan('0bbb', '0004', 'train', 'all', 'swing'),
    ClipPlan('0ccc', '0001', 'val', 'all', 'reach'),
    ClipPlan('0ddd', '0001', 'test', 'right', 'mixed'),
)


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/aspset/data`` and return the truth about each product.

    Args:
        size: ``tiny`` (six clips of 30 frames) or ``small`` (24 clips of 150 frames).
        markers: draw a marker on each joint.
    """
    data = osp.join(root, 'aspset', 'data')
    plans = TINY if size == 'tiny' else _small()
    os.makedirs(data)
    with open(osp.join(data, 'splits.csv'), 'w') as f:
        f.writelines(f'{p.subject},{p.clip},{p.split},{p.camera_id}\n' for p in plans)
    cameras = {}
    truth = []
    for subject, clips in itertools.groupby(plans, key=lambda p: p.subject):
        cameras = _camera_ring(np.random.default_rng([seed, int(subject, 16)]))
        for plan in clips:
            truth += _simulate_clip(data, plan, cameras, seed, markers)
    return {
        'aspset': [person for person in truth if person.split != TEST],
        'aspset_test': truth,
    }


def _small():
    motions = itertools.cycle(['walk', 'kick', 'swing', 'reach', 'mixed', 'sit'])
    splits = ['train'] * 4 + ['val', 'test']
    return [
        ClipPlan(f'{i + 0xA0:04x}', f'{k:04d}', split, 'all', next(motions), n_frames=150)
        for i, split in enumerate(splits)
        for k in range(4)
    ]


def _camera_ring(rng):
    """Three cameras some 13 m from the athlete, with half the intrinsics of the real ones."""
    cameras = {}
    for i, view in enumerate(VIEWS):
        angle = np.deg2rad(-40 + 40 * i + rng.uniform(-5, 5))
        distance = rng.uniform(12000, 14000)
        eye = [distance * np.sin(angle), -distance * np.cos(angle), rng.uniform(1200, 1800)]
        camera = StudioCamera.look_at(eye, [0, 0, rng.uniform(800, 1100)], IMSHAPE, focal=1950)
        K = camera.K + np.array([[rng.uniform(-5, 5), 0, rng.uniform(-9, 9)],
                                 [0, rng.uniform(-5, 5), rng.uniform(-9, 9)],
                                 [0, 0, 0]])  # fmt: skip
        cameras[view] = StudioCamera(K, camera.R, camera.t, IMSHAPE)
    return cameras


def _in_frame_of(left, camera):
    """The camera in the release's world, which is the left camera's frame (y points down)."""
    return StudioCamera(
        camera.K, camera.R @ left.R.T, left.R @ (camera.t - left.t), IMSHAPE, world_up=[0, -1, 0]
    )


def _simulate_clip(data, plan, cameras, seed, markers):
    rng = np.random.default_rng([seed, int(plan.subject, 16), int(plan.clip)])
    performer = Performer.random(
        rng,
        motion=plan.motion,
        n_frames=plan.n_frames + plan.excess,
        fps=FPS,
        position=rng.uniform(-300, 300, 2),
        heading=rng.uniform(-np.pi, np.pi),
    )
    scene = Scene([performer], background='field', seed=int(rng.integers(2**31)))
    studio_joints = performer.joints(LANDMARKS)
    left = cameras['left']
    joints = (studio_joints - left.t) @ left.R.T
    stem = f'{plan.subject}/{plan.subject}'
    write_c3d(
        _place(data, plan, f'joints_3d/{stem}-{plan.clip}.c3d'),
        joints,
        LABELS,
        rate=FPS,
        units='mm',
        parameters={'POINT': {'SKEL': 'aspset_17j'}},
    )
    truth = []
    for view in plan.views:
        camera = _in_frame_of(left, cameras[view])
        _write_camera(_place(data, plan, f'cameras/{stem}-{view}.json'), camera)
        boxes = []
        kept = _kept_frames(joints[: plan.n_frames], plan.split)
        # Test examples are packed without masks.
        masks = dict.fromkeys(() if plan.split == 'test' else kept)
        video = f'videos/{stem}-{plan.clip}-{view}.mkv'
        pixels = camera.project(joints)
        write_video(
            _place(data, plan, video),
            _frames(scene, cameras[view], plan.n_frames, boxes, masks, pixels if markers else None),
            fps=FPS,
        )
        _write_boxes(_place(data, plan, f'boxes/{stem}-{plan.clip}-{view}.csv'), boxes)
        truth += [
            TruePerson(
                crop_path=f'aspset_downscaled/{plan.part}/{video}/{i:06d}.jpg',
                split=SPLITS[plan.split],
                joints=joints[i],
                box=_expanded_box(boxes[i]),
                imshape=IMSHAPE,
                camera=camera_dict(camera),
                mask=masks.get(i),
                is_mask_estimated=True,
                markers=pixels[i] if markers else None,
            )
            for i in kept
        ]
    return truth


def _expanded_box(corners):
    """Box [left, top, width, height] of two corners, a tenth larger about the same centre."""
    x1, y1, x2, y2 = corners
    w, h = x2 - x1, y2 - y1
    return np.array([x1 - 0.05 * w, y1 - 0.05 * h, 1.1 * w, 1.1 * h])


def _frames(scene, camera, n_frames, boxes, masks, markers):
    """Render the frames one by one.

    Args:
        boxes: list to which the person's box (corners) in each is added.
        masks: dictionary; its keys are the frames whose mask of the person it is given.
    """
    for i in range(n_frames):
        frame = scene.render(camera, i)
        if i in masks:
            masks[i] = rlemasklib.encode(frame.mask(0).astype(np.uint8))
        left, top, width, height = (float(x) for x in frame.box(0))
        boxes.append([left, top, left + width, top + height])
        yield frame.image if markers is None else draw_markers(frame.image, markers[i])


def _kept_frames(joints, split):
    """Every 5th frame of test; else the first, and whenever a joint has moved by 100 mm."""
    if split == 'test':
        return range(0, len(joints), 5)
    kept = [0]
    for i, pose in enumerate(joints):
        if np.any(np.linalg.norm(pose - joints[kept[-1]], axis=1) >= 100):
            kept.append(i)
    return kept


def _place(data, plan, path):
    path = osp.join(data, plan.part, path)
    os.makedirs(osp.dirname(path), exist_ok=True)
    return path


def _write_camera(path, camera):
    intrinsics = np.hstack([camera.K, np.zeros((3, 1))])
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = camera.R
    extrinsics[:3, 3] = -camera.R @ camera.t
    with open(path, 'w') as f:
        json.dump(
            dict(
                intrinsic_matrix=intrinsics.ravel().tolist(),
                extrinsic_matrix=extrinsics.ravel().tolist(),
            ),
            f,
        )


def _write_boxes(path, boxes):
    with open(path, 'w') as f:
        f.write('x1,y1,x2,y2\n')
        f.writelines(','.join(f'{x:.3f}' for x in box) + '\n' for box in boxes)
