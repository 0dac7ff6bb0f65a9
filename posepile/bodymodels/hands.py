"""Poses of hands as few coefficients, and whole poses from the parts in which datasets have them.

A pose of a hand is 15 rotation vectors (45 numbers): index, middle, little, ring finger, thumb,
each from its base on. Romero, Tzionas and Black, "Embodied Hands", ACM Transactions on Graphics
36(6), 2017, write it as a mean pose plus a combination of principal components (equation 3 there).
"""

import dataclasses

import numpy as np

#: Numbers of the pose of one hand.
N_HAND = 45


@dataclasses.dataclass(frozen=True, eq=False)
class Hands:
    """Mean pose and principal components of the hands of a model.

    Attributes:
        mean: (2, 45) left and right hand, radians: half closed, as hands are at rest. Zeros are
            a flat hand.
        components: (2, C, 45) the rows are directions, those of most variance first.
    """

    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def from_arrays(cls, arrays):
        """From arrays ``hands_meanl``, ``hands_meanr`` (45,) and ``hands_componentsl``,
        ``hands_componentsr`` (C, 45); None if there are none."""
        if 'hands_meanl' not in arrays:
            return None
        return cls(
            np.stack([np.asarray(arrays[f'hands_mean{s}'], np.float64) for s in 'lr']),
            np.stack([np.asarray(arrays[f'hands_components{s}'], np.float64) for s in 'lr']),
        )

    def from_components(self, side, coefficients, flat_hand_mean=False) -> np.ndarray:
        """(..., k) coefficients of the first k components -> (..., 45) rotation vectors.

        Args:
            side: ``'l'`` or ``'r'``.
            flat_hand_mean: coefficients are relative to a flat hand, not to the mean pose.

        Raises:
            ValueError: there are not so many components.
        """
        i = 'lr'.index(side)
        coefficients = np.asarray(coefficients, np.float64)
        if coefficients.ndim == 0 or coefficients.shape[-1] > self.components.shape[1]:
            n = self.components.shape[1]
            raise ValueError(f'A hand has {n} components; given: {coefficients.shape}.')
        pose = coefficients @ self.components[i, : coefficients.shape[-1]]
        return pose if flat_hand_mean else pose + self.mean[i]

    def from_relative(self, side, pose) -> np.ndarray:
        """(..., 45) rotation vectors relative to the mean pose -> absolute ones.

        They are added, not composed: it is so that fits are made and stored.
        """
        return _hand(pose) + self.mean['lr'.index(side)]

    def to_components(self, side, pose, n, flat_hand_mean=False) -> np.ndarray:
        """(..., 45) -> (..., n) coefficients of the nearest pose (least squares of the numbers)."""
        i = 'lr'.index(side)
        relative = _hand(pose) - (0 if flat_hand_mean else self.mean[i])
        return relative @ np.linalg.pinv(self.components[i, :n])


def whole_pose(
    model, global_orient, body_pose, left_hand=None, right_hand=None, jaw=None, leye=None, reye=None
) -> np.ndarray:
    """The pose (..., 3 J) of a model from its parts.

    Args:
        model: :class:`~posepile.bodymodels.model.BodyModel`.
        global_orient: (..., 3) rotation vector of the root.
        body_pose: rotation vectors of the other joints of the body, (..., 63), or (..., 69) for
            SMPL. Further ones, of hands, must be left out where the model has fingers.
        left_hand, right_hand: (..., 45) absolute rotation vectors. Where they are left out, hands
            have their mean pose. Not for SMPL.
        jaw, leye, reye: (..., 3), for SMPL-X only; 0 where left out.

    Leading axes are broadcast.

    Raises:
        ValueError: a part does not fit the model.
    """
    names = model.joint_names
    parts = [('global_orient', global_orient, 3), ('body_pose', body_pose, 69)]
    extra = dict(left_hand=left_hand, right_hand=right_hand, jaw=jaw, leye=leye, reye=reye)
    if model.hands is not None:
        parts[1] = ('body_pose', body_pose, 63)
        if 'jaw' in names:
            for key in ('jaw', 'leye', 'reye'):
                value = extra.pop(key)
                parts.append((key, np.zeros(3) if value is None else value, 3))
        for key, mean in zip(('left_hand', 'right_hand'), model.hands.mean, strict=True):
            value = extra.pop(key)
            parts.append((key, mean if value is None else value, N_HAND))
    for key, value in extra.items():
        if value is not None:
            raise ValueError(f'A {model.name} body has no {key}.')
    arrays = []
    for key, value, n in parts:
        array = np.asarray(value, np.float64)
        if array.shape[-1:] != (n,):
            raise ValueError(f'{key} of a {model.name} body must be (..., {n}), not {array.shape}.')
        arrays.append(array)
    batch = np.broadcast_shapes(*(a.shape[:-1] for a in arrays))
    return np.concatenate([np.broadcast_to(a, (*batch, a.shape[-1])) for a in arrays], axis=-1)


def _hand(pose):
    pose = np.asarray(pose, np.float64)
    if pose.shape[-1:] != (N_HAND,):
        raise ValueError(f'The pose of a hand must be (..., {N_HAND}), not {pose.shape}.')
    return pose
