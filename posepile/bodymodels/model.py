"""Linear blend skinning with corrective shapes: the function that all models of the family are.

Loper, Mahmood, Romero, Pons-Moll and Black, "SMPL: A Skinned Multi-Person Linear Model", ACM
Transactions on Graphics 34(6), 2015; the numbers of equations below are those of the paper.

Why not a library: ``smplx`` may not be used without a licence of its owners, and ``smplfitter``
opens the official pickles itself, by running them. Both serve as references in the tests.
"""

import math
from typing import NamedTuple

import numpy as np

from posepile.bodymodels.hands import Hands
from posepile.bodymodels.keypoints import Landmarks
from posepile.bodymodels.rotations import matrix_to_rotvec, rotvec_to_matrix

# Poses at a time, so that intermediate results are few megabytes whatever the batch.
_CHUNK = 32


class Body(NamedTuple):
    """What a model makes of parameters. Leading axes are those of the pose.

    Attributes:
        vertices: (..., V, 3) surface in mm; None if it was not asked for.
        joints: (..., J, 3) joint centres in mm.
        orientations: (..., J, 3, 3) rotation of each body part relative to the rest pose, in the
            coordinates of the vertices.
    """

    vertices: np.ndarray | None
    joints: np.ndarray
    orientations: np.ndarray


