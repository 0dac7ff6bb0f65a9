"""The files of the simulated 3DPW release."""

import os
import os.path as osp

import numpy as np

from posepile.atomic import replacing
from posepile.bodymodels.python2_pickle import dumps

# Of the body model, in the order of OpenPose's 18 joints: numbers of joints, or of vertices.
_NOSE, _EYES_AND_EARS = 332, (6260, 2800, 4071, 583)
_JOINTS_2 = (12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7)


def write_pickle(path, content):
    """Write plain data as Python 2 pickled it."""
    os.makedirs(osp.dirname(path), exist_ok=True)
    with replacing(path) as partial, open(partial, 'wb') as f:
        f.write(dumps(content))


def sequence_file(name, people, cameras, is_valid, poses2d) -> dict:
    """Content of a sequence file.

    Args:
        people: :class:`~posepile.ds.tdpw.simulate_people.SmplPerson` objects.
        cameras: :class:`~posepile.simulate.camera.StudioCamera` of each of T frames.
        is_valid: (T,) of each person, whether the camera is aligned.
        poses2d: (T, 3, 18) of each person.
    """
    n = len(cameras)
    extrinsics = np.tile(np.eye(4), (n, 1, 1))
    for matrix, camera in zip(extrinsics, cameras, strict=True):
        matrix[:3, :3] = camera.R
        matrix[:3, 3] = -camera.R @ camera.t / 1000
    return dict(
        sequence=name,
        betas=[p.betas for p in people],
        poses=[p.pose for p in people],
        trans=[p.trans for p in people],
        poses_60Hz=[np.repeat(p.pose, 2, axis=0) for p in people],
        trans_60Hz=[np.repeat(p.trans, 2, axis=0) for p in people],
        betas_clothed=[p.betas[:10] for p in people],
        v_template_clothed=[p.skin.mesh.vertices / 1000 for p in people],
        texture_maps=[np.zeros((0, 0, 3), np.uint8) for _ in people],
        genders=[p.gender[0] for p in people],
        poses2d=list(poses2d),
        jointPositions=[p.joint_positions.reshape(n, -1) / 1000 for p in people],
        img_frame_ids=2 * np.arange(n),
        cam_poses=extrinsics,
        campose_valid=[np.asarray(valid, np.int64) for valid in is_valid],
        cam_intrinsics=cameras[0].K,
    )


def openpose_joints(person, i_frame, camera, rng) -> np.ndarray:
    """(3, 18) rows x, y, confidence: what a 2D pose estimator may find of a person."""
    points = np.concatenate(
        [
            person.vertices[i_frame, [_NOSE]],
            person.joint_positions[i_frame, list(_JOINTS_2)],
            person.vertices[i_frame, list(_EYES_AND_EARS)],
        ]
    )
    pixels = camera.project(points) + rng.normal(0, 2, (18, 2))
    confidence = rng.uniform(0.3, 0.95, 18)
    is_found = np.isfinite(pixels).all(axis=1) & (rng.uniform(size=18) < 0.9)
    is_found[1:9] = True  # so that some are, even of who is behind the camera
    pixels = np.where(np.isfinite(pixels), pixels, 100)
    return np.vstack([pixels.T, confidence]) * is_found
