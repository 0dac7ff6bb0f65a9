"""The training annotations as one npz file of pickled dictionaries."""

import numpy as np

from posepile.ds.h3wb.samples import N_CHECKED, Sample, box_of_corners, checked_view
from posepile.ds.h3wb.skeleton import N_JOINTS
from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.errors import RawDataError
from posepile.raw.npyfile import load_npz

_REMEDY = 'Delete it and download it again.'
_IDS = 'sample_id'


def read_training_npz(path):
    """Yield the :class:`~posepile.ds.h3wb.samples.Sample` s of an npz file, sorted by image.

    ``train_data[subject][take]`` has ``global_3d`` (F, 133, 3), ``frame_id`` (F,), and for each
    camera that is there a dictionary with ``pose_2d`` (F, 133, 2). A file with ``bbox`` has boxes.
    The axis of length 1 that arrays have behind the first in some files is dropped.

    Raises:
        RawDataError: if the file is missing, damaged, or its content has another structure.
    """
    arrays = load_npz(path)
    number = 0
    boxes = _dictionary(path, arrays, 'bbox') if 'bbox' in arrays else {}
    for subject, take, content in _takes(path, _dictionary(path, arrays, 'train_data')):
        where = f'{subject}, {take}'
        frames = _frames(path, where, content)
        joints = _coordinates(path, where, content, 'global_3d', len(frames), 3)
        for camera in (c for c in CAMERA_IDS if c in content):
            of_camera = content[camera]
            if not isinstance(of_camera, dict):
                raise _unexpected(path, f'{where}, {camera}: is no dictionary')
            place = f'{where}, {camera}'
            points = _coordinates(path, place, of_camera, 'pose_2d', len(frames), 2)
            ids = _ids(path, place, of_camera, len(frames))
            for row, frame in enumerate(frames):
                view = checked_view(path, _number(path, subject), take, camera, frame)
                corners = boxes.get((subject, take, camera, frame))
                image = f'{place}, frame {frame}'
                yield Sample(
                    id=number if ids is None else ids[row],
                    view=view,
                    box=None if corners is None else box_of_corners(path, image, corners),
                    joints=joints[row],
                    points=points[row] if number < N_CHECKED else None,
                )
                number += 1


def _takes(path, train_data):
    for subject, takes in sorted(train_data.items(), key=str):
        if not isinstance(takes, dict):
            raise _unexpected(path, f'train_data of {subject!r} is no dictionary')
        for take, content in sorted(takes.items(), key=str):
            if not isinstance(take, str) or not isinstance(content, dict):
                raise _unexpected(path, f'train_data of {subject!r} has {take!r}')
            yield subject, take, content


def _dictionary(path, arrays, name):
    array = arrays.get(name)
    content = array.item() if array is not None and array.shape == () else None
    if not isinstance(content, dict):
        raise _unexpected(path, f'{name} is no dictionary')
    return content


def _number(path, subject):
    if not (isinstance(subject, str) and subject[:1] == 'S' and subject[1:].isdecimal()):
        raise _unexpected(path, f'{subject!r} is no subject')
    return int(subject[1:])


def _frames(path, where, content):
    frames = np.asarray(content.get('frame_id'))
    is_right = frames.dtype.kind in 'iu' and frames.ndim == 1
    if not is_right or np.any(frames < 0) or len(np.unique(frames)) < len(frames):
        raise _unexpected(path, f'frame_id of {where} are not the numbers of frames, once each')
    return frames.tolist()


def _coordinates(path, where, content, key, n, dims):
    array = np.asarray(content.get(key))
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind != 'f' or array.shape != (n, N_JOINTS, dims):
        shape = f'{array.dtype} {array.shape}'
        raise _unexpected(path, f'{key} of {where} is {shape}, not floats {n, N_JOINTS, dims}')
    if not np.isfinite(array).all():
        raise _unexpected(path, f'{key} of {where} is not finite')
    return array.astype(np.float64)


def _ids(path, where, content, n):
    """Numbers of the samples in the JSON files; None if the file does not say."""
    if _IDS not in content:
        return None
    ids = np.asarray(content[_IDS]).reshape(-1)
    if ids.dtype.kind not in 'iu' or len(ids) not in (1, n):
        raise _unexpected(path, f'{_IDS} of {where} are not {n} numbers')
    return ids.tolist() if len(ids) == n else None


def _unexpected(path, problem):
    return RawDataError(path, f'has another structure than expected: {problem}', _REMEDY)
