"""MPI-INF-3DHP: one actor at a time, in a studio with 14 cameras; a test set also outdoors."""

import os.path as osp
from dataclasses import dataclass

import numpy as np

from posepile.clips import Clip, Person, WhenMoved
from posepile.ds.mupots import companion
from posepile.ds.tdhp import tree
from posepile.ds.tdhp.annotations import N_ACTIVITIES, read_test_poses, read_training_poses
from posepile.ds.tdhp.boxes import (
    FULL_PLACES,
    PLACES,
    boxes_of_frames,
    find_detections,
    keys_of_frame,
)
from posepile.ds.tdhp.cameras import (
    get_test_camera_subj1_4,
    get_test_camera_subj5_6,
    read_calibrations,
    test_calibration,
)
from posepile.ds.tdhp.colours import adjust
from posepile.ds.tdhp.frames import STEP, frames_of
from posepile.ds.tdhp.masks import ForegroundMasks
from posepile.ds.tdhp.skeleton import (
    FULL_JOINT_INFO,
    JOINT_INFO,
    SOURCE_JOINTS,
    TEST_JOINTS,
    columns,
)
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.pipeline import stages
from posepile.pipeline.recipe import Recipe
from posepile.raw.images import ImageFiles
from posepile.raw.video import VideoFrames
from posepile.util import TEST, TRAIN, VALID

__all__ = ['get_test_camera_subj1_4', 'get_test_camera_subj5_6']

_VALIDATION_SUBJECT = 8
_WHEN_MOVED = WhenMoved(100)
_TEST_CLIPS = 'test'
_COMPANION = 'mupots'

