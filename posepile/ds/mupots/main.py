"""MuPoTS-3D: several people in 20 short sequences, indoors and outdoors; a benchmark."""

import functools
import os
import os.path as osp

import numpy as np
from deltacamera import Camera

from posepile.clips import Clip, Person
from posepile.detection.stored import open_detections
from posepile.ds.mupots import tree
from posepile.ds.mupots.annotations import read_poses
from posepile.ds.mupots.intrinsics import read_intrinsics
from posepile.ds.tdhp.skeleton import JOINT_INFO, TEST_JOINTS, columns
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.pipeline import stages
from posepile.pipeline.box_rule import BoxRule, Limit
from posepile.pipeline.person_boxes import person_boxes_of_frames
from posepile.pipeline.recipe import Recipe
from posepile.raw.images import ImageFiles
from posepile.util import TEST, VALID
from posepile.util.boxes import is_box, joint_boxes

#: Where detections may be, the first counts: what other tools made, or the detect step.
DETECTIONS = ('yolov4_detections.pkl', 'yolov3_detections.pkl', 'detections')
_SURE = Limit('>', 0.1)
_EXPANSION = 1.1
_RULE = BoxRule(detection_score=_SURE, iou=Limit('>', 0.1))
_SPLITS = {'mupots': (TEST,), 'mupots_yolo': (VALID, TEST)}
_NOTHING = np.zeros((0, 5), np.float32)


def make_recipe(name='mupots'):
    """Recipe of ``mupots`` (whoever is detected) or ``mupots_yolo`` (and who is annotated)."""
    if name not in _SPLITS:
        raise UnknownDatasetError(f'{name!r} is none of {", ".join(_SPLITS)}.')
    return Recipe(
        name=name,
        joint_info=JOINT_INFO,
        list_clips=functools.partial(list_clips, _SPLITS[name]),
        read_clip=read_clip,
        crops_folder='mupots',
        splits=_SPLITS[name],
        mask_of='nobody',
    )


def make_dataset(name='mupots'):
    """Open a packed product."""
    return make_recipe(name).open()


def list_clips(splits=(VALID, TEST)):
    """(name, (sequence, split)) of all clips.

    Raises:
        RawDataError: if the release is not there.
    """
    if not osp.isdir(tree.release_dir()):
        raise RawDataError(
            tree.release_dir(), 'there is no such release', 'Download it: posepile run mupots'
        )
    names = {VALID: 'annotated', TEST: 'detected'}
    return [
        (f'{tree.folder(sequence)}/{names[split]} people', (sequence, split))
        for sequence in tree.SEQUENCES
        for split in splits
    ]


def read_clip(identity):
    """A clip; see :func:`list_clips`. The images are kept as they are.

    VALID are the annotated people whom the detector has found, TEST are all whom it has found.
    Nobody knows which joints these have: each is at (1, 1, 1).
    """
    sequence, split = identity
    release = tree.release_dir()
    K = read_intrinsics(release, sequence)
    frames = tree.list_frames(sequence)
    people_of = annotated_people if split == VALID else detected_people
    people, notes = people_of(sequence, frames, K)

    def path_of(i_frame):
        return osp.join(release, tree.image_path(sequence, i_frame))

    return Clip(
        frames=ImageFiles(path_of),
        camera=Camera(intrinsic_matrix=K, world_up=(0, -1, 0)),
        people=people,
        split=split,
        crop_path=f'mupots/{tree.folder(sequence)}/img_{{frame:06d}}.jpg',
        select=where_known,
        scene=tree.folder(sequence),
        original_path=path_of,
        notes=notes,
    )


def where_known(joints):
    """Select the frames in which a person has joints."""
    return np.flatnonzero(np.isfinite(joints).all(axis=(1, 2)))


def annotated_people(sequence, frames, K):
    """([Person], notes): valid people with a detection, in the order of the annotations.

    Args:
        frames: numbers of the images that there are.
        K: (3, 3) intrinsic matrix.
    """
    poses = read_poses(tree.annotation_path(tree.release_dir(), sequence))
    n_frames = len(poses.is_valid)
    notes = []
    if frames != list(range(n_frames)):
        notes.append(
            f'there are {len(frames)} images, {n_frames} frames are annotated, not the same ones'
        )
    rays = poses.joints @ K.T
    with np.errstate(divide='ignore', invalid='ignore'):
        pixels = rays[..., :2] / rays[..., 2:]
    # Whoever is not valid may stand anywhere, and must not take the detection of another.
    own = joint_boxes(pixels, _EXPANSION, where=poses.joints[..., 2] > 0)
    own[~poses.is_valid] = np.nan
    found = [_detections_in(sequence, i) for i in range(n_frames)]
    matched = person_boxes_of_frames(own, found, _RULE)
    is_kept = is_box(matched.boxes)
    n_valid, n_lost = int(poses.is_valid.sum()), int((poses.is_valid & ~is_kept).sum())
    if n_lost:
        notes.append(f'{n_lost} of {n_valid} annotated people are not detected and left out')

    def in_order(joints):
        chosen = joints[:, :, columns(JOINT_INFO, TEST_JOINTS)]
        return np.where(is_kept[..., np.newaxis, np.newaxis], chosen, np.nan)

    joints, univ_joints = in_order(poses.joints), in_order(poses.univ_joints)
    people = [
        Person(joints[:, i], matched.boxes[:, i], univ_joints=univ_joints[:, i], index=i)
        for i in range(poses.is_valid.shape[1])
    ]
    return people, notes


def detected_people(sequence, frames, K):
    """([Person], notes): whoever is detected, by falling confidence; see :func:`read_clip`."""
    n_frames = frames[-1] + 1
    found = [_NOTHING] * n_frames
    for i in frames:
        boxes = _detections_in(sequence, i)
        found[i] = boxes[_RULE.eligible(boxes)]
    people = []
    for rank in range(max(map(len, found))):
        boxes = np.array([b[rank, :4] if rank < len(b) else np.full(4, np.nan) for b in found])
        joints = np.ones((n_frames, JOINT_INFO.n_joints, 3))
        joints[~is_box(boxes)] = np.nan
        people.append(Person(joints, boxes, univ_joints=joints, index=rank))
    return people, []


def _detections_in(sequence, i_frame):
    return _find_detections().get(tree.image_path(sequence, i_frame), _NOTHING)


def _find_detections():
    for name in DETECTIONS:
        path = osp.join(tree.release_dir(), name)
        if osp.exists(path):
            return _open_once(path, os.stat(path).st_mtime_ns)
    raise RawDataError(
        osp.join(tree.release_dir(), DETECTIONS[0]),
        'there are no detections, and every box of this dataset is one',
        'Run the detect step: posepile run mupots',
    )


@functools.lru_cache(maxsize=1)
def _open_once(path, time):
    return open_detections(path)


if __name__ == '__main__':
    stages.main(make_recipe)
