"""The release's pose files: NASA CDF with one variable, ``Pose``."""

import os
import struct
import warnings
import zlib

import numpy as np

from posepile.errors import RawDataError

#: Joints of the skeleton that the release records, of which several coincide.
N_JOINTS = 32

_REMEDY = 'Delete it and unpack its archive again.'
#: More rows than an hour of video has; a file that announces more is damaged.
_MOST_ROWS = 200_000
_MOST_VARIABLES = 1000
#: What a reader in pure Python can run into when the bytes make no sense.
_SYMPTOMS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_pose_cdf(path, dims) -> np.ndarray:
    """The poses in a CDF file, in its own float type.

    Args:
        path: the file.
        dims: 3 for positions in space (mm), 2 for those in the image (pixels).

    Returns:
        (n, 32, dims), row i belongs to video frame i.

    Raises:
        RawDataError: if the file is missing, is no CDF, or its ``Pose`` has another shape.
    """
    import cdflib

    path = os.path.abspath(path)  # cdflib takes some names for addresses
    if not os.path.isfile(path):
        raise RawDataError(path, 'there is no such pose file', 'Unpack its archive.')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            file = cdflib.CDF(path)
            _check_number_of_variables(file)
            is_plausible = _is_plausible(file.varinq('Pose'))
            poses = file.varget('Pose') if is_plausible else None
    except _SYMPTOMS as e:
        problem = f'is no CDF file with a variable Pose, or damaged ({type(e).__name__}: {e})'
        raise RawDataError(path, problem, _REMEDY) from e
    shape, dtype = np.shape(poses), getattr(poses, 'dtype', None)
    n_columns = N_JOINTS * dims
    is_right = len(shape) in (2, 3) and shape[-1] == n_columns and shape[:-2] in ((), (1,))
    if not (is_right and dtype in (np.float32, np.float64)):
        problem = f'Pose is {dtype} of shape {shape}; floats (1, n, {n_columns}) were expected'
        raise RawDataError(path, problem, _REMEDY)
    return poses.reshape(-1, N_JOINTS, dims)


def _check_number_of_variables(file):
    # The library would look for each of the thousands of millions that a damaged file announces.
    # It tells their number in no public way.
    for kind in ('_num_zvariable', '_num_rvariable'):
        n_variables = getattr(file, kind, 0)
        if n_variables > _MOST_VARIABLES:
            raise ValueError(f'{n_variables} variables')


def _is_plausible(variable):
    """Whether a variable can be read without asking for more memory than poses ever need."""
    n_values = float(variable.Last_Rec + 1) * np.prod(np.float64(variable.Dim_Sizes or [1]))
    return 0 < n_values <= _MOST_ROWS * N_JOINTS * 3