#: By number, in the test set.
ACTIVITIES = dict(
    enumerate(
        ('Stand/Walk', 'Exercise', 'Sit on Chair', 'Reach/Crouch', 'On Floor', 'Sports', 'Misc.'),
        start=1,
    )
)
SCENES = {1: 'green-screen', 2: 'green-screen', 3: 'no-green-screen', 4: 'no-green-screen',
          5: 'outdoor', 6: 'outdoor'}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Select frames that were chosen before, of those that there are."""

    indices: tuple[int, ...]

    def __call__(self, joints):
        return np.array([i for i in self.indices if i < len(joints)], int)


def make_recipe(name='tdhp'):
    """Recipe of ``tdhp`` (8 cameras, 17 joints, test set), ``tdhp_full`` (14 cameras, 28 joints)
    or ``tdhp_full_mupots`` (the same, and MuPoTS-3D)."""
    main = dict(
        joint_info=JOINT_INFO,
        list_clips=list_clips,
        read_clip=read_clip,
        crops_folder='3dhp_downscaled',
        splits=(TRAIN, VALID, TEST),
    )
    full = dict(
        joint_info=FULL_JOINT_INFO,
        list_clips=list_full_clips,
        read_clip=read_full_clip,
        crops_folder='3dhp_full_downscaled',
        splits=(TRAIN,),
    )
    with_mupots = full | dict(
        list_clips=list_clips_with_mupots,
        read_clip=read_clip_with_mupots,
        splits=(TRAIN, VALID, TEST),
    )
    products = dict(tdhp=main, tdhp_full=full, tdhp_full_mupots=with_mupots)
    if name not in products:
        raise UnknownDatasetError(f'{name!r} is none of {", ".join(products)}.')
    # Masks are those of the release itself.
    return Recipe(name=name, mask_of='nobody', **products[name])


def make_dataset(name='tdhp'):
    """Open a packed product."""
    return make_recipe(name).open()


def list_clips():
    """(name, (subject, sequence, camera)), or (name, ('test', sequence, activity)), of all clips.

    Of a test sequence, each activity is a clip.
    """
    training = _list_views(tree.VNECT_CAMERAS)
    return training + [
        (f'{tree.test_folder(i)}/activity {activity}', (_TEST_CLIPS, i, activity))
        for i in tree.list_test_sequences()
        for activity in range(1, N_ACTIVITIES + 1)
    ]


def list_full_clips():
    """(name, (subject, sequence, camera)) of the views of all cameras."""
    return _list_views(range(tree.N_CAMERAS))


def list_clips_with_mupots():
    """The same, and the clips of MuPoTS-3D, whose arguments have no camera."""
    return list_full_clips() + [
        (name, (_COMPANION, identity)) for name, identity in companion.list_clips()
    ]


def _list_views(cameras):
    if not osp.isdir(tree.release_dir()):
        raise RawDataError(
            tree.release_dir(), 'there is no such release', 'Download it: posepile run tdhp'
        )
    return [
        (f'{tree.training_folder(*key)}/camera {i_camera}', (*key, i_camera))
        for key in tree.list_training_sequences()
        for i_camera in cameras
    ]


def read_clip(identity):
    """A clip of ``tdhp``; see :func:`list_clips`."""
    if identity[0] == _TEST_CLIPS:
        return read_test_clip(*identity[1:])
    subject, sequence, i_camera = identity
    view = _View.read(subject, sequence, i_camera, JOINT_INFO)
    # Who is not in the picture as a whole is passed over, and what moves meanwhile with them.
    whole = np.flatnonzero(view.is_visible[::STEP].all(axis=1)) * STEP
    indices = whole[_WHEN_MOVED(view.joints[whole])] if len(whole) else whole
    return view.clip(
        indices,
        places=PLACES,
        crop_path=f'3dhp_downscaled/{tree.training_folder(subject, sequence)}/{tree.IMAGES}/'
        f'img_{i_camera}_{{frame:06d}}.jpg',
        split=VALID if subject == _VALIDATION_SUBJECT else TRAIN,
        has_univ=True,
        is_one_part=True,
    )


def read_full_clip(identity):
    """A clip of ``tdhp_full``; see :func:`list_full_clips`."""
    subject, sequence, i_camera = identity
    view = _View.read(subject, sequence, i_camera, FULL_JOINT_INFO)
    moved = _WHEN_MOVED(view.joints) if len(view.joints) else np.zeros(0, int)
    n_least = FULL_JOINT_INFO.n_joints // 3
    indices = moved[view.is_visible[moved].sum(axis=1) >= n_least]
    return view.clip(
        indices,
        places=FULL_PLACES,
        crop_path=f'3dhp_full_downscaled/{tree.training_folder(subject, sequence)}/{tree.IMAGES}/'
        f'video_{i_camera}/{{frame:06d}}.jpg',
        split=TRAIN,
        has_univ=False,
        is_one_part=False,
    )


def read_clip_with_mupots(identity):
    """A clip of ``tdhp_full_mupots``; see :func:`list_clips_with_mupots`."""
    if identity[0] == _COMPANION:
        return companion.read_clip(identity[1], FULL_JOINT_INFO)
    return read_full_clip(identity)


@dataclass(frozen=True, eq=False)
class _View:
    """One camera's view of a training sequence: poses (F, J, ...) and where they are seen."""

    identity: tuple[int, int, int]
    calibration: object
    joints: np.ndarray
    univ_joints: np.ndarray
    pixels: np.ndarray
    depths: np.ndarray
    is_visible: np.ndarray
    frames: object
    notes: list[str]

    @classmethod
    def read(cls, subject, sequence, i_camera, joint_info):
        folder = osp.join(tree.release_dir(), tree.training_folder(subject, sequence))
        calibrations = read_calibrations(osp.join(folder, 'camera.calibration'))
        if i_camera not in calibrations:
            path = osp.join(folder, 'camera.calibration')
            raise RawDataError(path, f'has no camera {i_camera}', 'Download it again.')
        calibration = calibrations[i_camera]
        poses = read_training_poses(osp.join(folder, 'annot.mat'), i_camera)
        identity = subject, sequence, i_camera
        n_expected = min(
            tree.N_FRAMES[subject, sequence],
            tree.SHORT_VIDEOS.get(identity, len(poses.joints)),
            len(poses.joints),
        )
        frames = frames_of(subject, sequence, tree.IMAGES, i_camera, n_expected)
        n, notes = n_expected, []
        if isinstance(frames, VideoFrames):
            n = min(n, frames.n_frames)
            if n < n_expected - 1:  # one more annotation than frames is usual
                notes.append(f'the video has {n} frames, {n_expected} are annotated')
        chosen = columns(joint_info, SOURCE_JOINTS)
        in_camera = poses.joints[:n, chosen]
        pixels, depths = calibration.project(in_camera), in_camera[..., 2]
        height, width = calibration.imshape
        is_inside = np.all((pixels >= 0) & (pixels <= (width, height)), axis=-1)
        return cls(
            identity,
            calibration,
            calibration.to_world(in_camera),
            calibration.to_world(poses.univ_joints[:n, chosen]),
            pixels,
            depths,
            is_inside & (depths > 0),
            frames,
            notes,
        )

    def clip(self, indices, places, crop_path, split, has_univ, is_one_part):
        """The clip with the chosen frames.

        Args:
            places: where detections may be.
            has_univ: whether to add the height-normalised poses.
            is_one_part: whether of each mask only the part that fits the person is taken.
        """
        notes = list(self.notes)
        detections = find_detections(places)
        if detections is None:
            notes.append('no detections: boxes are made of the joints alone')
        boxes = boxes_of_frames(
            self.pixels,
            self.depths,
            indices,
            detections,
            lambda i: keys_of_frame(*self.identity, i),
        )
        subject, sequence, i_camera = self.identity
        pictures = frames_of(subject, sequence, tree.FOREGROUND, i_camera, len(self.joints))
        masks = ForegroundMasks(pictures, indices, boxes if is_one_part else None, notes)
        return Clip(
            frames=self.frames,
            camera=self.calibration.camera(),
            people=[Person(self.joints, boxes, masks, self.univ_joints if has_univ else None)],
            split=split,
            crop_path=crop_path,
            select=Chosen(tuple(int(i) for i in indices)),
            scene='green-screen',
            adjust=adjust,
            notes=notes,
        )


