"""Compact storage of poses of which most joints are missing, and of whole datasets of them."""

import numpy as np

from posepile.util.misc import cast_if_precise_enough


class SparseCoords:
    """Coordinates (J, D) of which only the rows of the valid joints are stored.

    Attributes:
        shape: the dense shape (J, D).
        i_valid_joints: uint16 (V,), the indices of the stored joints.
        valid_coords: (V, D), their coordinates.
    """

    __slots__ = ('shape', 'i_valid_joints', 'valid_coords')

    def __init__(self, coords):
        coords = np.asarray(coords)
        valid = ~np.any(np.isnan(coords), axis=-1)
        self.shape = coords.shape
        self.i_valid_joints = np.flatnonzero(valid).astype(np.uint16)
        self.valid_coords = coords[valid]

    @classmethod
    def from_rows(cls, shape, i_valid_joints, valid_coords) -> 'SparseCoords':
        """From the stored form itself."""
        self = cls.__new__(cls)
        self.shape = tuple(shape)
        self.i_valid_joints = np.asarray(i_valid_joints, np.uint16)
        self.valid_coords = np.asarray(valid_coords)
        return self

    def to_array(self) -> np.ndarray:
        """Dense (J, D) in the dtype of the stored rows, NaN where nothing is stored."""
        dense = np.full(self.shape, np.nan, self.valid_coords.dtype)
        dense[self.i_valid_joints] = self.valid_coords
        return dense

    def invalidate_coords(self, indices):
        """Drop the given joints (indices into the dense array)."""
        keep = ~np.isin(self.i_valid_joints, indices)
        self.i_valid_joints = self.i_valid_joints[keep]
        self.valid_coords = self.valid_coords[keep]

    def __setstate__(self, state):
        # Pickles of a version without slots hold a plain dictionary.
        values = state[1] if isinstance(state, tuple) else state
        for name in self.__slots__:
            setattr(self, name, values[name])


def compress_example(ex):
    """Shrink an example in place and return it.

    ``world_coords`` become :class:`SparseCoords`, in float16 where that is within 1 mm; ``bbox``
    becomes float16 where that is within 3 px; ``univ_coords`` are dropped; the run lengths of the
    mask are deflated (``counts`` -> ``zcounts``).
    """
    if getattr(ex, 'world_coords', None) is not None:
        coords = ex.world_coords
        if isinstance(coords, SparseCoords):
            rows = cast_if_precise_enough(coords.valid_coords, np.float16, 1)
            ex.world_coords = SparseCoords.from_rows(coords.shape, coords.i_valid_joints, rows)
        else:
            ex.world_coords = SparseCoords(cast_if_precise_enough(coords, np.float16, 1))
    if getattr(ex, 'bbox', None) is not None:
        ex.bbox = cast_if_precise_enough(ex.bbox, np.float16, 3)
    if hasattr(ex, 'univ_coords'):
        ex.univ_coords = None
    mask = getattr(ex, 'mask', None)
    if isinstance(mask, dict) and 'zcounts' not in mask:
        import rlemasklib

        ex.mask = rlemasklib.compress(mask, zlevel=-1)
    return ex


def compress_dataset(dataset):
    """:func:`compress_example` on all examples of all splits; returns the dataset."""
    for examples in dataset.examples.values():
        for ex in examples:
            compress_example(ex)
    return dataset
