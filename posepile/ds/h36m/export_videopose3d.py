"""Human3.6M as VideoPose3D reads it: 3D joints in metres, and their projections as 2D input.

$ python -m posepile.ds.h36m.export_videopose3d --out VideoPose3D/data

Writes ``data_3d_h36m.npz``, the 32 joints of each take in world space, and
``data_2d_h36m_gt.npz``, 17 of them in the pixels of each camera. These are projected by the formula
of VideoPose3D, whose tangential distortion is neither the release's nor OpenCV's.
"""

import argparse
import os
import os.path as osp
import sys

import numpy as np

from posepile.atomic import replacing
from posepile.ds.h36m.benchmark import JOINTS, list_takes
from posepile.ds.h36m.disk_errors import naming
from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS, read_metadata, rotation_matrix
from posepile.ds.h36m.object_npz import save_objects
from posepile.ds.h36m.pose_source import find_metadata
from posepile.ds.h36m.poses import read_pose_cdf
from posepile.errors import OptionError, RawDataError
from posepile.paths import check_data_root
from posepile.program import run_program
from posepile.simulate.origin import is_simulated

#: Left and right joints among the 17, in corresponding order.
SYMMETRY = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
#: The video of one camera was corrupt for years, so nobody uses the take.
EXCLUDED = {(11, 'Directions')}


def read_positions(folder, is_partial=False) -> dict[str, dict[str, np.ndarray]]:
    """The 3D joints of all takes.

    Args:
        folder: with ``S1/MyPoseFeatures/D3_Positions`` or ``extracted/S1/Poses_D3_Positions`` and
            so on, seven subjects.
        is_partial: whether there may be less than 30 takes per subject.

    Returns:
        subject -> action -> (F, 32, 3) float32, metres in world space. An action's name is that of
        its file, in the spelling of all subjects but S1.

    Raises:
        RawDataError: takes are missing, or a file is damaged.
    """
    positions = {}
    for subject in PUBLIC_SUBJECTS:
        takes = list_takes(folder, subject, is_partial)
        paths = {canonical_name(name): path for name, path in takes.items()}
        actions = positions[f'S{subject}'] = {}
        for action in sorted(paths):
            if (subject, action) in EXCLUDED:
                continue
            poses = read_pose_cdf(paths[action], 3)
            if not np.isfinite(poses).all():
                raise RawDataError(
                    paths[action], 'not all coordinates are finite', 'Unpack its archive again.'
                )
            actions[action] = (poses / 1000).astype(np.float32)
    return positions


def canonical_name(name) -> str:
    """The name of an action, of S1 in the spelling of the others."""
    return name.replace('TakingPhoto', 'Photo').replace('WalkingDog', 'WalkDog')


def project_positions(positions, metadata) -> dict[str, dict[str, list[np.ndarray]]]:
    """Image coordinates of the 17 joints of all takes.

    Args:
        positions: as from :func:`read_positions`.
        metadata: with the cameras.

    Returns:
        subject -> action -> one (F, 17, 2) float32 array for each of the four cameras, pixels.
    """
    joints = list(JOINTS.values())
    result = {}
    for subject, actions in positions.items():
        extrinsics = metadata.extrinsics[:, int(subject[1:]) - 1]
        cameras = list(zip(extrinsics, metadata.intrinsics, strict=True))
        result[subject] = {
            action: [project(world[:, joints], *camera) for camera in cameras]
            for action, world in actions.items()
        }
    return result


def project(world, extrinsics, intrinsics) -> np.ndarray:
    """Project points as VideoPose3D does.

    Directions farther than 45 degrees from the axis, horizontally or vertically, are moved to 45
    degrees. With a, b the normalised coordinates and r2 = a^2 + b^2, the distorted ones are
    (a, b) (1 + k1 r2 + k2 r2^2 + k3 r2^3 + p2 a + p1 b) + (p2, p1) r2.

    Args:
        world: (..., 3) in metres.
        extrinsics: (6,) angles in radians, optical centre in mm.
        intrinsics: (9,) fx, fy, cx, cy, k1, k2, k3, p1, p2 as ``metadata.xml`` calls them.

    Returns:
        (..., 2) float32 pixels.
    """
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = intrinsics
    camera_space = (np.float64(world) - extrinsics[3:] / 1000) @ rotation_matrix(extrinsics[:3]).T
    ab = np.clip(camera_space[..., :2] / camera_space[..., 2:], -1, 1)
    r2 = np.square(ab).sum(axis=-1, keepdims=True)
    tangential = np.array([p2, p1])
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    distorted = ab * (radial + (ab @ tangential)[..., np.newaxis]) + tangential * r2
    return np.float32(distorted * [fx, fy] + [cx, cy])


def export(folder, metadata_path, out_folder, force=False) -> tuple[str, str]:
    """Write both files and return their paths. The 3D file comes last: it means both are there.

    Args:
        folder: of the release, see :func:`read_positions`.
        metadata_path: the release's metadata.xml.
        out_folder: where to write.
        force: replace a 3D file that is there.

    Raises:
        OptionError: the 3D file is there.
        RawDataError: as from :func:`read_positions`, or the metadata cannot be read.
    """
    path_3d = osp.join(out_folder, 'data_3d_h36m.npz')
    path_2d = osp.join(out_folder, 'data_2d_h36m_gt.npz')
    if osp.exists(path_3d) and not force:
        raise OptionError(f'{path_3d} is there already. Add --force to make both files again.')
    metadata = read_metadata(metadata_path)
    # What was unpacked elsewhere does not say that it was simulated, but its metadata does.
    releases = folder, osp.dirname(osp.dirname(osp.abspath(metadata_path)))
    positions = read_positions(folder, is_partial=any(map(is_simulated, releases)))
    os.makedirs(out_folder, exist_ok=True)
    with naming(path_2d), replacing(path_2d) as path:
        about = dict(layout_name='h36m', num_joints=len(JOINTS), keypoints_symmetry=SYMMETRY)
        projections = project_positions(positions, metadata)
        save_objects(path, {'positions_2d': projections, 'metadata': about})
    with naming(path_3d), replacing(path_3d) as path:
        save_objects(path, {'positions_3d': positions})
    return path_3d, path_2d


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.h36m.export_videopose3d', description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add('--source', '--from-source-cdf', help='folder of the release (default: $DATA_ROOT/h36m)')
    add('--metadata', help='metadata.xml (default: below Release-v1.2 of the source)')
    add('--out', default='.', help='folder to write to (default: this one)')
    add('--force', action='store_true', help='replace files made before')
    return run_program(_run, parser.parse_args(args))


def _run(options):
    source = options.source or osp.join(check_data_root(to_write=False), 'h36m')
    metadata_path = options.metadata or find_metadata(source)
    for path in export(source, metadata_path, options.out, options.force):
        print(path)


if __name__ == '__main__':
    sys.exit(main())
