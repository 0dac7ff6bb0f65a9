"""Single moments of the MPI-INF-3DHP recordings: poses, calibrations and pictures.

Composites show moments of all sequences in any order. Poses are therefore kept in files that are
mapped into memory (``$DATA_ROOT/muco/poses``, 3 GB in all), and pictures are best extracted from
the videos (``python -m posepile.ds.muco.frames``): a video has to be decoded from its start.
"""

import functools
import glob
import os
import os.path as osp
from typing import NamedTuple

import numpy as np

from posepile.atomic import replacing
from posepile.ds.muco.tree import N_CAMERAS
from posepile.ds.muco.tree import release_dir as composites_dir
from posepile.ds.tdhp import tree
from posepile.ds.tdhp.annotations import read_training_poses
from posepile.ds.tdhp.cameras import Calibration, read_calibrations
from posepile.ds.tdhp.frames import frames_of
from posepile.errors import RawDataError
from posepile.raw.images import read_image
from posepile.raw.locks import open_locked
from posepile.raw.video import VideoFrames

KINDS = (tree.IMAGES, tree.FOREGROUND, tree.CHAIR)


class Moment(NamedTuple):
    """A frame of a camera; subjects and sequences count from 1, the others from 0."""

    subject: int
    sequence: int
    camera: int
    frame: int

    @property
    def view(self) -> tuple[int, int, int]:
        return self[:3]

    def path(self, kind):
        """Of the extracted picture, absolute."""
        return osp.join(tree.release_dir(), tree.frame_path(*self.view[:2], kind, *self[2:]))

    def video_path(self, kind):
        return osp.join(tree.release_dir(), tree.video_path(*self.view[:2], kind, self.camera))

    def __str__(self):
        return f'{tree.training_folder(*self[:2])}, camera {self.camera}, frame {self.frame}'


def pose_of(moment) -> tuple[np.ndarray, np.ndarray]:
    """Joints (28, 3) in camera space and those of the height-normalised skeleton, mm, float64.

    Raises:
        RawDataError: if the annotations are missing or damaged, or end before.
    """
    poses = poses_of(moment.subject, moment.sequence)
    if not (0 <= moment.camera < N_CAMERAS and 0 <= moment.frame < poses.shape[2]):
        path = annotation_path(moment.subject, moment.sequence)
        raise RawDataError(path, f'has no pose of {moment}', 'Get the same release for both.')
    return tuple(np.array(poses[moment.camera, :, moment.frame]))


def poses_of(subject, sequence) -> np.ndarray:
    """(11 cameras, 2, F, 28, 3) float64, mapped from a file: what :func:`pose_of` has of each."""
    path = annotation_path(subject, sequence)
    if not osp.exists(path):
        raise RawDataError(path, 'there is no such annotation file', 'Run the download step.')
    stat = os.stat(path)
    name = f'S{subject}_Seq{sequence}_{stat.st_size}-{stat.st_mtime_ns}.npy'
    return _open_poses(osp.join(composites_dir(), 'poses', name), path)


def annotation_path(subject, sequence):
    return osp.join(tree.release_dir(), tree.training_folder(subject, sequence), 'annot.mat')


@functools.lru_cache(maxsize=32)
def _open_poses(path, source):
    if not osp.exists(path):
        os.makedirs(osp.dirname(path), exist_ok=True)
        with open_locked(f'{path.rpartition("_")[0]}.lock'):
            if not osp.exists(path):  # no other process has made it meanwhile
                _write_poses(path, source)
    return np.load(path, mmap_mode='r', allow_pickle=False)


def _write_poses(path, source):
    poses = [read_training_poses(source, i) for i in range(N_CAMERAS)]
    if len({len(p.joints) for p in poses}) != 1:
        raise RawDataError(source, 'has cameras of different length', 'Download it again.')
    with replacing(path) as partial:
        np.save(partial, [[p.joints, p.univ_joints] for p in poses], allow_pickle=False)
    for other in glob.glob(f'{path.rpartition("_")[0]}_*.npy'):
        if other != path:  # of annotations that there were before
            os.remove(other)


def calibration_of(moment) -> Calibration:
    """Of the moment's camera.

    Raises:
        RawDataError: if it is not in the file of calibrations, or that is damaged.
    """
    folder = osp.join(tree.release_dir(), tree.training_folder(*moment[:2]))
    path = osp.join(folder, 'camera.calibration')
    stamp = os.stat(path).st_mtime_ns if osp.exists(path) else None
    calibrations = _read_calibrations_once(path, stamp)
    if moment.camera not in calibrations:
        raise RawDataError(path, f'has no camera {moment.camera}', 'Download it again.')
    return calibrations[moment.camera]


@functools.lru_cache(maxsize=32)
def _read_calibrations_once(path, stamp):
    return read_calibrations(path)


def n_recorded(subject, sequence, i_camera) -> int:
    """Number of frames that a camera's videos have, that of the images and both of the masks.

    Where there are extracted pictures and no video, it is the number known of the sequence.
    """
    first = Moment(subject, sequence, i_camera, 0)
    known = tree.SHORT_VIDEOS.get(first.view, tree.N_FRAMES[subject, sequence])
    lengths = []
    for kind in KINDS:
        video = first.video_path(kind)
        if osp.exists(video):
            lengths.append(_length_of(video, os.stat(video).st_mtime_ns))
        else:
            lengths.append(known if osp.exists(first.path(kind)) else 0)
    return min(lengths)


def picture_file(moment, kind) -> tuple[str, int] | None:
    """Path of the extracted picture or, without one, of the video, and when it was written."""
    for path in (moment.path(kind), moment.video_path(kind)):
        if osp.exists(path):
            return path, os.stat(path).st_mtime_ns
    return None


def has_picture(moment, kind) -> bool:
    """Whether there is an extracted picture, or a video that goes so far."""
    file = picture_file(moment, kind)
    if file is None or file[0] == moment.path(kind):
        return file is not None
    return moment.frame < _length_of(*file)


@functools.lru_cache(maxsize=1024)
def _length_of(video, stamp):
    return VideoFrames(video).n_frames


def read_picture(moment, kind) -> np.ndarray:
    """(h, w, 3) uint8 RGB: the extracted picture or, without one, the frame of the video.

    Args:
        kind: one of :data:`KINDS`.

    Raises:
        RawDataError: if there is neither, or it is damaged.
    """
    path = moment.path(kind)
    if osp.exists(path):
        return read_image(path)
    source = frames_of(*moment[:2], kind, moment.camera, moment.frame + 1)
    problems = []
    found = source.frames([moment.frame], lambda i, message: problems.append(message))
    for _, picture in found:
        return picture
    reason = '; '.join(problems) or 'the video ends before'
    raise RawDataError(path, f'there is no such picture ({reason})', 'Run the frames step.')
