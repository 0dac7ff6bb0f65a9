"""Joints of other skeletons as weighted means of a body model's vertices."""

import dataclasses
import os.path as osp

import numpy as np

from posepile.bodymodels.families import FAMILIES
from posepile.bodymodels.files import body_models_folder
from posepile.errors import OptionError, RawDataError
from posepile.raw.npyfile import load_npy

_SPIN_DATA = 'http://visiondata.cis.upenn.edu/spin/data.tar.gz'

# The left leg comes first in J_regressor_h36m.npy, unlike in Human3.6M: with the selection
# 6,5,4,1,2,3,16,15,14,11,12,13,8,10 of its rows one gets the joints of LSP, right ankle first.
JOINT_NAMES = {
    'h36m': (
        *('pelv', 'lhip', 'lkne', 'lank', 'rhip', 'rkne', 'rank', 'spin', 'neck', 'head', 'htop'),
        *('lsho', 'lelb', 'lwri', 'rsho', 'relb', 'rwri'),
    ),
    'extra': ('rhip', 'lhip', 'neck', 'htop', 'pelv', 'thor', 'spin', 'jaw', 'head'),
}


@dataclasses.dataclass(frozen=True, eq=False)
class JointRegressor:
    """A linear map from the vertices of SMPL to joints.

    Attributes:
        joint_names: J short names.
        matrix: (J, V) float64.
    """

    joint_names: tuple
    matrix: np.ndarray

    def __call__(self, vertices) -> np.ndarray:
        """(..., V, 3) vertices -> (..., J, 3) joints in the same units and coordinates."""
        return self.matrix @ vertices


def load_regressor(name='h36m', folder=None) -> JointRegressor:
    """One of the regressors of joints from SMPL's vertices that came with SPIN.

    It is looked for in the folder of body models and in its folder ``smpl``.

    Args:
        name: ``'h36m'``: the 17 joints of Human3.6M that benchmarks use. ``'extra'``: nine joints
            that bodies lack and other datasets have.
        folder: folder of body models; default :func:`posepile.bodymodels.files.body_models_folder`.

    Raises:
        RawDataError: the file is missing, damaged or of another kind.
        OptionError: there is no such regressor.
    """
    if name not in JOINT_NAMES:
        raise OptionError(f'{name!r} is no joint regressor; there is {", ".join(JOINT_NAMES)}.')
    folder = folder or body_models_folder()
    file = f'J_regressor_{name}.npy'
    paths = [osp.join(folder, file), osp.join(folder, 'smpl', file)]
    path = next(filter(osp.exists, paths), None)
    if path is None:
        raise RawDataError(
            paths[1],
            'this regressor of joints from vertices is missing',
            f'It is in {_SPIN_DATA}; put it there. See docs/body-models.md.',
        )
    matrix = load_npy(path)
    shape = (len(JOINT_NAMES[name]), FAMILIES['smpl'].n_vertices)
    if matrix.shape != shape or matrix.dtype.kind != 'f' or not np.all(np.isfinite(matrix)):
        problem = f'{shape} numbers are expected in it, not {matrix.dtype} {matrix.shape}'
        raise RawDataError(path, problem, f'Take the file that is in {_SPIN_DATA}.')
    return JointRegressor(JOINT_NAMES[name], matrix.astype(np.float64))
