"""MuPoTS-3D as validation and test data of products that are trained on something else.

Without such a release, those products have training data only, and their reports say so.
"""

import dataclasses
import functools
import os.path as osp

import numpy as np

from posepile.ds.mupots import main, tree
from posepile.ds.tdhp.skeleton import JOINT_INFO
from posepile.errors import RawDataError

_ABSENT = 'absent'


def list_clips():
    """(name, argument of :func:`read_clip`); of a release that is not there, one clip."""
    if not osp.isdir(tree.release_dir()):
        return [('MuPoTS-3D', _ABSENT)]
    return [(f'MuPoTS-3D, {name}', identity) for name, identity in main.list_clips()]


def read_clip(identity, joint_info):
    """A clip with the joints of another skeleton, which has those of MuPoTS-3D and others.

    Raises:
        RawDataError: if there is no such release, or what is needed of it is missing or damaged.
    """
    if identity == _ABSENT:
        raise RawDataError(
            tree.release_dir(),
            'is not there, so that there are neither validation nor test data',
            'Make it (posepile run mupots_yolo), then this once more with --force crops.',
        )
    clip = main.read_clip(identity)
    places = places_in(joint_info)
    people = [
        dataclasses.replace(
            person,
            joints=spread(person.joints, joint_info),
            univ_joints=spread(person.univ_joints, joint_info),
        )
        for person in clip.people
    ]
    return dataclasses.replace(
        clip, people=people, select=functools.partial(_where_known, places=places)
    )


def places_in(joint_info) -> list[int]:
    """Where the joints of MuPoTS-3D are among those of another skeleton."""
    return [joint_info.names.index(name) for name in JOINT_INFO.names]


def spread(joints, joint_info) -> np.ndarray:
    """(..., J, 3) joints of another skeleton, from (..., 17, 3); NaN where there are none."""
    result = np.full((*joints.shape[:-2], joint_info.n_joints, 3), np.nan)
    result[..., places_in(joint_info), :] = joints
    return result


def _where_known(joints, places):
    return main.where_known(joints[:, places])
