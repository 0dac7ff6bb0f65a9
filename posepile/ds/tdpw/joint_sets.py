"""Which joints of a body are compared, and what they are relative to."""

import dataclasses

import numpy as np

from posepile.bodymodels.families import FAMILIES

#: Joints of SMPL: hips, knees, ankles, shoulders, elbows, wrists.
MAJOR = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)
#: Joints of SMPL at which orientations are compared.
ORIENTED = (0, 1, 2, 4, 5, 16, 17, 18, 19)

_SMPL_14 = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
# Rows of the regressor of Human3.6M's joints that are LSP's joints, right ankle first.
_REGRESSED_14 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)


@dataclasses.dataclass(frozen=True, eq=False)
class JointSet:
    """J of the joints that there are.

    Attributes:
        names: of the J joints.
        rows: their numbers among all joints.
        root: numbers among all joints; what the others are relative to is the middle of these.
        major: which of the J joints are major ones.
        regressor: (R, 6890) that makes all joints from vertices; None where they are SMPL's.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    root: tuple[int, ...]
    major: tuple[int, ...]
    regressor: np.ndarray | None = None

    @property
    def minor(self) -> tuple[int, ...]:
        """The others of the J joints."""
        return tuple(i for i in range(len(self.rows)) if i not in self.major)

    def joints_and_roots(self, bodies) -> tuple[np.ndarray, np.ndarray]:
        """(B, J, 3) and (B, 3), mm."""
        everything = bodies.joints
        if self.regressor is not None:
            everything = self.regressor @ bodies.vertices
        roots = everything[:, list(self.root)].mean(axis=1)
        return everything[:, list(self.rows)], roots

    def uncertainties(self, bodies) -> np.ndarray | None:
        """(B, J) mm; of regressed joints, the weighted mean of their vertices'."""
        everything = bodies.joint_uncertainties
        if self.regressor is not None and bodies.vertex_uncertainties is not None:
            everything = bodies.vertex_uncertainties @ self.regressor.T
        return None if everything is None else everything[:, list(self.rows)]


def joint_set(joint14=False, regressor=None, align_at_hips=False, as_published=False) -> JointSet:
    """The joints that the options name.

    Args:
        joint14: 14 joints in place of SMPL's 24.
        regressor: :class:`~posepile.bodymodels.regressors.JointRegressor` of Human3.6M's joints
            that makes the 14 from vertices, in the order of LSP; None: they are joints of SMPL.
        align_at_hips: poses are relative to the middle of the hips, not to the pelvis.
        as_published: 14 joints of SMPL as a public program has them: relative to the left hip, or
            for the middle of the hips to that of the knees, and with neck and head as major joints
            in place of the wrists.
    """
    if regressor is not None:
        names = tuple(regressor.joint_names[i] for i in _REGRESSED_14)
        root = (_REGRESSED_14[2], _REGRESSED_14[3]) if align_at_hips else (0,)
        return JointSet(names, _REGRESSED_14, root, tuple(range(12)), regressor.matrix)
    rows = _SMPL_14 if joint14 else tuple(range(24))
    names = tuple(FAMILIES['smpl'].joint_names[i] for i in rows)
    if joint14 and as_published:
        root = (rows[2], rows[3]) if align_at_hips else (rows[0],)
        return JointSet(names, rows, root, tuple(range(12)))
    major = tuple(rows.index(i) for i in MAJOR)
    return JointSet(names, rows, (1, 2) if align_at_hips else (0,), major)
