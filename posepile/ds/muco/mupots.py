"""The validation and test data that go with the composites: MuPoTS-3D, with their joints.

Where there is no such release, the products have training data only, and their reports say so.
"""

import dataclasses
import os.path as osp

import numpy as np

from posepile.ds.mupots import main as mupots
from posepile.ds.mupots import tree
from posepile.ds.tdhp.skeleton import JOINT_INFO
from posepile.errors import RawDataError

_ABSENT = 'MuPoTS-3D'


def list_clips():
    """(name, argument of :func:`read_clip`), or a single one that cannot be read."""
    if not osp.isdir(tree.release_dir()):
        return [(_ABSENT, _ABSENT)]
    return [(f'{_ABSENT}, {name}', identity) for name, identity in mupots.list_clips()]


def read_clip(identity, joint_info):
    """A clip; joints that are not annotated are NaN.

    Raises:
        RawDataError: if there is no such release, or what is needed of it is missing or damaged.
    """
    if identity == _ABSENT:
        raise RawDataError(
            tree.release_dir(),
            'is not there, so that there are neither validation nor test data',
            'Make it (posepile run mupots_yolo), then this once more with --force crops.',
        )
    clip = mupots.read_clip(identity)
    places = [joint_info.names.index(name) for name in JOINT_INFO.names]

    def converted(joints):
        result = np.full((*joints.shape[:-2], joint_info.n_joints, 3), np.nan)
        result[..., places, :] = joints
        return result

    people = [
        dataclasses.replace(
            person, joints=converted(person.joints), univ_joints=converted(person.univ_joints)
        )
        for person in clip.people
    ]

    def where_known(joints):
        return clip.select(joints[..., places, :])

    return dataclasses.replace(clip, people=people, select=where_known)