class _Directions(NamedTuple):
    """What parameters add to points of the rest pose (equations 8 and 10); rows of 3 P numbers."""

    shape: np.ndarray
    expression: np.ndarray
    kid: np.ndarray

    def sum(self, shape, expression, kid):
        """(n, P, 3) offsets for (n, .) coefficients, which may be fewer than there are rows."""
        offsets = shape @ self.shape[: shape.shape[1]]
        if expression.shape[1]:
            offsets += expression @ self.expression[: expression.shape[1]]
        if np.any(kid):
            offsets += kid[:, np.newaxis] * self.kid
        return offsets.reshape(len(shape), len(self.kid) // 3, 3)


class BodyModel:
    """One model: a surface in rest pose and how shape and pose change it.

    Parameters have the units of the official models (metres, radians); results are in mm.

    Args:
        name, gender: for people and error messages.
        arrays: dictionary of ``v_template`` (V, 3), ``shapedirs`` (V, 3, S), ``posedirs``
            (V, 3, 9 (J - 1)), ``weights`` (V, J), ``J_regressor`` (J, V), in metres; ``parents``
            (J,), -1 for the root and otherwise less than the joint's own index; ``faces`` (F, 3);
            and optionally ``exprdirs`` (V, 3, E), ``kid_template`` (V, 3), and those of
            :class:`~posepile.bodymodels.hands.Hands` and of
            :class:`~posepile.bodymodels.keypoints.Landmarks`.
        joint_names: J names.

    Attributes:
        hands: mean pose and principal components of both hands; None if it has no fingers.
        landmarks: points of the face; None if there are none in its file.
    """

    def __init__(self, name, gender, arrays, joint_names):
        self.name = name
        self.gender = gender
        self.joint_names = tuple(joint_names)
        self.v_template = np.asarray(arrays['v_template'], np.float64)
        self.weights = np.asarray(arrays['weights'], np.float64)
        self.J_regressor = np.asarray(arrays['J_regressor'], np.float64)
        self.parents = tuple(int(p) for p in arrays['parents'])
        self.faces = np.asarray(arrays['faces'], np.int32)
        self.n_joints, self.n_vertices = len(self.parents), len(self.v_template)
        template = arrays.get('kid_template')
        self.has_kid_template = template is not None
        kid_direction = np.zeros_like(self.v_template)
        if self.has_kid_template:
            # Patel et al., "AGORA", CVPR 2021: kids lie between adult and infant template.
            template = np.asarray(template, np.float64)
            kid_direction = template - template.mean(axis=0) - self.v_template
        no_expressions = np.zeros((*self.v_template.shape, 0))
        # One row of 3 V numbers per parameter: products with them are plain matrix products.
        self._surface = _Directions(
            _rows(arrays['shapedirs']),
            _rows(arrays.get('exprdirs', no_expressions)),
            kid_direction.ravel(),
        )
        self._posedirs = _rows(arrays['posedirs'])
        self._joints = _Directions(*map(self._regressed, self._surface))
        self._joint_template = self.J_regressor @ self.v_template
        self.n_betas, self.n_expressions = len(self._surface.shape), len(self._surface.expression)
        self.hands = Hands.from_arrays(arrays)
        self.landmarks = Landmarks.from_arrays(arrays)

    def __call__(
        self, pose, shape=None, trans=None, kid_factor=None, expression=None, vertices=True
    ) -> Body:
        """Joints and surface for one or many parameter sets.

        Args:
            pose: rotation of each part relative to its parent: vectors (..., 3 J) or (..., J, 3)
                in radians, or matrices (..., J, 3, 3).
            shape: (..., at most S) betas; those left out are 0.
            trans: (..., 3) shift in metres.
            kid_factor: (...) share of the infant template, between 0 and 1.
            expression: (..., at most E).
            vertices: whether the surface is wanted; joints alone are a hundred times as fast.

        Leading axes are broadcast. The result is float64.

        Raises:
            ValueError: a shape of an array does not fit, or the model has not so many directions
                or no kid template.
        """
        local = self._local_rotations(pose)
        shape = self._coefficients(shape, self.n_betas, 'betas')
        expression = self._coefficients(expression, self.n_expressions, 'expressions')
        kid = self._kid_factor(kid_factor)
        trans = np.zeros(3) if trans is None else np.asarray(trans, np.float64)
        if trans.shape[-1:] != (3,):
            raise ValueError(f'trans must be (..., 3), not {trans.shape}.')
        inputs = [(local, 3), (shape, 1), (expression, 1), (kid, 0), (trans, 1)]
        batch = np.broadcast_shapes(*(a.shape[: a.ndim - n_own] for a, n_own in inputs))
        local, shape, expression, kid, trans = (_broadcast(a, batch, n) for a, n in inputs)

        rest_joints = self._joint_template + self._joints.sum(shape, expression, kid)
        orientations, joints = self._posed_joints(local, rest_joints)
        surface = None
        if vertices:
            surface = np.empty((len(local), self.n_vertices, 3))
            for i in range(0, len(local), _CHUNK):
                s = slice(i, i + _CHUNK)
                unposed = self._surface.sum(shape[s], expression[s], kid[s]) + self.v_template
                # What bending a joint does to the rest surface (equation 9).
                bent = (local[s, 1:] - np.eye(3)).reshape(len(unposed), -1)
                unposed += (bent @ self._posedirs).reshape(unposed.shape)
                self._skin(unposed, orientations[s], joints[s], rest_joints[s], out=surface[s])
            surface += trans[:, np.newaxis]
            surface *= 1000
            surface = surface.reshape(*batch, self.n_vertices, 3)
        joints = (joints + trans[:, np.newaxis]) * 1000
        return Body(
            surface,
            joints.reshape(*batch, self.n_joints, 3),
            orientations.reshape(*batch, self.n_joints, 3, 3),
        )

    def root(self, shape=None, kid_factor=None, expression=None) -> np.ndarray:
        """(..., 3) root joint in the rest pose, metres: the point about which the body turns."""
        shape = self._coefficients(shape, self.n_betas, 'betas')
        expression = self._coefficients(expression, self.n_expressions, 'expressions')
        kid = self._kid_factor(kid_factor)
        batch = np.broadcast_shapes(shape.shape[:-1], expression.shape[:-1], kid.shape)
        shape, expression = _broadcast(shape, batch, 1), _broadcast(expression, batch, 1)
        offsets = self._joints.sum(shape, expression, _broadcast(kid, batch, 0))
        return (self._joint_template[0] + offsets[:, 0]).reshape(*batch, 3)

    def moved(self, pose, shape, trans, rotation, shift, kid_factor=None, expression=None):
        """Parameters of the body after ``x -> rotation x + shift``.

        The root's rotation turns the body about its pelvis, which is not the origin of the
        model's coordinates; therefore ``trans`` is not simply rotated. For the coordinates of a
        camera with optical centre c (mm) and world-to-camera rotation R, the shift is
        ``-R c / 1000``.

        Args:
            pose: (..., 3 J) or (..., J, 3) rotation vectors.
            shape, kid_factor, expression: as when called, or None.
            trans: (..., 3) metres.
            rotation: (..., 3, 3).
            shift: (..., 3) metres.

        Returns:
            Pose of the same shape and trans, (broadcast) leading axes included; float64.
        """
        flat = np.asarray(pose, np.float64)
        is_flat = flat.shape[-1] == 3 * self.n_joints
        joints = flat.reshape(*flat.shape[:-1], -1, 3) if is_flat else flat
        rotation = np.asarray(rotation, np.float64)
        root = self.root(shape, kid_factor, expression)
        turned = (rotation @ (root + trans)[..., np.newaxis])[..., 0]
        new_root = matrix_to_rotvec(rotation @ rotvec_to_matrix(joints[..., 0, :]))
        others = np.broadcast_to(joints[..., 1:, :], (*new_root.shape[:-1], self.n_joints - 1, 3))
        new_pose = np.concatenate([new_root[..., np.newaxis, :], others], axis=-2)
        if is_flat:
            new_pose = new_pose.reshape(*new_root.shape[:-1], -1)
        return new_pose, turned + shift - root

    def _local_rotations(self, pose):
        pose = np.asarray(pose, np.float64)
        n = self.n_joints
        if pose.shape[-3:] == (n, 3, 3):
            return pose
        if pose.shape[-1:] == (3 * n,):
            pose = pose.reshape(*pose.shape[:-1], n, 3)
        if pose.shape[-2:] != (n, 3):
            raise ValueError(
                f'The pose of a {self.name} body must be (..., {3 * n}), (..., {n}, 3) or '
                f'(..., {n}, 3, 3), not {pose.shape}.'
            )
        return rotvec_to_matrix(pose)

    def _coefficients(self, values, most, what):
        values = np.zeros(0) if values is None else np.asarray(values, np.float64)
        if values.ndim == 0 or values.shape[-1] > most:
            raise ValueError(
                f'The {self.gender} {self.name} model has {most} {what}; given: {values.shape}.'
            )
        return values

    def _kid_factor(self, kid_factor):
        kid = np.asarray(0 if kid_factor is None else kid_factor, np.float64)
        if not self.has_kid_template and np.any(kid != 0):
            raise ValueError(
                f'The {self.gender} {self.name} model was loaded without its kid template.'
            )
        return kid

    def _regressed(self, rows):
        """What a displacement (..., 3 V) of the surface does to the joints: (..., 3 J)."""
        points = rows.reshape(*rows.shape[:-1], self.n_vertices, 3)
        return (self.J_regressor @ points).reshape(*rows.shape[:-1], 3 * self.n_joints)

    def _posed_joints(self, local, rest):
        """Orientations (n, J, 3, 3) and positions (n, J, 3) along the kinematic tree (eq. 3)."""
        orientations, positions = np.empty_like(local), np.empty_like(rest)
        for j, parent in enumerate(self.parents):
            if parent < 0:
                orientations[:, j], positions[:, j] = local[:, j], rest[:, j]
                continue
            bone = (rest[:, j] - rest[:, parent])[..., np.newaxis]
            orientations[:, j] = orientations[:, parent] @ local[:, j]
            positions[:, j] = positions[:, parent] + (orientations[:, parent] @ bone)[..., 0]
        return orientations, positions

    def _skin(self, shaped, orientations, positions, rest_joints, out):
        """Write (n, V, 3) points moved by the weighted mean of their parts' transforms (eq. 7)."""
        origins = positions - (orientations @ rest_joints[..., np.newaxis])[..., 0]
        transforms = np.concatenate([orientations, origins[..., np.newaxis]], axis=-1)
        flat = transforms.reshape(*transforms.shape[:2], 12)
        for k, parts in enumerate(flat):
            blended = (self.weights @ parts).reshape(-1, 3, 4)
            np.einsum('vab,vb->va', blended[..., :3], shaped[k], out=out[k])
            out[k] += blended[..., 3]


def _broadcast(array, batch, n_own):
    """Give an array the leading axes ``batch``, flattened into one."""
    own = array.shape[array.ndim - n_own :]
    return np.broadcast_to(array, (*batch, *own)).reshape(math.prod(batch), *own)


def _rows(directions):
    """(V, 3, K) -> (K, 3 V), contiguous."""
    directions = np.asarray(directions, np.float64)
    return np.ascontiguousarray(
        directions.reshape(math.prod(directions.shape[:2]), directions.shape[2]).T
    )
