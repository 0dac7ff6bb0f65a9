"""People in the simulated 3DPW release: made-up SMPL bodies that walk in the studio."""

import dataclasses
from types import SimpleNamespace

import numpy as np
from scipy.spatial.transform import Rotation

from posepile.simulate.appearance import Appearance
from posepile.simulate.mesh import Material, Mesh

FPS = 30
_N_JOINTS = 24
# Rotation that puts a body, whose y axis is up, into the studio, whose z axis is.
_UPRIGHT = Rotation.from_rotvec([np.pi / 2, 0, 0])
_HEAD_AND_HANDS = (12, 15, 20, 21, 22, 23)
_LEGS = (0, 1, 2, 4, 5)
_FEET = (7, 8, 10, 11)


@dataclasses.dataclass(frozen=True, eq=False)
class SmplPerson:
    """One person through T frames; what :class:`~posepile.simulate.scene.Scene` draws.

    Attributes:
        gender: 'male' or 'female'.
        betas: (at least 10,).
        pose: (T, 72) radians.
        trans: (T, 3) metres, studio axes.
        vertices: (T, 6890, 3) mm.
        joint_positions: (T, 24, 3) mm.
        skin: the mesh and its materials.
        props: nothing.
    """

    gender: str
    betas: np.ndarray
    pose: np.ndarray
    trans: np.ndarray
    vertices: np.ndarray
    joint_positions: np.ndarray
    skin: SimpleNamespace
    props: tuple = ()

    @classmethod
    def random(cls, rng, model, n_frames, place, heading, n_betas=10):
        """Somebody who walks on the ground.

        Args:
            model: :class:`~posepile.bodymodels.model.BodyModel` of the person's gender.
            place: (x, y) mm where the person walks past in the middle of the clip.
            heading: where to; radians, 0 is world x.
            n_betas: length of ``betas``; those after the tenth mean nothing.
        """
        betas = np.concatenate([rng.normal(0, 0.8, 10), rng.normal(0, 1, n_betas - 10)])
        pose = _walk(rng, n_frames, heading)
        # On the ground, a pace per second.
        body = model(pose, betas[:10])
        time = (np.arange(n_frames) - n_frames / 2) / FPS
        trans = np.zeros((n_frames, 3))
        trans[:, :2] = np.asarray(place) / 1000
        trans[:, :2] += 1.1 * time[:, np.newaxis] * [np.cos(heading), np.sin(heading)]
        trans[:, 2] = -body.vertices[..., 2].min(axis=1) / 1000
        shift = 1000 * trans[:, np.newaxis]
        look = Appearance.random(rng, model.gender == 'female')
        return cls(
            *(model.gender, betas, pose, trans),
            *(body.vertices + shift, body.joints + shift),
            SimpleNamespace(mesh=_dressed(model, look)),
        )

    @property
    def n_frames(self):
        return len(self.pose)

    def surface(self, i_frame):
        """World vertices (V, 3) in mm and unit normals (V, 3)."""
        points, triangles = self.vertices[i_frame], self.skin.mesh.triangles
        a, b, c = points[triangles].swapaxes(0, 1)
        normals = np.zeros_like(points)
        np.add.at(normals, triangles, np.cross(b - a, c - a)[:, np.newaxis])
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        return points, normals / np.maximum(lengths, 1e-9)


def _walk(rng, n_frames, heading):
    """(T, 72) rotation vectors of a walk that starts anywhere in a step."""
    phase = 2 * np.pi * (np.arange(n_frames) / FPS + rng.uniform())
    swing, reach = np.sin(phase), rng.uniform(0.35, 0.55)
    pose = np.zeros((n_frames, _N_JOINTS, 3))
    pose[:, 1, 0], pose[:, 2, 0] = -reach * swing, reach * swing
    pose[:, 4, 0], pose[:, 5, 0] = 0.5 + 0.4 * np.cos(phase), 0.5 - 0.4 * np.cos(phase)
    pose[:, 3] = pose[:, 6] = rng.normal(0, 0.04, 3)
    pose[:, 15] = rng.normal(0, 0.15, 3)
    pose[:, 16, 2], pose[:, 17, 2] = -1.2, 1.2
    pose[:, 16, 0], pose[:, 17, 0] = 0.4 * swing, -0.4 * swing
    pose[:, 18, 1], pose[:, 19, 1] = -0.4, 0.4
    # In their own axes bodies look along z, which lies along -y once they are upright.
    turn = Rotation.from_rotvec([0, 0, heading + np.pi / 2]) * _UPRIGHT
    sway = Rotation.from_rotvec(np.stack([0 * swing, 0.06 * swing, 0.03 * swing], axis=1))
    pose[:, 0] = (turn * sway).as_rotvec()
    return pose.reshape(n_frames, -1)


def _dressed(model, look):
    """The model's surface in clothes; each triangle has the colour of the part that moves it."""
    part = model.weights.argmax(axis=1)[model.faces[:, 0]]
    material = np.zeros(len(part), np.int32)
    for k, parts in enumerate((_HEAD_AND_HANDS, _LEGS, _FEET), start=1):
        material[np.isin(part, parts)] = k
    points = 1000 * model.v_template
    return Mesh(
        vertices=points,
        normals=np.zeros_like(points),
        uv=points[:, :2],
        triangles=model.faces,
        triangle_material=material,
        materials=[look.top, Material(look.skin), look.bottom, look.shoes],
    )
