"""3DPW: one or two people outdoors, filmed with a moving phone.

The world drifts with the tracking of the camera, so everything is in the coordinates of the camera:
examples have a camera at the origin, looking along z.
"""

import functools
import os.path as osp

import numpy as np
from deltacamera import Camera

from posepile import paths
from posepile.bodymodels.families import FAMILIES
from posepile.clips import Clip, Person
from posepile.ds.tdpw.boxes import detected_boxes, own_boxes
from posepile.ds.tdpw.parametric import parameters_of
from posepile.ds.tdpw.sequences import list_sequences, read_sequence
from posepile.errors import UnknownDatasetError
from posepile.joint_info import JointInfo
from posepile.pipeline import stages
from posepile.pipeline.recipe import Recipe
from posepile.raw.images import ImageFiles
from posepile.util import TEST, TRAIN, VALID

RAW_FOLDER = '3dpw'
#: The joints of SMPL, with the pelvis last.
SOURCE_JOINTS = (*range(1, 24), 0)
JOINT_INFO = JointInfo(
    [FAMILIES['smpl'].joint_names[i] for i in SOURCE_JOINTS],
    'head-neck-thor-rcla-rsho-relb-rwri-rhan,thor-spin-bell-pelv-rhip-rkne-rank-rtoe',
)
_SPLITS = {'train': TRAIN, 'validation': VALID, 'test': TEST}


def make_recipe(name='tdpw'):
    """Recipe of ``tdpw`` (joints, for evaluation) or ``tdpw_parametric`` (SMPL parameters)."""
    if name not in ('tdpw', 'tdpw_parametric'):
        raise UnknownDatasetError(f'{name!r} is none of tdpw, tdpw_parametric.')
    is_parametric = name == 'tdpw_parametric'
    return Recipe(
        name=name,
        joint_info=JOINT_INFO,
        list_clips=list_clips,
        read_clip=functools.partial(read_clip, is_parametric=is_parametric),
        crops_folder=f'{name}_downscaled',
        splits=(TRAIN, VALID, TEST) if is_parametric else (TEST,),
        stores_joints=not is_parametric,
        mask_of='nobody',
    )


def make_dataset(name='tdpw'):
    """Open a packed product."""
    return make_recipe(name).open()


def list_clips():
    """(phase/name, (phase, name)) of all sequences."""
    found = list_sequences(osp.join(paths.data_root(), RAW_FOLDER))
    return [(f'{phase}/{name}', (phase, name)) for phase, name in found]


def read_clip(identity, is_parametric=False):
    """A sequence with all its people.

    In ``tdpw``, all phases are the test set, and boxes are those of the joints. In
    ``tdpw_parametric``, each phase is a split, and boxes are those of a detector.
    """
    raw_folder = osp.join(paths.data_root(), RAW_FOLDER)
    sequence = read_sequence(raw_folder, *identity)
    joints = [_valid_joints(sequence, track) for track in sequence.tracks]
    boxes = [own_boxes(points, sequence.intrinsics) for points in joints]
    notes, parameters = [], [None] * len(joints)
    folder = 'tdpw_downscaled'
    if is_parametric:
        boxes = detected_boxes(raw_folder, sequence, boxes, notes)
        # Who was not found is passed over.
        joints = [
            np.where(np.isfinite(box).all(axis=1)[:, np.newaxis, np.newaxis], points, np.nan)
            for points, box in zip(joints, boxes, strict=True)
        ]
        parameters = [parameters_of(raw_folder, sequence, track) for track in sequence.tracks]
        folder = 'tdpw_parametric_downscaled'
    return Clip(
        frames=ImageFiles(lambda i: osp.join(raw_folder, sequence.image_path(i))),
        camera=Camera(intrinsic_matrix=sequence.intrinsics, world_up=(0, -1, 0)),
        people=[
            Person(joints[i][:, SOURCE_JOINTS], boxes[i], parameters=parameters[i], index=i)
            for i in range(len(joints))
        ],
        split=_SPLITS[sequence.phase] if is_parametric else TEST,
        crop_path=f'{folder}/imageFiles/{sequence.name}/image_{{frame:05d}}_{{person:03d}}.jpg',
        select=frames_with_joints,
        notes=notes,
    )


def frames_with_joints(joints):
    """Select the frames in which a person has joints."""
    return np.flatnonzero(np.isfinite(joints).any(axis=(1, 2)))


def _valid_joints(sequence, track):
    """(T, 24, 3) in the camera's axes, NaN in frames that do not count."""
    in_camera = sequence.in_camera(track.joints)
    return np.where(track.is_valid[:, np.newaxis, np.newaxis], in_camera, np.nan)


if __name__ == '__main__':
    stages.main(make_recipe)
