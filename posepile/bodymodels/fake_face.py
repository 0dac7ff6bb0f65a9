"""Faces of made-up SMPL-X models: jaw, eyeballs, openings, and landmarks on triangles."""

import dataclasses

import numpy as np

from posepile.bodymodels.fake_surface import beside, opened, sphere
from posepile.simulate.face_hands import FACE_NAMES
from posepile.simulate.skinning import smoothstep

_RADIUS = 0.012  # of eyeballs, metres
_EYE_RINGS, _EYE_SIDES = 17, 32  # 546 vertices each, as in SMPL-X
_N_OUTLINE = 17  # leading landmarks of the iBUG scheme
_YAW = np.arange(-39, 40)  # degrees for which the outline of the face is listed


def face_joints(points) -> dict:
    """Joints (3,) by name."""
    height = points['htop'][1] - points['head'][1]
    eyes = {f'{s}eyehf': points[f'{s}eye_skin'] - [0, 0, _RADIUS] for s in 'lr'}
    return {'jaw': points['head'] + height * np.array([0, 0.15, 0.1]), **eyes}


def with_jaw(surface, points, names):
    """The surface with a chin that moves with the jaw."""
    head, jaw = names.index('head'), names.index('jaw')
    _, y, z = (surface.vertices - points['jaw']).T
    weights = surface.weights.copy()
    weights[:, jaw] = weights[:, head] * smoothstep(0.5 - y / 0.02) * smoothstep(0.5 + z / 0.03)
    weights[:, head] -= weights[:, jaw]
    return dataclasses.replace(surface, weights=weights)


def open_face(surface, points, n_rings):
    """The surface with openings for mouth, nose and eyes: SMPL-X lacks 30 triangles there, too.

    Args:
        n_rings: rings of the tube with which the surface begins, the trunk.
    """
    mouth = 0.5 * (points['mouth1_skin'] + points['mouth2_skin'])
    slits = [(mouth, 7), (points['nose4_skin'], 2)]
    slits += [(points[f'{s}eye_skin'], 3) for s in 'lr']
    return opened(surface, slits, n_rings)


def eyeballs(points, names):
    """The left and the right one, as one surface."""
    return beside(
        *(
            sphere(
                points[f'{s}eyehf'], _RADIUS, _EYE_RINGS, _EYE_SIDES, names.index(f'{s}eyehf'),
                len(names),
            )
            for s in 'lr'
        )
    )  # fmt: skip


def landmarks(surface, points, names) -> dict:
    """Arrays ``lmk_*`` and ``dynamic_lmk_*`` of a model: triangles, and places on them.

    The dynamic ones are the outline of the face as it is seen when the head is turned.
    """
    face = np.array([points[f'{name}_skin'] for name in FACE_NAMES])
    yaw = np.radians(_YAW)
    c, s, zero, one = np.cos(yaw), np.sin(yaw), np.zeros(len(yaw)), np.ones(len(yaw))
    turns = np.stack([c, zero, s, zero, one, zero, -s, zero, c], axis=1).reshape(-1, 3, 3)
    centre = points['head'] * [1, 0, 1]
    outlines = np.einsum('aij,pj->api', turns, face[:_N_OUTLINE] - centre) + centre
    head = [names.index(name) for name in ('head', 'jaw')]
    faces, weights = _places(surface, face[_N_OUTLINE:], head)
    dynamic_faces, dynamic_weights = _places(surface, outlines.reshape(-1, 3), head)
    return dict(
        lmk_faces_idx=faces,
        lmk_bary_coords=weights,
        dynamic_lmk_faces_idx=dynamic_faces.reshape(len(yaw), _N_OUTLINE),
        dynamic_lmk_bary_coords=dynamic_weights.reshape(len(yaw), _N_OUTLINE, 3),
    )


def _places(surface, targets, joints):
    """(n,) triangles of what the joints move whose middles are nearest, (n, 3) places on them."""
    from scipy.spatial import cKDTree

    share = surface.weights[:, joints].sum(axis=1)
    candidates = np.flatnonzero((share[surface.faces] > 0.5).all(axis=1))
    corners = surface.vertices[surface.faces[candidates]]
    nearest = cKDTree(corners.mean(axis=1)).query(targets)[1]
    a, b, c = np.moveaxis(corners[nearest], 1, 0)
    axes = np.stack([b - a, c - a], axis=-1)  # of the plane of the triangle
    uv = (np.linalg.pinv(axes) @ (targets - a)[..., np.newaxis])[..., 0]
    weights = np.maximum(np.column_stack([1 - uv.sum(axis=1), uv]), 0)
    return candidates[nearest], weights / weights.sum(axis=1, keepdims=True)
