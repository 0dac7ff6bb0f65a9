"""Human3.6M: one actor in a studio, seen by four calibrated cameras."""

import functools
import os

from posepile.clips import Clip, EveryNth, OfEveryNth, Person, WhenMoved
from posepile.ds.h36m import tree
from posepile.ds.h36m.boxes import load_boxes
from posepile.ds.h36m.corrections import correct_boxes, correct_world_coords
from posepile.ds.h36m.frames import TEST_STEP, TRAINING_STEP, frames_of
from posepile.ds.h36m.metadata import CAMERA_IDS, read_metadata
from posepile.ds.h36m.poses import read_pose_cdf
from posepile.ds.h36m.variants import Variant, find_variant, variant_named
from posepile.joint_info import JointInfo
from posepile.pipeline import stages
from posepile.pipeline.recipe import Recipe
from posepile.util import TEST, TRAIN, VALID

__all__ = ['correct_boxes', 'correct_world_coords', 'get_activity_names', 'get_cameras']

#: The usual skeleton, and which rows of the pose files it is; the pelvis comes last.
JOINT_INFO = JointInfo(
    'rhip,rkne,rank,lhip,lkne,lank,tors,neck,head,htop,lsho,lelb,lwri,rsho,relb,rwri,pelv',
    'htop-head-neck-rsho-relb-rwri,neck-tors-pelv-rhip-rkne-rank',
)
SOURCE_JOINTS = (1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27, 0)
#: All joints but those that coincide with others.
ALL_JOINT_INFO = JointInfo(
    'rhip,rkne,rank,rfoo,rtoe,lhip,lkne,lank,lfoo,ltoe,spin,neck,head,htop,'
    'lsho,lelb,lwri,lthu,lfin,rsho,relb,rwri,rthu,rfin,pelv',
    'htop-head-neck-spin-pelv-lhip-lkne-lank-lfoo-ltoe,'
    'lthu-lwri-lelb-lsho-neck-rsho-relb-rwri-rthu,rwri-rfin,lwri-lfin,'
    'pelv-rhip-rkne-rank-rfoo-rtoe',
)
ALL_SOURCE_JOINTS = (
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 21, 22, 25, 26, 27, 29, 30, 0,
)  # fmt: skip
#: A training frame is kept when one of the 17 joints has moved by 100 mm.
_DECISIVE_JOINTS = {
    JOINT_INFO.n_joints: None,
    ALL_JOINT_INFO.n_joints: tuple(ALL_SOURCE_JOINTS.index(j) for j in SOURCE_JOINTS),
}


def make_recipe(name='h36m'):
    """Recipe of ``h36m`` or one of its variants, see ``dataset.toml``."""
    return recipe_of(variant_named(name))


def recipe_of(variant: Variant) -> Recipe:
    """Recipe of a variant, also of one that has no name in ``dataset.toml``."""
    splits = tuple(split for split in (TRAIN, VALID, TEST) if variant.subjects(split))
    return Recipe(
        name=variant.name,
        joint_info=ALL_JOINT_INFO if variant.all_joints else JOINT_INFO,
        list_clips=lambda: list_clips(variant),
        read_clip=lambda identity: read_clip(variant, *identity),
        crops_folder=variant.crops_folder,
        splits=splits,
        expansion=1.8 if variant.partial_visibility else 1.0,
        mask_key_components=4,
        mask_of='person' if variant.masks else 'nobody',
        options=variant.options(),
    )


def make_dataset(name='h36m', train_subjects=None, valid_subjects=None, test_subjects=None):
    """Open a packed product.

    Args:
        train_subjects, valid_subjects, test_subjects: numbers of subjects, where other ones are
            wanted than those of ``name``: the variant that has them and is like ``name`` otherwise.
    """
    variant = find_variant(name, train_subjects, valid_subjects, test_subjects)
    return recipe_of(variant).open()


def list_clips(variant):
    """(name, (subject, take, index of the camera, split)) of every view, also of missing videos."""
    return [
        (f'S{subject}/{tree.view_name(take, i_camera)}', (subject, take, i_camera, split))
        for split in (TRAIN, VALID, TEST)
        for subject in variant.subjects(split)
        for take in tree.list_takes(subject)
        for i_camera in range(len(CAMERA_IDS))
    ]


def read_clip(variant, subject, take, i_camera, split):
    """One camera's view of one take; frame i of the video belongs to row i of poses and boxes."""
    source_joints = ALL_SOURCE_JOINTS if variant.all_joints else SOURCE_JOINTS
    camera = _metadata().cameras[i_camera][subject - 1]
    view_name = tree.view_name(take, i_camera)
    image_folder = f'S{subject}/{tree.IMAGES}/{view_name}'
    joints = load_poses(subject, take)[:, source_joints]
    boxes = load_boxes(subject, view_name)
    if variant.correct_S9:
        joints = correct_world_coords(joints, image_folder)
        boxes = correct_boxes(boxes, image_folder, joints, camera)
    when_moved = WhenMoved(100, joints=_DECISIVE_JOINTS[len(source_joints)])
    return Clip(
        frames=frames_of(subject, view_name, len(joints)),
        camera=camera,
        people=[Person(joints, boxes)],
        split=split,
        crop_path=f'{variant.crops_folder}/{image_folder}/frame_{{frame:06d}}.jpg',
        select=OfEveryNth(TRAINING_STEP, when_moved) if split == TRAIN else EveryNth(TEST_STEP),
        activity=take.partition(' ')[0],
    )


def load_poses(subject, take):
    """(n, 32, 3) world coordinates in mm as they were published."""
    return read_pose_cdf(f'{tree.subject_dir(subject)}/{tree.POSES}/{take}.cdf', 3)


def get_activity_names(i_subject) -> list[str]:
    """Names of the takes of a subject (``Directions 1``), sorted."""
    return tree.list_takes(i_subject)


def get_cameras(metadata_path=None):
    """The :class:`deltacamera.Camera` of [camera 0..3][subject - 1].

    Args:
        metadata_path: by default, that of the release below DATA_ROOT.
    """
    return read_metadata(metadata_path or tree.metadata_path()).cameras


def _metadata():
    path = tree.metadata_path()
    time = os.stat(path).st_mtime_ns if os.path.exists(path) else None
    return _read_metadata_once(path, time)


@functools.lru_cache(maxsize=2)
def _read_metadata_once(path, time):
    return read_metadata(path)


if __name__ == '__main__':
    stages.main(make_recipe)
