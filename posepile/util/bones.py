"""Mean bone lengths over any number of poses."""

import numpy as np

# The running mean is kept in float32 chunk by chunk; its last digits depend on this size.
_CHUNK = 256


class MeanBoneLengths:
    """Running mean of the bone lengths of poses that come in portions of any size.

    The result depends on the poses and their order only, not on how they were portioned.
    """

    def __init__(self, joint_info):
        edges = np.array(joint_info.stick_figure_edges, np.int64).reshape(-1, 2)
        self._starts, self._ends = edges.T
        self._pending = np.empty((_CHUNK, len(edges)), np.float32)
        self._n_pending = 0
        self._mean = np.zeros(len(edges), np.float32)
        self._count = np.zeros(len(edges), np.int64)

    def update(self, coords):
        """Take in (N, J, 3) poses, or one of (J, 3), in mm; NaN where a joint is missing."""
        coords = np.asarray(coords)
        if coords.dtype == np.float16:
            coords = coords.astype(np.float32)  # squares of millimetres overflow float16
        if coords.ndim == 2:
            coords = coords[np.newaxis]
        vectors = coords[:, self._starts] - coords[:, self._ends]
        lengths = np.linalg.norm(vectors, axis=-1)
        while len(lengths):
            taken = lengths[: _CHUNK - self._n_pending]
            self._pending[self._n_pending : self._n_pending + len(taken)] = taken
            self._n_pending += len(taken)
            lengths = lengths[len(taken) :]
            if self._n_pending == _CHUNK:
                self._mean, self._count = self._merged()
                self._n_pending = 0

    def result(self) -> np.ndarray:
        """(E,) float32: mean length of each edge; 0 for edges that were never valid."""
        return self._merged()[0]

    def _merged(self):
        lengths = self._pending[: self._n_pending]
        valid = ~np.isnan(lengths)
        n_now = valid.sum(axis=0)
        mean_now = np.where(valid, lengths, 0).sum(axis=0) / np.maximum(n_now, 1)
        n_total = self._count + n_now
        weight = (n_now / np.maximum(n_total, 1)).astype(np.float32)
        return (mean_now.astype(np.float32) * weight + self._mean * (1 - weight)), n_total


def compute_mean_bones(examples, joint_info) -> np.ndarray:
    """Mean bone lengths over all examples in which both ends of a bone are valid.

    Args:
        examples: any iterable of objects with ``get_world_coords()``; those for which it returns
            None (purely parametric ones) are passed over.
        joint_info: the skeleton.

    Returns:
        (E,) float32 in mm; 0 for edges that are never valid.
    """
    bones = MeanBoneLengths(joint_info)
    chunk = []
    for ex in examples:
        coords = ex.get_world_coords()
        if coords is None:
            continue
        chunk.append(coords)
        if len(chunk) == _CHUNK:
            bones.update(np.stack(chunk))
            chunk.clear()
    if chunk:
        bones.update(np.stack(chunk))
    return bones.result()
