"""Files of the simulated composites, in MATLAB's formats, with the same bytes each time."""

import h5py
import numpy as np
import scipy.io

_MAT5_HEADER = b'MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2017'
_MAT73_HEADER = b'MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2017'
_N_JOINTS = 21


def write_arrangement(path, composites):
    """Write ``sampled_dataset_info.mat``.

    Args:
        composites: of each, four tuples: [subject, sequence, camera, frame], 2D joints (21, 2),
            normalised 3D joints and 3D joints (21, 3).
    """
    with h5py.File(path, 'w', userblock_size=512) as f:
        refs = f.create_group('#refs#')

        def store(values, kind):
            dataset = refs.create_dataset(f'{len(refs):x}', data=values)
            dataset.attrs['MATLAB_class'] = np.bytes_(kind)
            return dataset.ref

        cells = np.empty((4, len(composites)), h5py.ref_dtype)
        for n, people in enumerate(composites):
            for k, (moment, pixels, univ, joints) in enumerate(people):
                corners = [*(pixels.min(axis=0) - 320), *(pixels.max(axis=0) + 320)]
                parents = np.arange(1.0, _N_JOINTS + 1)
                contents = [moment, corners, pixels, univ, parents, parents, joints]
                # The axes of a matrix of MATLAB are seen in the opposite order.
                columns = [store(np.float64(c).reshape(len(c), -1), 'double') for c in contents]
                row = np.array(columns, h5py.ref_dtype)[:, np.newaxis]
                cells[k, n] = store(row, 'cell')
        f.create_dataset('composite_info', data=cells).attrs['MATLAB_class'] = np.bytes_('cell')
    with open(path, 'r+b') as f:
        f.write(_MAT73_HEADER.ljust(116) + bytes(8) + b'\x00\x02IM')


def write_chunk_annotations(path, composites):
    """Write ``chunk_%05d_annot.mat``, MATLAB version 5; ``composites`` as above."""
    content = {
        'img_names': np.array([[f'{n + 1:06d}.jpg'] for n in range(len(composites))], object),
        'joint_loc2': np.transpose([[p[1] for p in c] for c in composites], (3, 2, 1, 0)),
        'joint_loc3': np.transpose([[p[3] for p in c] for c in composites], (3, 2, 1, 0)),
    }
    scipy.io.savemat(path, content, do_compression=True)
    with open(path, 'r+b') as f:
        f.write(_MAT5_HEADER.ljust(116))  # there the library notes the time
