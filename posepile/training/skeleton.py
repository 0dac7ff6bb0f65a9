"""One skeleton for datasets that have different ones."""

import numpy as np

from posepile.joint_info import JointInfo


def common_skeleton(joint_infos) -> JointInfo:
    """All joints of all skeletons, by name, in the order of their first appearance; and edges."""
    joint_infos = list(joint_infos)
    names = dict.fromkeys(name for info in joint_infos for name in info.names)
    edges = dict.fromkeys(
        (info.names[i], info.names[j]) for info in joint_infos for i, j in info.stick_figure_edges
    )
    ids = JointInfo.make_id_map(names)
    return JointInfo(list(names), [(ids[a], ids[b]) for a, b in edges])


class JointMap:
    """Moves joints from the rows of one skeleton to those of another with the same names.

    Raises:
        ValueError: if the skeletons have no joint in common.
    """

    def __init__(self, source: JointInfo, target: JointInfo):
        self._rows = np.array([source.ids.get(name, -1) for name in target.names], np.int64)
        self._has_row = self._rows >= 0
        if not np.any(self._has_row):
            raise ValueError(
                f'none of the joints {", ".join(source.names)} is among {", ".join(target.names)}'
            )

    def __call__(self, coords) -> np.ndarray:
        """(J, D) joints of the source in the order of the target (J', D); NaN where it has more."""
        coords = np.asarray(coords, np.float64)
        moved = coords[self._rows]
        moved[~self._has_row] = np.nan
        return moved
