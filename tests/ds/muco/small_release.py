"""Recordings of a few moments, and their pictures, in the layout of MPI-INF-3DHP."""

import json
import os

import numpy as np

from posepile.ds.tdhp.simulate_cameras import write_calibration
from posepile.ds.tdhp.simulate_files import write_training_annotations
from posepile.simulate.camera import StudioCamera
from posepile.simulate.origin import MARKER
from posepile.simulate.writers import write_jpeg

N_CAMERAS = 14
SIZE = 200
#: A person of 28 joints, 1700 mm tall, in camera axes: (28, 3) mm. The pelvis, row 4, is at z = 0.
PERSON = np.array(
    [[200 * np.sin(i), 850 * np.cos(i * np.pi / 27), 100 * np.cos(2.3 * i)] for i in range(28)]
)
PERSON[:, 2] -= PERSON[4, 2]


def a_camera(size=SIZE, focal=200.0, center=(0, 0, 0)):
    K = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    return StudioCamera(K, np.eye(3), np.array(center, np.float64), (size, size))


def write_sequence(root, subject, sequence, joints, cameras=None, univ_joints=None):
    """Write annotations and calibration.

    Args:
        joints: (F, 28, 3) in the space of every camera.
    """
    folder = root / '3dhp' / f'S{subject}' / f'Seq{sequence}'
    os.makedirs(folder, exist_ok=True)
    (root / '3dhp' / MARKER).write_text(json.dumps(dict(dataset='tdhp')))
    cameras = cameras or [a_camera()] * N_CAMERAS
    write_calibration(folder / 'camera.calibration', cameras)
    poses = [np.asarray(joints)] * N_CAMERAS
    univ = poses if univ_joints is None else [np.asarray(univ_joints)] * N_CAMERAS
    pixels = [c.camera_to_image(p) for c, p in zip(cameras, poses, strict=True)]
    write_training_annotations(folder / 'annot.mat', pixels, poses, univ)


def write_first_pictures(root):
    """Put empty files where extracted pictures of all sequences begin."""
    for folder in (root / '3dhp').glob('S*/Seq*'):
        for kind in ('imageSequence', 'FGmasks', 'ChairMasks'):
            (folder / kind).mkdir()
            for i in range(N_CAMERAS):
                (folder / kind / f'img_{i}_000000.jpg').touch()


def write_pictures(root, moment, image, person, chair=None):
    """Write an image and its masks (bool, by default without a chair)."""
    subject, sequence, camera, frame = moment
    empty = np.zeros(person.shape, bool)
    foreground = np.repeat(np.uint8(255) * person[..., np.newaxis], 3, axis=2)
    chair = np.repeat(np.uint8(255) * ~(empty if chair is None else chair)[..., None], 3, axis=2)
    pictures = dict(imageSequence=image, FGmasks=foreground, ChairMasks=chair)
    for kind, picture in pictures.items():
        folder = root / '3dhp' / f'S{subject}' / f'Seq{sequence}' / kind
        os.makedirs(folder, exist_ok=True)
        write_jpeg(folder / f'img_{camera}_{frame:06d}.jpg', picture, quality=98)


def rectangle(left, top, right, bottom, size=SIZE):
    mask = np.zeros((size, size), bool)
    mask[top:bottom, left:right] = True
    return mask


def plain(colour, size=SIZE):
    return np.full((size, size, 3), colour, np.uint8)
