"""Files of the simulated MPI-INF-3DHP release: annotations, with the same bytes each time."""

import h5py
import numpy as np
import scipy.io

_MAT5_HEADER = b'MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2017'
_MAT73_HEADER = b'MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2017'


def write_training_annotations(path, annot2, annot3, univ_annot3):
    """Write ``annot.mat``, MATLAB version 5.

    Args:
        annot2: per camera (F, 28, 2) px.
        annot3, univ_annot3: per camera (F, 28, 3) mm in its space.
    """
    n_frames = len(annot2[0])
    content = {
        'annot2': _cells(annot2),
        'annot3': _cells(annot3),
        'univ_annot3': _cells(univ_annot3),
        'cameras': np.arange(len(annot2))[:, np.newaxis].astype(np.uint8),
        'frames': np.arange(n_frames)[:, np.newaxis].astype(np.int32),
    }
    scipy.io.savemat(path, content, do_compression=True)
    with open(path, 'r+b') as f:
        f.write(_MAT5_HEADER.ljust(116))  # there the library notes the time


def _cells(arrays):
    cells = np.empty((len(arrays), 1), object)
    for i, array in enumerate(arrays):
        cells[i, 0] = np.float64(array).reshape(len(array), -1)
    return cells


def write_test_annotations(path, is_valid, activities, annot2, annot3, univ_annot3):
    """Write ``annot_data.mat``, MATLAB version 7.3.

    Args:
        is_valid: (F,) bool.
        activities: (F,) numbers from 1 to 7.
        annot2: (F, 17, 2) px.
        annot3, univ_annot3: (F, 17, 3) mm in camera space.
    """
    start, end = annot2.min(axis=1), annot2.max(axis=1)
    bb_crop = np.tile(np.concatenate([start, end], axis=1), 9)[:, :34]
    with h5py.File(path, 'w', userblock_size=512) as f:
        f['valid_frame'] = np.float64(is_valid)[:, np.newaxis]
        f['activity_annotation'] = np.float64(activities)[:, np.newaxis]
        f['annot2'] = np.float64(annot2)[:, np.newaxis]
        f['annot3'] = np.float64(annot3)[:, np.newaxis]
        f['univ_annot3'] = np.float64(univ_annot3)[:, np.newaxis]
        f['bb_crop'] = bb_crop
        for dataset in f.values():
            dataset.attrs['MATLAB_class'] = np.bytes_('double')
    with open(path, 'r+b') as f:
        f.write(_MAT73_HEADER.ljust(116) + bytes(8) + b'\x00\x02IM')
