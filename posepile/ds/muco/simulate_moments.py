"""Moments of the simulated MPI-INF-3DHP release, drawn again for the composites."""

import functools
from dataclasses import dataclass

import numpy as np
import rlemasklib

from posepile.ds.tdhp import simulate_masks as masks
from posepile.ds.tdhp.simulate import JOINTS_17, JOINTS_28, empty_studio
from posepile.ds.tdhp.simulate_cameras import in_studio, training_cameras
from posepile.ds.tdhp.simulate_takes import (
    SOURCE_LANDMARKS,
    Sequence,
    performer_of,
    release_joints,
    takes_of,
    universal,
)

_ROOT = 4
_LEAST_INSIDE = 9  # of 28 joints


@dataclass(frozen=True, eq=False)
class Moment:
    """What a camera sees of a take at a time.

    Attributes:
        key: subject, sequence (from 1), camera, frame (from 0).
        has_pictures: whether the release has an image and both masks of it.
        joints, univ_joints: (28, 3) in camera space, mm.
        image: (h, w, 3) uint8.
        foreground, chair: (h, w) uint8 red channels of the mask pictures.
        person_mask, chair_mask: (h, w) bool.
    """

    key: tuple[int, int, int, int]
    has_pictures: bool
    camera: object
    world: np.ndarray
    joints: np.ndarray
    univ_joints: np.ndarray
    image: np.ndarray
    foreground: np.ndarray
    chair: np.ndarray
    person_mask: np.ndarray
    chair_mask: np.ndarray

    @property
    def pixels(self):
        return self.camera.camera_to_image(self.joints)

    @property
    def depth(self):
        return self.joints[_ROOT, 2]


def sequences_of(size) -> dict:
    """(subject, sequence) -> take."""
    takes = [take for take in takes_of(size) if isinstance(take, Sequence)]
    return {(take.subject, take.sequence): take for take in takes}


@functools.cache
def _recorded(take, seed):
    performer = performer_of(take, seed)
    scene = empty_studio(seed).with_performers([performer])
    cameras = training_cameras(np.random.default_rng([seed, take.subject, take.sequence]))
    return performer, scene, cameras, release_joints(performer, SOURCE_LANDMARKS)


def shown_frames(take, i_camera, seed) -> list[int]:
    """Frames that the simulated videos show: those of ``tdhp_full``, if there are masks of them."""
    _, _, cameras, world = _recorded(take, seed)
    camera = cameras[i_camera]
    pixels = camera.project(world)
    n_inside = np.all((pixels >= 0) & (pixels <= camera.imshape[::-1]), axis=2).sum(axis=1)
    world, last, shown = world[:, JOINTS_28], 0, []
    for i in range(min(take.video_length(i_camera), take.mask_length(i_camera))):
        if i == 0 or np.linalg.norm(world[i] - world[last], axis=1).max() >= 100:
            last = i
            if n_inside[i] >= _LEAST_INSIDE:
                shown.append(i)
    return shown


def draw_moment(take, i_camera, i_frame, seed) -> Moment:
    """The moment; of one that the release does not show, too."""
    performer, scene, cameras, world = _recorded(take, seed)
    camera = cameras[i_camera]
    joints = camera.world_to_camera(world[i_frame])
    frame = scene.render(in_studio(camera), i_frame)
    foreground = masks.Foreground.of(frame, camera.camera_to_image(joints), take.is_mask_in_two)
    chair = masks.chair_picture(scene, in_studio(camera))[..., 0]
    return Moment(
        key=(take.subject, take.sequence, i_camera, i_frame),
        has_pictures=i_frame < min(take.video_length(i_camera), take.mask_length(i_camera)),
        camera=camera,
        world=world[i_frame],
        joints=joints,
        univ_joints=universal(joints[np.newaxis], _ROOT, performer.body.stature)[0],
        image=frame.image,
        foreground=masks.foreground_picture(foreground)[..., 0],
        chair=chair,
        person_mask=_person_mask(foreground, camera, joints),
        chair_mask=chair == 0,
    )


def _person_mask(foreground, camera, joints):
    """Of what is taken for foreground, the part at the joints, no further than 1.3 times around."""
    height, width = camera.imshape
    box = _joint_box(camera.camera_to_image(joints)[list(JOINTS_17)], 1.05, (height, width))
    mask = rlemasklib.decode(foreground.mask(box)) != 0
    low, size = box[:2] - 0.15 * box[2:], 1.3 * box[2:]
    columns, rows = np.arange(width), np.arange(height)[:, np.newaxis]
    mask &= (columns >= low[0]) & (columns < low[0] + size[0])
    mask &= (rows >= low[1]) & (rows < low[1] + size[1])
    return mask


def _joint_box(pixels, factor, imshape):
    """Around (J, 2) points, larger by a factor, within the image."""
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    middle, half = (low + high) / 2, factor * (high - low) / 2
    low = np.clip(middle - half, 0, imshape[::-1])
    return np.concatenate([low, np.clip(middle + half, 0, imshape[::-1]) - low])
