"""Linear blend skinning: surfaces that follow the bones."""

import dataclasses

import numpy as np

from posepile.simulate.body import BONE_INDEX, BONES
from posepile.simulate.mesh import Mesh


@dataclasses.dataclass(frozen=True, eq=False)
class Skin:
    """A mesh with its strongest three bones per vertex, ready to be posed.

    Attributes:
        mesh: the surface in the rest pose.
        bones: (V, 3) indices of bones.
        shares: (V, 3) their shares, summing to 1.
        origins: (S, 3) rest positions of the bones.
    """

    mesh: Mesh
    bones: np.ndarray
    shares: np.ndarray
    origins: np.ndarray

    @classmethod
    def bound(cls, surface, origins):
        """Keeps the three largest weights of each vertex of a mesh with weights."""
        strongest = np.argsort(-surface.weights, axis=1, kind='stable')[:, :3]
        shares = np.take_along_axis(surface.weights, strongest, axis=1)
        shares /= shares.sum(axis=1, keepdims=True)
        return cls(surface, strongest, shares, origins)

    def posed(self, rotations, positions):
        """(V, 3) vertices and (V, 3) normals for bone ``rotations`` (S, 3, 3) and ``positions``."""
        shift = positions - (rotations @ self.origins[..., None])[..., 0]
        transforms = np.concatenate([rotations, shift[..., None]], axis=-1).reshape(-1, 12)
        blended = self.shares[:, 0, None] * transforms[self.bones[:, 0]]
        for k in (1, 2):
            blended += self.shares[:, k, None] * transforms[self.bones[:, k]]
        blended = blended.reshape(-1, 3, 4)
        vertices = (blended[..., :3] @ self.mesh.vertices[..., None])[..., 0] + blended[..., 3]
        normals = (blended[..., :3] @ self.mesh.normals[..., None])[..., 0]
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
        return vertices, normals


def weights(n, **by_bone):
    """(n, S) weights from one number or (n,) array per bone."""
    result = np.zeros((n, len(BONES)))
    for bone, share in by_bone.items():
        result[:, BONE_INDEX[bone]] = share
    return result


def along_chain(position, bones, joints, blend):
    """Weights of points along a chain of bones that meet at ``joints``, blended around them."""
    steps = [np.ones_like(position)]
    for joint in joints:
        steps.append(smoothstep((position - joint) / blend * 0.5 + 0.5))
    steps.append(np.zeros_like(position))
    shares = {b: steps[i] - steps[i + 1] for i, b in enumerate(bones)}
    return weights(len(position), **shares)


def smoothstep(x):
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
