"""ASPset-510: outdoor sports, one person in three calibrated views."""

import os.path as osp

import boxlib
import numpy as np
from deltacamera import Camera

from posepile import paths
from posepile.clips import Clip, EveryNth, Person, WhenMoved
from posepile.ds.aspset.splits import load_split
from posepile.errors import RawDataError
from posepile.joint_info import JointInfo
from posepile.pipeline import stages
from posepile.pipeline.recipe import Recipe
from posepile.raw.c3d import read_c3d
from posepile.raw.tables import read_csv_floats, read_json
from posepile.raw.video import VideoFrames
from posepile.util import TEST, TRAIN, VALID

JOINT_INFO = JointInfo(
    'rank,rkne,rhip,rwri,relb,rsho,lank,lkne,lhip,lwri,lelb,lsho,htop,head,neck,spin,pelv',
    'htop-head-neck-rsho-relb-rwri,neck-spin-pelv-rhip-rkne-rank',
)


def make_recipe(name='aspset'):
    """Recipe of ``aspset`` (train and val) or ``aspset_test`` (also test, every 5th frame)."""
    splits = (TRAIN, VALID, TEST) if name == 'aspset_test' else (TRAIN, VALID)
    return Recipe(
        name=name,
        joint_info=JOINT_INFO,
        list_clips=lambda: list_clips(splits),
        read_clip=read_clip,
        crops_folder='aspset_downscaled',
        splits=splits,
        mask_key_components=5,
    )


def make_dataset(name='aspset'):
    """Open the packed dataset."""
    return make_recipe(name).open()


def list_clips(splits):
    """(path of the video below the data folder, its identity and split) of every clip and view."""
    views = load_split(osp.join(data_dir(), 'splits.csv'))
    return [(video_path(*view, split), (*view, split)) for split in splits for view in views[split]]


def read_clip(identity):
    """One view of one clip; frame i of the video, row i of the boxes and C3D frame i coincide."""
    subject, clip, view, split = identity
    part = osp.join(data_dir(), 'test' if split == TEST else 'trainval')
    motion_path = f'{part}/joints_3d/{subject}/{subject}-{clip}.c3d'
    joints = read_c3d(motion_path).points
    if joints.shape[1] != JOINT_INFO.n_joints:
        raise RawDataError(
            motion_path,
            f'{joints.shape[1]} points where {JOINT_INFO.n_joints} joints were expected',
            'Unpack the joints_3d archive again.',
        )
    boxes = load_boxes(f'{part}/boxes/{subject}/{subject}-{clip}-{view}.csv')
    path = video_path(subject, clip, view, split)
    return Clip(
        frames=VideoFrames(osp.join(data_dir(), path)),
        camera=load_camera(f'{part}/cameras/{subject}/{subject}-{view}.json'),
        people=[Person(joints, boxes)],
        split=split,
        crop_path=f'aspset_downscaled/{path}/{{frame:06d}}.jpg',
        select=EveryNth(5) if split == TEST else WhenMoved(100),
        activity='sports',
        scene=f'{subject}-{view}',
    )


def data_dir():
    return osp.join(paths.data_root(), 'aspset', 'data')


def video_path(subject, clip, view, split):
    """Path of a video, relative to the data folder."""
    part = 'test' if split == TEST else 'trainval'
    return f'{part}/videos/{subject}/{subject}-{clip}-{view}.mkv'


def load_boxes(path):
    """(T, 4) float32 person boxes, expanded by a tenth, of a CSV of corners with a header row."""
    corners = read_csv_floats(path, n_columns=4, header_rows=1)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return np.array([boxlib.expand(box, 1.1) for box in boxes], np.float32).reshape(-1, 4)


def load_camera(path):
    """Calibration of one view; world y points down, as in the left camera's frame."""
    calibration = read_json(path, keys=('intrinsic_matrix', 'extrinsic_matrix'))
    try:
        intrinsics = np.reshape(np.float64(calibration['intrinsic_matrix']), (3, 4))[:, :3]
        extrinsics = np.reshape(np.float64(calibration['extrinsic_matrix']), (4, 4))
    except (ValueError, TypeError) as e:
        raise RawDataError(
            path, f'12 intrinsic and 16 extrinsic numbers were expected ({e})'
        ) from e
    rotation = extrinsics[:3, :3]
    return Camera(
        optical_center=-rotation.T @ extrinsics[:3, 3],
        rot_world_to_cam=rotation,
        intrinsic_matrix=intrinsics,
        world_up=(0, -1, 0),
    )


if __name__ == '__main__':
    stages.main(make_recipe)
