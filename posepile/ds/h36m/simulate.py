"""A miniature of the Human3.6M release, in its layout, from the synthetic studio.

The cameras are the real ones. Who does what, and which defects of the release occur where, stands
in :data:`posepile.ds.h36m.simulate_takes.TINY`.
"""

import dataclasses
import os
import os.path as osp
from dataclasses import dataclass, field

import numpy as np
import rlemasklib

from posepile.ds.h36m import simulate_files as files
from posepile.ds.h36m.simulate_cameras import (
    CAMERA_IDS,
    project_as_released,
    studio_camera,
)
from posepile.ds.h36m.simulate_metadata import write_metadata
from posepile.ds.h36m.simulate_takes import (
    FPS,
    PUBLIC_SUBJECTS,
    S9_SHIFT,
    Take,
    performer_of,
    recorded_joints,
    takes_of,
    true_joints,
    with_universal_bones,
)
from posepile.simulate.background import Background
from posepile.simulate.camera import StudioCamera
from posepile.simulate.markers import draw_markers
from posepile.simulate.scene import Scene
from posepile.simulate.truth import TruePerson, camera_dict
from posepile.simulate.writers import write_video
from posepile.util import TEST, TRAIN

RAW_FOLDERS = ('h36m',)

#: Rows of the pose files that make the joints of the products.
JOINTS_17 = (1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27, 0)
JOINTS_25 = (
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 21, 22, 25, 26, 27, 29, 30, 0,
)  # fmt: skip
#: The boxes of the release are those of the joints, wider by this part of the larger side.
_BOX_MARGIN = 0.06


@dataclass(frozen=True)
class Product:
    """What is true of one product made from the release."""

    joints: tuple[int, ...] = JOINTS_17
    train: tuple[int, ...] = (1, 5, 6, 7, 8)
    test: tuple[int, ...] = (9, 11)
    suffix: str = ''
    is_corrected: bool = True
    has_masks: bool = False
    expansion: float = 1.0


PRODUCTS = {
    'h36m': Product(),
    'h36m_masked': Product(has_masks=True),
    'h36m_alljoints': Product(JOINTS_25, has_masks=True),
    'h36m_incorrect_S9': Product(suffix='_incorrect_S9', is_corrected=False),
    'h36m_partial': Product(suffix='_partial', expansion=1.8),
    'h36m_protocol1': Product(train=(1, 5, 6, 7, 8, 9), test=(11,)),
}


@dataclass(frozen=True)
class View:
    """One camera's view of a take, as it was simulated.

    Attributes:
        boxes: (n, 4) what the box masks of the release show, [left, top, width, height].
        masks: frame -> run-length encoded mask of the person, of those drawn.
    """

    take: Take
    i_camera: int
    camera: StudioCamera
    boxes: np.ndarray
    masks: dict[int, dict] = field(default_factory=dict)

    @property
    def name(self):
        """Name of the view's files, without extension."""
        return f'{self.take.name}.{CAMERA_IDS[self.i_camera]}'


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/h36m``, unpacked and as archives, and return the truth about each product.

    Args:
        size: ``tiny`` (12 takes) or ``small`` (40).
        markers: draw a marker on each of the 17 joints.
    """
    root = osp.join(root, 'h36m')
    takes = takes_of(size)
    for subject in PUBLIC_SUBJECTS:
        for folder in files.ARCHIVED_FOLDERS.values():
            os.makedirs(osp.join(root, f'S{subject}', folder))
    os.makedirs(osp.join(root, 'Release-v1.2'))
    lengths = {t.key: ([t.video_length(c) for c in range(4)], t.n) for t in takes}
    write_metadata(osp.join(root, 'Release-v1.2', 'metadata.xml'), lengths)
    scene = _empty_studio(seed)
    truth = {name: [] for name in PRODUCTS}
    for take in takes:
        folder = osp.join(root, f'S{take.subject}')
        for view in _simulate_take(folder, take, scene, seed, markers):
            for name, product in PRODUCTS.items():
                truth[name] += _true_people(view, product, seed, markers)
    files.write_archives(root, PUBLIC_SUBJECTS)
    return truth


def _empty_studio(seed):
    """A bare hall, in which all cameras are."""
    background = Background.random(np.random.default_rng([seed, 36]), 'room')
    hall = dataclasses.replace(background, room=(6500, 6500, 3500), props=[])
    return Scene([], hall, supersample=1)


def _simulate_take(folder, take, studio, seed, markers):
    """Write the files of a take and yield its views."""
    features = osp.join(folder, 'MyPoseFeatures')
    recorded = recorded_joints(take, seed)
    files.write_pose_cdf(f'{features}/D3_Positions/{take.name}.cdf', recorded)
    scene = studio.with_performers([performer_of(take, seed)])
    for i_camera in range(4):
        camera = studio_camera(take.subject, i_camera)
        in_camera = camera.world_to_camera(recorded)
        view = View(take, i_camera, camera, _boxes_of(camera, recorded))
        for kind, poses in (
            ('D2_Positions', project_as_released(in_camera, i_camera)),
            ('D3_Positions_mono', in_camera),
            ('D3_Positions_mono_universal', with_universal_bones(in_camera)),
        ):
            files.write_pose_cdf(f'{features}/{kind}/{view.name}.cdf', poses)
        files.write_box_masks(
            f'{folder}/MySegmentsMat/ground_truth_bb/{view.name}.mat',
            view.boxes[: take.box_rows],
            camera.imshape,
        )
        if take.video_length(i_camera):
            points = camera.project(true_joints(take, seed)[:, JOINTS_17]) if markers else None
            video = f'{folder}/Videos/{view.name}.mp4'
            _write_video(video, _frames(scene, view, points))
            if take.subject == 1 and i_camera == 0:
                _write_what_is_between(osp.dirname(video), scene.render(camera, 0).image)
        yield view


def _write_what_is_between(folder, image):
    """The videos of S1's first camera with all that was filmed between the actions."""
    for name in ('_ALL', '_ALL 1'):
        path = f'{folder}/{name}.{CAMERA_IDS[0]}.mp4'
        if not osp.exists(path):
            _write_video(path, [image, *[None] * 9])


