"""Files in the formats of the release, with the same bytes each time: CDF, MATLAB 7.3, archives."""

import functools
import gzip
import hashlib
import os
import os.path as osp
import tarfile
import zipfile
import zlib

import cdflib.cdfwrite
import h5py
import numpy as np

_CDF_TYPES = {np.dtype(np.float32): 44, np.dtype(np.float64): 45}
_MAT_HEADER = b'MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan  1 00:00:00 1970'
_COLUMNS_PER_CHUNK = 50
#: The kinds of files that the server has one archive of for each subject, and where those unpack.
ARCHIVED_FOLDERS = {
    'Poses_D2_Positions': 'MyPoseFeatures/D2_Positions',
    'Poses_D3_Positions': 'MyPoseFeatures/D3_Positions',
    'Poses_D3_Positions_mono': 'MyPoseFeatures/D3_Positions_mono',
    'Poses_D3_Positions_mono_universal': 'MyPoseFeatures/D3_Positions_mono_universal',
    'Videos': 'Videos',
    'Segments_mat_gt_bb': 'MySegmentsMat/ground_truth_bb',
}
CODE_ARCHIVE = 'code-v1.2.zip'


def write_pose_cdf(path, poses, dtype=np.float32):
    """Write (n, 32, dims) poses as the variable ``Pose`` (1, n, 32 * dims) of a CDF file."""
    rows = np.asarray(poses, dtype).reshape(1, len(poses), -1)
    # The library appends its own ending to names in which it finds none.
    file = cdflib.cdfwrite.CDF(path, cdf_spec={'Compressed': False})
    spec = {
        'Variable': 'Pose',
        'Data_Type': _CDF_TYPES[rows.dtype],
        'Num_Elements': 1,
        'Rec_Vary': True,
        'Dim_Sizes': list(rows.shape[1:]),
        'Compress': 0,
    }
    file.write_var(spec, var_data=rows)
    file.close()


def write_box_masks(path, boxes, imshape):
    """Write masks that are 1 within a box and 0 outside, as MATLAB 7.3 stores a cell array.

    Args:
        boxes: (n, 4) integer boxes [left, top, width, height] within the image.
        imshape: (height, width).
    """
    height, width = imshape
    chunks = (_COLUMNS_PER_CHUNK, height)
    with h5py.File(path, 'w', userblock_size=512) as file:
        store = file.create_group('#refs#')
        masks = file.create_dataset('Masks', (len(boxes), 1), h5py.ref_dtype)
        masks.attrs['MATLAB_class'] = np.bytes_('cell')
        for i, (left, top, w, h) in enumerate(np.asarray(boxes, int).tolist()):
            # Transposed, because MATLAB's first dimension is the last of HDF5.
            mask = store.create_dataset(
                f'{i:x}', (width, height), np.uint8, chunks=chunks, compression='gzip'
            )
            mask.attrs['MATLAB_class'] = np.bytes_('uint8')
            for start in range(left - left % chunks[0], left + w, chunks[0]):
                first, last = max(left - start, 0), min(left + w - start, chunks[0])
                chunk = _deflated_chunk(first, last, top, top + h, chunks)
                mask.id.write_direct_chunk((start, 0), chunk)
            masks[i, 0] = mask.ref
    with open(path, 'r+b') as f:
        f.write(_MAT_HEADER.ljust(116) + bytes(8) + b'\x00\x02IM')


@functools.lru_cache(maxsize=4096)
def _deflated_chunk(first, last, top, bottom, shape):
    """The columns of a chunk with ones in [first, last) x [top, bottom), compressed."""
    chunk = np.zeros(shape, np.uint8)
    chunk[first:last, top:bottom] = 1
    return zlib.compress(chunk.tobytes(), 6)


def write_archives(root, subjects):
    """Write ``<root>/archives`` as the server delivers it, from the tree below ``root``.

    Beside the archives there is ``checksums.txt``, in the format of md5sum.
    """
    folder = osp.join(root, 'archives')
    os.makedirs(folder)
    for subject in subjects:
        for kind, tree in ARCHIVED_FOLDERS.items():
            _write_tgz(osp.join(folder, f'{kind}_S{subject}.tgz'), root, f'S{subject}/{tree}')
    with zipfile.ZipFile(osp.join(folder, CODE_ARCHIVE), 'w') as z:
        member = zipfile.ZipInfo('Release-v1.2/metadata.xml', date_time=(2014, 7, 1, 0, 0, 0))
        member.compress_type = zipfile.ZIP_DEFLATED
        with open(osp.join(root, member.filename), 'rb') as f:
            z.writestr(member, f.read())
    with open(osp.join(folder, 'checksums.txt'), 'w') as f:
        for name in sorted(os.listdir(folder)):
            if name != 'checksums.txt':
                f.write(f'{_md5(osp.join(folder, name))}  archives/{name}\n')


def _write_tgz(path, root, tree):
    with (
        open(path, 'wb') as f,
        gzip.GzipFile('', 'wb', compresslevel=1, fileobj=f, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode='w', format=tarfile.GNU_FORMAT) as archive,
    ):
        parts = tree.split('/')
        folders = ['/'.join(parts[: i + 1]) for i in range(len(parts))]
        names = sorted(os.listdir(osp.join(root, tree)))
        for name in [*folders, *(f'{tree}/{name}' for name in names)]:
            archive.add(osp.join(root, name), name, recursive=False, filter=_anonymous)


def _anonymous(member):
    member.uid = member.gid = 1000
    member.uname = member.gname = ''
    member.mtime = 1388534400
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def _md5(path):
    with open(path, 'rb') as f:
        return hashlib.md5(f.read()).hexdigest()
