"""Three ways to write a rotation: vector of axis times angle, matrix, six numbers.

All functions take any leading axes and work in float64. The six numbers are those of Zhou et al.,
"On the Continuity of Rotation Representations in Neural Networks", CVPR 2019: two of the three
columns of the matrix. Programs disagree on how they lie in memory:

``'columns'``
    first column, then second.
``'interleaved'``
    the first two columns as a 3 x 2 matrix, row by row (networks in the tradition of HMR).
``'rows'``
    first *row* of the matrix, then second (PyTorch3D).
"""

import numpy as np

from posepile.errors import OptionError

LAYOUTS = ('columns', 'interleaved', 'rows')


def rotvec_to_matrix(rotvec) -> np.ndarray:
    """(..., 3) axis times angle in radians -> (..., 3, 3)."""
    from scipy.spatial.transform import Rotation

    rotvec = np.asarray(rotvec, np.float64)
    return Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*rotvec.shape, 3)


def matrix_to_rotvec(matrix) -> np.ndarray:
    """(..., 3, 3) -> (..., 3) with angles in [0, pi]; an imprecise rotation is made orthogonal.

    Raises:
        ValueError: a matrix mirrors, or is singular.
    """
    from scipy.spatial.transform import Rotation

    matrix = np.asarray(matrix, np.float64)
    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec().reshape(matrix.shape[:-1])


def matrix_to_6d(matrix, layout='columns') -> np.ndarray:
    """(..., 3, 3) -> (..., 6)."""
    matrix = np.asarray(matrix, np.float64)
    if _checked(layout) == 'rows':
        two = matrix[..., :2, :]
    elif layout == 'columns':
        two = np.swapaxes(matrix[..., :2], -1, -2)
    else:
        two = matrix[..., :2]
    return two.reshape(*matrix.shape[:-2], 6)


def matrix_from_6d(numbers, layout='columns') -> np.ndarray:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt, so that any six numbers give a rotation.

    Zeros and parallel pairs, which determine none, give NaN.
    """
    numbers = np.asarray(numbers, np.float64)
    if _checked(layout) == 'interleaved':
        two = np.swapaxes(numbers.reshape(*numbers.shape[:-1], 3, 2), -1, -2)
    else:
        two = numbers.reshape(*numbers.shape[:-1], 2, 3)
    a, b = two[..., 0, :], two[..., 1, :]
    with np.errstate(invalid='ignore', divide='ignore'):
        first = a / np.linalg.norm(a, axis=-1, keepdims=True)
        rest = b - np.sum(first * b, axis=-1, keepdims=True) * first
        second = rest / np.linalg.norm(rest, axis=-1, keepdims=True)
    rows = np.stack([first, second, np.cross(first, second)], axis=-2)
    return rows if layout == 'rows' else np.swapaxes(rows, -1, -2)


def _checked(layout):
    if layout not in LAYOUTS:
        raise OptionError(f'{layout!r} is no layout of six numbers; there is {", ".join(LAYOUTS)}.')
    return layout
