"""Files of the simulated MuPoTS-3D release: annotations, with the same bytes each time."""

import numpy as np
import scipy.io

_MAT5_HEADER = b'MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2018'


def write_annotations(path, is_valid, annot2, annot3, univ_annot3):
    """Write ``annot.mat``: a cell for each frame and person.

    Args:
        is_valid: (F, P) bool.
        annot2: (F, P, 17, 2) px.
        annot3, univ_annot3: (F, P, 17, 3) mm in camera space.
    """
    cells = np.empty(np.shape(is_valid), object)
    for place in np.ndindex(cells.shape):
        cells[place] = {
            'annot2': np.float64(annot2[place]).T,
            'annot3': np.float64(annot3[place]).T,
            'univ_annot3': np.float64(univ_annot3[place]).T,
            'isValidFrame': np.uint8(is_valid[place]),
        }
    _save(path, 'annotations', cells)


def write_occlusions(path, is_occluded):
    """Write ``occlusion.mat``: (F, P, 17) bool as cells of 17 labels."""
    is_occluded = np.asarray(is_occluded)
    cells = np.empty(is_occluded.shape[:2], object)
    for place in np.ndindex(cells.shape):
        cells[place] = np.float64(is_occluded[place])[np.newaxis]
    _save(path, 'occlusion_labels', cells)


def _save(path, name, cells):
    scipy.io.savemat(path, {name: cells}, do_compression=True)
    with open(path, 'r+b') as f:
        f.write(_MAT5_HEADER.ljust(116))  # there the library notes the time
