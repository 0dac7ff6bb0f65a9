"""The annotations of H3WB: which image shows whom, and where their 133 joints are.

In the JSON files, 3D joints are in the axes of the camera of their image but relative to the origin
of the world: X_json = R X_world, without the translation. In the npz file they are in the world.
"""

import fnmatch
import itertools
import os
import os.path as osp

import numpy as np

from posepile import paths
from posepile.ds.h3wb.json_stream import iter_entries
from posepile.ds.h3wb.samples import N_CHECKED, Sample, box_of_corners, checked_view
from posepile.ds.h3wb.skeleton import N_JOINTS
from posepile.ds.h3wb.training_npz import read_training_npz
from posepile.ds.h36m.benchmark import View, parse_image_path
from posepile.ds.h36m.metadata import CAMERA_IDS, Metadata, rotation_matrix
from posepile.errors import RawDataError

TRAINING_JSON = 'RGBto3D_train.json'
TRAINING_NPZ = 'h3wb_train*.npz'
TEST_IMAGES_JSON = 'RGBto3D_test_img.json'
TEST_TRUTH_JSON = 'RGBto3D_test_3d.json'
#: Where the 2D joints of the training images are: in one file, or in five.
POINTS_JSON = '2Dto3D_train.json'
POINTS_PARTS = tuple(f'2Dto3D_train_part{i}.json' for i in range(1, 6))

_JOINT_KEYS = tuple(str(i) for i in range(N_JOINTS))
_LARGEST_ID = 10**9
_REMEDY = 'Delete it and download it again.'


def release_dir():
    return osp.join(paths.data_root(), 'h3wb')


def find_file(folder, pattern) -> str | None:
    """Path of the file of this name (or pattern) below a folder; of several, the topmost."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        found += [osp.join(parent, name) for name in fnmatch.filter(sorted(names), pattern)]
    return min(found, key=lambda path: path.count(os.sep), default=None)


def iter_training(folder, metadata: Metadata):
    """Yield the :class:`Sample` s of the training images, in the order of the file.

    They are read from ``RGBto3D_train.json``, or else from the npz file.

    Raises:
        RawDataError: if there is neither, or what they say contradicts the format.
    """
    path = training_file(folder)
    if path.endswith('.npz'):
        yield from read_training_npz(path)
        return
    points = dict(itertools.islice(iter_points(folder), N_CHECKED))
    for i, entry in iter_samples(path):
        yield _sample(path, i, entry, metadata, points.get(i))


def training_file(folder) -> str:
    """Path of the annotations of the training images: JSON, or else npz.

    Raises:
        RawDataError: if there is neither.
    """
    path = find_file(folder, TRAINING_JSON) or find_file(folder, TRAINING_NPZ)
    if path is None:
        raise RawDataError(
            osp.join(folder, TRAINING_JSON),
            f'there are no training annotations: neither this file nor {TRAINING_NPZ}',
            'Download them: posepile run h3wb',
        )
    return path


def iter_test(folder, metadata: Metadata):
    """Yield the :class:`Sample` s of the test images whose truth is there.

    Raises:
        RawDataError: if what the files say contradicts the format, or an image of the truth is
            not known.
    """
    images_path, truth_path = (find_file(folder, n) for n in (TEST_IMAGES_JSON, TEST_TRUTH_JSON))
    if images_path is None or truth_path is None:
        return
    images = dict(iter_samples(images_path))
    for i, entry in iter_samples(truth_path):
        if i not in images:
            raise RawDataError(truth_path, f'sample {i} is not in {images_path}', _REMEDY)
        yield _sample(truth_path, i, {**images[i], **entry}, metadata)


def iter_points(folder):
    """Yield (id, (133, 2) pixels) of the training samples; of none if there is no such file."""
    whole = find_file(folder, POINTS_JSON)
    parts = [whole] if whole else [find_file(folder, name) for name in POINTS_PARTS]
    for path in filter(None, parts):
        for i, entry in iter_samples(path):
            yield i, keypoints(path, i, entry, 'keypoints_2d', 'xy')


def iter_samples(path):
    """Yield (id, object) of the samples in a JSON file.

    Raises:
        RawDataError: if the file is no such JSON, or an id occurs twice.
    """
    seen = set()
    for key, entry in iter_entries(path):
        is_number = key.isascii() and key.isdecimal() and int(key) < _LARGEST_ID
        if not (is_number and isinstance(entry, dict)):
            problem = f'the entry {key[:40]!r} is no sample: a number and an object were expected'
            raise RawDataError(path, problem, _REMEDY)
        if int(key) in seen:
            raise RawDataError(path, f'has sample {key} twice', _REMEDY)
        seen.add(int(key))
        yield int(key), entry


def keypoints(path, i_sample, entry, key, axes) -> np.ndarray:
    """(133, len(axes)) float64 coordinates in a sample's object.

    Raises:
        RawDataError: if it has not all of them, or they are no finite numbers.
    """
    try:
        by_joint = entry[key]
        values = np.array([[by_joint[j][a] for a in axes] for j in _JOINT_KEYS], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as e:
        problem = f'{key} of sample {i_sample} is not {axes} of the joints 0 to 132 ({e!r})'
        raise RawDataError(path, problem, _REMEDY) from e
    if not np.isfinite(values).all():
        problem = f'{key} of sample {i_sample} is not finite in joint {_first_bad(values)}'
        raise RawDataError(path, problem, _REMEDY)
    return values


def world_to_camera_rotation(metadata, view) -> np.ndarray:
    """(3, 3) float64."""
    i_camera = CAMERA_IDS.index(view.camera)
    return rotation_matrix(metadata.extrinsics[i_camera, view.subject - 1, :3])


def view_of_sample(path, i_sample, entry) -> View:
    """The image that a sample's object names.

    Raises:
        RawDataError: if it names none, or none that there can be.
    """
    image_path = entry.get('image_path')
    view = parse_image_path(image_path) if isinstance(image_path, str) else None
    if view is None:
        problem = f'image_path of sample {i_sample} is {image_path!r}'
        raise RawDataError(path, f'{problem}, not S#/Images/<take>.<camera>/frame_#.jpg', _REMEDY)
    return checked_view(path, *view)


def _sample(path, i, entry, metadata, points=None):
    view = view_of_sample(path, i, entry)
    in_camera_axes = keypoints(path, i, entry, 'keypoints_3d', 'xyz')
    corners = entry.get('bbox')
    return Sample(
        id=i,
        view=view,
        box=None if corners is None else box_of_corners(path, f'sample {i}', corners),
        joints=in_camera_axes @ world_to_camera_rotation(metadata, view),
        points=points,
    )


def _first_bad(values):
    return int(np.argmin(np.isfinite(values).all(axis=1)))
