"""H3WB: 133 joints of the whole body for images of Human3.6M, single people in a studio."""

import numpy as np

from posepile.clips import Clip, Person, WhenMoved
from posepile.ds.h3wb.index import load_index, reprojection_note
from posepile.ds.h3wb.samples import SPLIT_OF_SUBJECT
from posepile.ds.h3wb.skeleton import BODY17_JOINT_INFO, JOINT_INFO, N_BODY17
from posepile.ds.h36m import tree
from posepile.ds.h36m.main import get_cameras
from posepile.errors import UnknownDatasetError
from posepile.pipeline import stages
from posepile.pipeline.recipe import Recipe
from posepile.raw.video import VideoFrames

SKELETONS = {'h3wb': JOINT_INFO, 'h3wb_body17': BODY17_JOINT_INFO}
_CROPS_FOLDER = 'h3wb_downscaled'
_SELECT = WhenMoved(100, joints=tuple(range(N_BODY17)))


def make_recipe(name='h3wb'):
    """Recipe of ``h3wb`` (133 joints) or ``h3wb_body17`` (the first 17 of them)."""
    if name not in SKELETONS:
        raise UnknownDatasetError(f'{name!r} is none of {", ".join(SKELETONS)}.')
    joint_info = SKELETONS[name]
    return Recipe(
        name=name,
        joint_info=joint_info,
        list_clips=list_clips,
        read_clip=lambda rows: read_clip(joint_info.n_joints, *rows),
        crops_folder=_CROPS_FOLDER,
        mask_key_components=4,
    )


def make_dataset(name='h3wb'):
    """Open a packed product."""
    return make_recipe(name).open()


def list_clips():
    """(name of the view, (first, last + 1) of its records in the index) of every video."""
    records = load_index()
    views = records[['subject', 'take', 'i_camera']]
    starts = np.flatnonzero(views[1:] != views[:-1]) + 1
    bounds = [0, *starts.tolist(), len(records)]
    return [
        (_image_folder(records[first]), (first, end))
        for first, end in zip(bounds, bounds[1:], strict=False)
        if first < end
    ]


def read_clip(n_joints, first, end):
    """One video, of which a few frames, at irregular intervals, are annotated.

    Args:
        n_joints: only the first so many joints are taken.
        first, end: range of its records in the index.
    """
    records = load_index()[first:end]
    subject, take = int(records['subject'][0]), str(records['take'][0])
    i_camera = int(records['i_camera'][0])
    frames = records['frame']
    joints = np.full((frames[-1] + 1, n_joints, 3), np.nan)
    boxes = np.full((frames[-1] + 1, 4), np.nan)
    joints[frames] = records['joints'][:, :n_joints]
    boxes[frames] = records['box']
    view = tree.view_name(take, i_camera)
    note = reprojection_note(records)
    return Clip(
        frames=VideoFrames(f'{tree.subject_dir(subject)}/{tree.VIDEOS}/{view}.mp4'),
        camera=get_cameras()[i_camera][subject - 1],
        people=[Person(joints, boxes)],
        split=SPLIT_OF_SUBJECT[subject],
        crop_path=f'{_CROPS_FOLDER}/{_image_folder(records[0])}/frame_{{frame:06d}}.jpg',
        select=select_annotated,
        activity=take.partition(' ')[0],
        notes=[note] if note else [],
    )


def select_annotated(joints):
    """Of the frames that are annotated, those in which a joint of the body has moved by 100 mm."""
    annotated = np.flatnonzero(np.isfinite(joints[:, 0, 0]))
    return annotated[_SELECT(joints[annotated])]


def _image_folder(record):
    view = tree.view_name(record['take'], record['i_camera'])
    return f'S{record["subject"]}/{tree.IMAGES}/{view}'


if __name__ == '__main__':
    stages.main(make_recipe)