def _write_video(path, frames):
    write_video(path, frames, FPS, quality=23, preset='ultrafast')


def _frames(scene, view, points):
    """Draw the frames of a view one by one, keeping masks of the person; None: as before."""
    take = view.take
    for i in range(take.video_length(view.i_camera)):
        if not take.is_drawn(i):
            yield None
            continue
        frame = scene.render(view.camera, i)
        if not take.is_test:
            view.masks[i] = rlemasklib.encode(frame.mask(0).astype(np.uint8))
        if points is not None and i < take.n and (i % 5 == 0 or i % 64 == 0 or take.in_full):
            draw_markers(frame.image, points[i])
        yield frame.image


def _boxes_of(camera, joints):
    """(n, 4) integer boxes [left, top, width, height] around the joints, within the image."""
    pixels = camera.project(joints)
    start, end = pixels.min(axis=1), pixels.max(axis=1)
    margin = _BOX_MARGIN * np.max(end - start, axis=1, keepdims=True)
    size = camera.imshape[::-1]
    start = np.clip(np.floor(start - margin), 0, size).astype(int)
    end = np.clip(np.ceil(end + margin), 0, size).astype(int)
    return np.concatenate([start, end - start], axis=1)


def _true_people(view, product, seed, markers):
    """The examples of one product that must come of a view."""
    take = view.take
    if take.subject not in product.train + product.test:
        return []
    is_test = take.subject in product.test
    true = true_joints(take, seed)
    joints = true if product.is_corrected else recorded_joints(take, seed)
    pixels = view.camera.project(true[:, JOINTS_17])
    n = min(take.n, take.box_rows or take.n)
    kept = range(0, n, 64) if is_test else _when_moved(joints[:n, JOINTS_17])
    return [
        TruePerson(
            crop_path=f'h36m_downscaled{product.suffix}/S{take.subject}/Images/{view.name}/'
            f'frame_{i:06d}.jpg',
            split=TEST if is_test else TRAIN,
            joints=joints[i, product.joints],
            box=_corrected_box(view, i, true)
            if take.is_shifted and product.is_corrected
            else view.boxes[i],
            imshape=view.camera.imshape,
            camera=camera_dict(view.camera),
            mask=view.masks.get(i) if product.has_masks else None,
            is_mask_estimated=product.has_masks,
            markers=pixels[i] if markers else None,
            expansion=product.expansion,
        )
        for i in kept
        if i < take.video_length(view.i_camera)
    ]


def _when_moved(joints):
    """Of every 5th frame: the first, and whenever a joint has moved by 100 mm."""
    kept = [0]
    for i in range(0, len(joints), 5):
        if np.any(np.linalg.norm(joints[i] - joints[kept[-1]], axis=1) >= 100):
            kept.append(i)
    return kept


def _corrected_box(view, i_frame, true):
    """The box of a shifted take, moved back at the depth where the pelvis really is."""
    camera = view.camera
    left, top, width, height = view.boxes[i_frame]
    corners = np.array([[left, top], [left + width, top + height]], np.float64)
    depth = camera.world_to_camera(true[i_frame, 0])[2]
    rays = camera.undistort((corners - camera.K[:2, 2]) @ np.linalg.inv(camera.K[:2, :2]).T)
    world = camera.camera_to_world(depth * np.concatenate([rays, np.ones((2, 1))], axis=1))
    start, end = camera.project(world - S9_SHIFT)
    return np.concatenate([start, end - start])