def read_test_clip(number, activity):
    """The valid frames of a test sequence in which an activity is shown.

    Frames are counted as the image files are, from 1; there is no frame 0. The images are kept as
    they are.
    """
    root = tree.release_dir()
    poses = read_test_poses(osp.join(root, tree.test_folder(number), 'annot_data.mat'))
    calibration = test_calibration(number)
    chosen = columns(JOINT_INFO, TEST_JOINTS)
    nobody = np.full((1, len(chosen), 3), np.nan)
    in_camera = np.concatenate([nobody, poses.joints[:, chosen]])
    univ = np.concatenate([nobody, poses.univ_joints[:, chosen]])
    indices = 1 + np.flatnonzero(poses.is_valid & (poses.activities == activity))
    boxes = boxes_of_frames(
        calibration.project(in_camera),
        in_camera[..., 2],
        indices,
        find_detections(PLACES),
        lambda i: (tree.test_image_path(number, i),),
    )

    def path_of(i_image):
        return osp.join(root, tree.test_image_path(number, i_image))

    return Clip(
        frames=ImageFiles(path_of),
        camera=calibration.camera(),
        people=[Person(calibration.to_world(in_camera), boxes, None, calibration.to_world(univ))],
        split=TEST,
        crop_path=f'3dhp/{tree.test_folder(number)}/{tree.IMAGES}/img_{{frame:06d}}.jpg',
        select=Chosen(tuple(int(i) for i in indices)),
        activity=ACTIVITIES[activity],
        scene=SCENES[number],
        original_path=path_of,
    )


if __name__ == '__main__':
    stages.main(make_recipe)
