"""Small packed datasets: capsule people who walk in front of cameras of different kinds."""

import cv2
import numpy as np
import rlemasklib
from deltacamera import Camera

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.joint_info import JointInfo
from posepile.raw.images import encode_jpeg
from posepile.storage import codec, records
from posepile.storage.archive import ArchiveWriter
from posepile.util import SPLIT_NAMES

JOINT_INFO = JointInfo(
    'pelv,lhip,lkne,lank,rhip,rkne,rank,spin,neck,head,htop,lsho,lelb,lwri,rsho,relb,rwri',
    'htop-head-neck-spin-pelv,neck-lsho-lelb-lwri,pelv-lhip-lkne-lank',
)
N_PER_SPLIT = (5, 3, 2)


def walking_pose(phase):
    """(17, 3) joints in mm of a person at the origin who walks along x; z is up."""
    side = np.array([1, -1])
    swing = 0.5 * np.sin(phase) * side
    knee = swing - 0.35 * (1 - np.cos(phase * side)) / 2
    hips = np.stack([[0, 0], 100 * side, [930, 930]], axis=1)
    knees = hips + 430 * np.stack([np.sin(swing), [0, 0], -np.cos(swing)], axis=1)
    ankles = knees + 420 * np.stack([np.sin(knee), [0, 0], -np.cos(knee)], axis=1)
    shoulders = np.stack([[0, 0], 180 * side, [1430, 1430]], axis=1)
    elbows = shoulders + 280 * np.stack([np.sin(-swing), 0.25 * side, -np.cos(swing)], axis=1)
    wrists = elbows + 250 * np.stack([np.sin(0.6 - swing), 0.1 * side, -np.cos(0.6 - swing)], 1)
    spine = np.array([[0, 0, 950], [0, 0, 1200], [0, 0, 1480], [30, 0, 1600], [0, 0, 1750.0]])
    legs = np.stack([hips, knees, ankles], axis=1).reshape(6, 3)
    arms = np.stack([shoulders, elbows, wrists], axis=1).reshape(6, 3)
    return np.concatenate([spine[:1], legs, spine[1:], arms])


def drawn_person(points, imshape, rng):
    """A photo of sorts, and the mask of the person in it."""
    height, width = imshape
    y, x = np.mgrid[:height, :width]
    image = np.stack([90 + 60 * y / height, 110 + 50 * x / width, 140 - 50 * y / height], axis=2)
    image += 10 * np.sin(x / 23)[..., np.newaxis] * np.sin(y / 31)[..., np.newaxis]
    image = np.uint8(image)
    mask = np.zeros(imshape, np.uint8)
    shirt, trousers, skin = ([int(c) for c in rng.integers(30, 220, 3)] for _ in range(3))
    ids = JOINT_INFO.ids
    radius = max(3, round(0.035 * np.ptp(points[:, 1])))
    for i, j in JOINT_INFO.stick_figure_edges:
        color = trousers if max(i, j) <= ids.rank else shirt if max(i, j) != ids.htop else skin
        ends = [tuple(int(round(c)) for c in points[k]) for k in (i, j)]
        cv2.line(image, *ends, color, 2 * radius, cv2.LINE_AA)
        cv2.line(mask, *ends, 1, 2 * radius)
    head = tuple(int(round(c)) for c in points[ids.head])
    cv2.circle(image, head, 2 * radius, skin, -1, cv2.LINE_AA)
    cv2.circle(mask, head, 2 * radius, 1, -1)
    return image, mask


def make_example(i, kind='3d', imshape=(480, 400), with_mask=True):
    """Example ``i`` and its image; equal arguments give equal content."""
    rng = np.random.default_rng(i)
    joints = walking_pose(0.7 * i) + [300 * i, 500, 0]
    turn = 1.1 * i
    middle = joints.mean(axis=0)
    eye = middle + [3200 * np.cos(turn), 3200 * np.sin(turn), 600]
    camera = Camera.from_fov(40, imshape)
    camera = Camera(
        optical_center=eye,
        rot_world_to_cam=looking_along(middle - eye),
        intrinsic_matrix=np.array(camera.intrinsic_matrix),
        world_up=(0, 0, 1),
    )
    points = camera.world_to_image(joints.astype(np.float32))
    image, mask = drawn_person(points, imshape, rng)
    rle = rlemasklib.encode(mask)
    box = rlemasklib.to_bbox(rle)
    missing = rng.integers(0, 17, i % 3)
    path = f'walkers/cam{i % 2}/frame_{i:06d}.jpg'
    common = dict(image_path=path, bbox=box, camera=camera, mask=rle if with_mask else None)
    if kind == '2d':
        points[missing] = np.nan
        return Pose2DExample(coords=points, **common), image
    joints[missing] = np.nan
    return Pose3DExample(world_coords=joints.astype(np.float32), **common), image


def write_dataset(folder, kind='3d', examples=None, metadata=(), joint_info=JOINT_INFO):
    """Pack examples as annotations.barecat and images.barecat.

    Args:
        examples: (split, example, image) triples; None for walkers in all splits.
        metadata: entries to add to, or replace in, the metadata.

    Returns:
        Path of the annotation archive.
    """
    if examples is None:
        splits = np.repeat(range(3), N_PER_SPLIT)
        examples = [(split, *make_example(i, kind)) for i, split in enumerate(splits)]
    annotations, images = {}, {}
    counts = dict.fromkeys(SPLIT_NAMES, 0)
    for split, example, image in examples:
        number = 0
        while (key := f'{SPLIT_NAMES[split]}/{example.image_path}_{number:02d}.msgpack') in (
            annotations
        ):
            number += 1
        annotations[key] = codec.pack(records.ENCODERS[kind](example))
        if image is not None:
            images[example.image_path] = encode_jpeg(image)
        counts[SPLIT_NAMES[split]] += 1
    content = dict(
        joint_names=list(joint_info.names),
        joint_edges=[list(edge) for edge in joint_info.stick_figure_edges],
        posepile=dict(name='walkers', kind=kind, version='0', options={}, examples=counts),
    )
    content.update(metadata)
    annotations['metadata.msgpack'] = codec.pack(content)
    for name, files in (('annotations', annotations), ('images', images)):
        with ArchiveWriter(folder / f'{name}.barecat') as writer:
            for key in sorted(files):
                writer.add(key, files[key])
    return str(folder / 'annotations.barecat')


def looking_along(gaze):
    """World-to-camera rotation of an upright camera; z is up in the world."""
    z = gaze / np.linalg.norm(gaze)
    x = np.cross(z, [0, 0, 1])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])
