"""Intrinsic matrices of MuPoTS-3D, which has none: ``python -m posepile.ds.mupots.intrinsics``.

They are estimated, for each sequence, from all joints of all valid people: those that project the
3D annotations onto the 2D ones with the least sum of squared distances. The file
``camera_intrinsics.json`` maps ``TS1`` ... ``TS20`` to 3x3 lists. If it is there, it stays.
"""

import argparse
import json
import os.path as osp
import sys

import numpy as np

from posepile import paths
from posepile.atomic import replacing
from posepile.ds.mupots import tree
from posepile.ds.mupots.annotations import read_poses
from posepile.errors import RawDataError
from posepile.program import run_program
from posepile.raw.tables import read_json

_FILE = 'camera_intrinsics.json'


def estimate_intrinsics(joints, pixels) -> np.ndarray:
    """(3, 3) matrix of a pinhole camera without skew and distortion, by linear least squares.

    Args:
        joints: (N, 3) points in camera space.
        pixels: (N, 2) where they are seen, px.

    Raises:
        ValueError: if points are not finite or in the plane of the camera, or too few or too much
            alike.
    """
    joints, pixels = np.asarray(joints, np.float64), np.asarray(pixels, np.float64)
    if not (np.isfinite(joints).all() and np.isfinite(pixels).all() and joints[:, 2].all()):
        raise ValueError('points are not finite, or in the plane of the camera')
    K = np.eye(3)
    for axis in range(2):  # u = fx x / z + cx, and v likewise, have no unknown in common
        system = np.stack([joints[:, axis] / joints[:, 2], np.ones(len(joints))], axis=1)
        (focal, centre), _, rank, _ = np.linalg.lstsq(system, pixels[:, axis], rcond=None)
        if rank < 2:
            raise ValueError('there are too few points')
        K[axis, axis], K[axis, 2] = focal, centre
    return K


def estimate_of_sequence(release, sequence) -> np.ndarray:
    """(3, 3) matrix of a sequence.

    Raises:
        RawDataError: if its annotations are missing or damaged, or cannot tell.
    """
    path = tree.annotation_path(release, sequence)
    poses = read_poses(path)
    try:
        return estimate_intrinsics(
            poses.joints[poses.is_valid].reshape(-1, 3), poses.pixels[poses.is_valid].reshape(-1, 2)
        )
    except ValueError as e:
        raise RawDataError(
            path, f'does not tell the intrinsics of the camera: {e}', 'Download it again.'
        ) from e


def read_intrinsics(release, sequence) -> np.ndarray:
    """(3, 3) matrix of a sequence, from the file if there is one.

    Raises:
        RawDataError: if the file is damaged, or there is neither it nor usable annotations.
    """
    path = osp.join(release, _FILE)
    if not osp.exists(path):
        return estimate_of_sequence(release, sequence)
    name = tree.folder(sequence)
    try:
        K = np.array(read_json(path, keys=(name,))[name], np.float64)
    except (TypeError, ValueError) as e:
        raise RawDataError(path, f'{name} is no matrix ({e})', 'Delete it.') from e
    is_matrix = K.shape == (3, 3) and np.isfinite(K).all()
    if not (is_matrix and min(K[0, 0], K[1, 1]) > 0 and K[2].tolist() == [0, 0, 1]):
        raise RawDataError(path, f'{name} is no intrinsic matrix (3x3)', 'Delete it.')
    return K


def write_intrinsics(release) -> str:
    """Write the file, unless it is there; returns its path."""
    path = osp.join(release, _FILE)
    if osp.exists(path):
        print(f'{path} is there already; to have it made again, delete it')
        return path
    matrices = {
        tree.folder(sequence): estimate_of_sequence(release, sequence).tolist()
        for sequence in tree.SEQUENCES
    }
    with replacing(path) as partial, open(partial, 'w') as f:
        json.dump(matrices, f, indent=1)
    print(f'{path}: intrinsic matrices of {len(matrices)} sequences')
    return path


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.mupots.intrinsics', description=__doc__.splitlines()[0]
    )
    parser.parse_args(argv)
    return run_program(_run)


def _run():
    paths.check_data_root()
    write_intrinsics(tree.release_dir())


if __name__ == '__main__':
    sys.exit(main())
