"""Annotations of MuPoTS-3D: the people in every frame of a sequence, in camera space."""

import math
import os
from dataclasses import dataclass

import numpy as np

from posepile.ds.tdhp.skeleton import TEST_JOINTS
from posepile.errors import RawDataError
from posepile.raw.matfile import load_mat

_REMEDY = 'Delete it and download it again.'
_SIZES = {'annot2': 2, 'annot3': 3, 'univ_annot3': 3}


@dataclass(frozen=True, eq=False)
class SequencePoses:
    """People of a sequence; row i is of image i, columns are persons.

    Joints are as in :data:`posepile.ds.tdhp.skeleton.TEST_JOINTS`. Those who are not valid may
    have any coordinates, and NaN if there are none.

    Attributes:
        is_valid: (F, P) bool, who is annotated.
        pixels: (F, P, 17, 2) px.
        joints: (F, P, 17, 3) in camera space, mm.
        univ_joints: the same of the height-normalised skeleton.
    """

    is_valid: np.ndarray
    pixels: np.ndarray
    joints: np.ndarray
    univ_joints: np.ndarray


def read_poses(path) -> SequencePoses:
    """Read ``annot.mat``.

    Raises:
        RawDataError: if the file is missing or damaged, or holds something else.
    """
    cells = _read_cells(path, 'annotations')
    flags = [_is_true(getattr(c, 'isValidFrame', 0)) for c in cells.flat]
    is_valid = np.array(flags, bool).reshape(cells.shape)
    arrays = [
        np.array([_coordinates(c, name) for c in cells.flat]).reshape(
            *cells.shape, len(TEST_JOINTS), n
        )
        for name, n in _SIZES.items()
    ]
    for name, array in zip(_SIZES, arrays, strict=True):
        is_bad = is_valid & ~np.isfinite(array).all(axis=(2, 3))
        if is_bad.any():
            frame, person = np.argwhere(is_bad)[0]
            problem = (
                f'{name} of person {person} in frame {frame}, who is valid, is not '
                f'{_SIZES[name]} x {len(TEST_JOINTS)} finite numbers'
            )
            raise RawDataError(os.fspath(path), problem, _REMEDY)
    return SequencePoses(is_valid, *arrays)


def read_occlusions(path, shape) -> np.ndarray:
    """Read ``occlusion.mat``.

    Args:
        shape: (frames, people) of the annotations that it goes with.

    Returns:
        (F, P, 17) bool, which joints are occluded.

    Raises:
        RawDataError: if the file is missing or damaged, or is of other people.
    """
    cells = _read_cells(path, 'occlusion_labels')
    if cells.shape != tuple(shape):
        problem = f'is about {cells.shape} frames and people, annot.mat about {tuple(shape)}'
        raise RawDataError(os.fspath(path), problem, _REMEDY)
    labels = np.zeros((*cells.shape, len(TEST_JOINTS)), bool)
    for place in np.ndindex(cells.shape):
        values = _numbers(cells[place])
        if values is None or values.size not in (0, len(TEST_JOINTS)):
            problem = f'has no {len(TEST_JOINTS)} numbers at frame, person {place}'
            raise RawDataError(os.fspath(path), problem, _REMEDY)
        if values.size:
            labels[place] = values.ravel() != 0
    return labels


def _read_cells(path, name) -> np.ndarray:
    """The (F, P) cells of a variable. Reading drops dimensions of one person, or of one frame."""
    import scipy.io

    content = load_mat(path)
    variables = {n: (shape, kind) for n, shape, kind in scipy.io.whosmat(path)}
    shape, kind = variables.get(name, ((), None))
    if kind not in ('cell', 'struct') or len(shape) != 2:
        raise RawDataError(os.fspath(path), f'has no cells {name} (frames, people)', _REMEDY)
    value = content[name]
    if shape == (1, 1):
        found = [value]
    else:
        found = list(value.flat) if isinstance(value, np.ndarray) else value
    if not isinstance(found, list) or len(found) != math.prod(shape):
        raise RawDataError(os.fspath(path), f'{name} is no table of cells', _REMEDY)
    cells = np.empty(len(found), object)
    for i, cell in enumerate(found):
        cells[i] = cell
    return cells.reshape(shape)


def _coordinates(cell, name):
    """(17, 2 or 3) float64, NaN if the cell has nothing of the kind."""
    values = _numbers(getattr(cell, name, ()))
    expected = _SIZES[name], len(TEST_JOINTS)
    if values is None or values.shape != expected:
        return np.full(expected[::-1], np.nan)
    return values.T


def _is_true(value):
    values = _numbers(value)
    return values is not None and values.size > 0 and values.ravel()[0] != 0


def _numbers(value):
    """The value as float64; None if it does not consist of numbers."""
    try:
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind in 'fiub' else None
    except ValueError:  # lists of different lengths
        return None
