"""The samples of H3WB in the order in which their videos are read, in one file of fixed records.

$ python -m posepile.ds.h3wb.index

makes it, and reports how well the 2D joints of the first samples agree with the cameras. Whoever
needs it makes it, too, where it is missing or the annotations have changed.
"""

import functools
import hashlib
import json
import os
import os.path as osp
import sys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.recfunctions import repack_fields

from posepile.atomic import replacing
from posepile.ds.h3wb import annotations
from posepile.ds.h3wb.annotations import find_file, iter_test, iter_training, release_dir
from posepile.ds.h3wb.skeleton import N_JOINTS
from posepile.ds.h36m import tree
from posepile.ds.h36m.metadata import CAMERA_IDS, read_metadata, rotation_matrix
from posepile.paths import check_data_root
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import run_program
from posepile.raw.locks import open_locked
from posepile.util.boxes import joint_boxes

#: One sample. Boxes are [left, top, width, height] in px; joints are in the world, mm. Errors are
#: mean distances in px of annotated 2D joints from projected 3D joints, with and without the
#: distortion of the lens; NaN where they were not checked.
RECORD = np.dtype(
    [
        ('id', np.int32),
        ('subject', np.int32),
        ('take', 'U40'),
        ('i_camera', np.int32),
        ('frame', np.int32),
        ('box', np.float32, 4),
        ('errors', np.float32, 2),
        ('joints', np.float32, (N_JOINTS, 3)),
    ]
)
_ORDER = ['subject', 'take', 'i_camera', 'frame', 'id']
#: A larger error means that the camera or the frame is another one.
LARGEST_ERROR = 20
#: Boxes of people who were given none.
_EXPANSION = 1.1
_VERSION = 1
_SOURCES = (
    annotations.TRAINING_JSON,
    annotations.TRAINING_NPZ,
    annotations.TEST_IMAGES_JSON,
    annotations.TEST_TRUTH_JSON,
    annotations.POINTS_JSON,
    *annotations.POINTS_PARTS,
)
_MOST_NAMED = 5


def load_index() -> np.ndarray:
    """All samples, sorted by subject, take, camera and frame: (N,) of :data:`RECORD`, read-only.

    Raises:
        RawDataError: if annotations or ``metadata.xml`` of Human3.6M are missing or damaged.
    """
    return _open_index(_index_path())


@functools.lru_cache(maxsize=1)
def _open_index(path):
    if not osp.exists(path):
        annotations.training_file(release_dir())  # before a folder appears where there was none
        folder = osp.dirname(path)
        os.makedirs(folder, exist_ok=True)
        with open_locked(osp.join(folder, '.lock')):
            if not osp.exists(path):
                _write(path, build_index(release_dir(), read_metadata(tree.metadata_path())))
    return np.load(path, mmap_mode='r', allow_pickle=False)


def _write(path, records):
    folder = osp.dirname(path)
    with replacing(path) as partial:
        np.save(partial, records, allow_pickle=False)
    for name in os.listdir(folder):  # of annotations that there were before
        if name.endswith('.npy') and name != osp.basename(path):
            os.remove(osp.join(folder, name))


def _index_path():
    """Its name tells of which files, and which state of them, it was made."""
    found = [find_file(release_dir(), name) for name in _SOURCES] + [tree.metadata_path()]
    states = []
    for path in found:
        if path is not None and osp.exists(path):
            stat = os.stat(path)
            states.append((osp.basename(path), stat.st_size, stat.st_mtime_ns))
    digest = hashlib.sha256(json.dumps([_VERSION, states]).encode()).hexdigest()
    return osp.join(release_dir(), 'index', f'{digest[:16]}.npy')


def build_index(folder, metadata) -> np.ndarray:
    """Read the annotations below ``folder``; see :func:`load_index`.

    Of several samples of the same image, the one with the lowest number is kept.
    """
    cameras = {}
    rows = []
    for source in (iter_training, iter_test):
        for sample in source(folder, metadata):
            view = sample.view
            key = view.subject, view.camera
            if key not in cameras:
                cameras[key] = _Projection.of(metadata, *key)
            box, errors = _box_and_errors(sample, cameras[key])
            i_camera = CAMERA_IDS.index(view.camera)
            image = view.subject, view.take, i_camera, view.frame
            rows.append((sample.id, *image, box, errors, np.float32(sample.joints)))
    records = np.zeros(len(rows), RECORD)
    for i, row in enumerate(rows):
        records[i] = row
        rows[i] = None  # so that no more than one copy of all joints is held
    keys = repack_fields(records[_ORDER])
    order = np.argsort(keys, order=_ORDER, kind='stable')
    images = keys[order][_ORDER[:-1]]
    is_first = np.ones(len(records), bool)
    is_first[1:] = images[1:] != images[:-1]
    return records[order[is_first]]


@dataclass(frozen=True)
class _Projection:
    """A camera in float64, for joints in world mm.

    Attributes:
        rotation: (3, 3) from world to camera.
        center: (3,) in the world, mm.
        intrinsics: (3, 3).
        distortion: (5,) coefficients in OpenCV's order.
    """

    rotation: np.ndarray
    center: np.ndarray
    intrinsics: np.ndarray
    distortion: np.ndarray

    @classmethod
    def of(cls, metadata, subject, camera_id):
        i_camera = CAMERA_IDS.index(camera_id)
        parameters = metadata.extrinsics[i_camera, subject - 1]
        fx, fy, cx, cy, k1, k2, k3, p1, p2 = metadata.intrinsics[i_camera]
        return cls(
            rotation_matrix(parameters[:3]),
            parameters[3:],
            np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
            np.array([k1, k2, p1, p2, k3]),
        )

    def in_camera(self, joints):
        return (joints - self.center) @ self.rotation.T

    def to_pixels(self, joints, distorted):
        """(J, 2) pixels of (J, 3) joints."""
        distortion = self.distortion if distorted else None
        zero = np.zeros(3)
        points, _ = cv2.projectPoints(
            self.in_camera(joints), zero, zero, self.intrinsics, distortion
        )
        return points[:, 0]


def _box_and_errors(sample, projection):
    box, errors = sample.box, (np.nan, np.nan)
    if box is None:
        is_ahead = projection.in_camera(sample.joints)[:, 2] > 0
        pixels = projection.to_pixels(sample.joints, distorted=True)
        box = joint_boxes(pixels, _EXPANSION, where=is_ahead)
    if sample.points is not None:
        errors = [
            np.linalg.norm(projection.to_pixels(sample.joints, d) - sample.points, axis=1).mean()
            for d in (True, False)
        ]
    return box, errors


def reprojection_note(records) -> str | None:
    """How well 2D joints agree with the cameras, in words; None if none of these were checked."""
    checked = records[np.isfinite(records['errors']).all(axis=1)]
    if not len(checked):
        return None
    distorted, undistorted = checked['errors'].mean(axis=0, dtype=np.float64)
    note = (
        f'2D joints of {len(checked)} samples are {distorted:.2f} px from the projected 3D joints '
        f'if the lens is taken to be distorted, {undistorted:.2f} px if not'
    )
    wrong = sorted(checked['id'][(checked['errors'] > LARGEST_ERROR).all(axis=1)].tolist())
    if wrong:
        more = f' and {len(wrong) - _MOST_NAMED} more' if len(wrong) > _MOST_NAMED else ''
        named = ', '.join(map(str, wrong[:_MOST_NAMED]))
        note += f'; more than {LARGEST_ERROR} px either way, as of another camera or frame, are '
        note += f'those of {"sample" if len(wrong) == 1 else "samples"} {named}{more}'
    return note


def main() -> int:
    """Make the index; see the module's text."""
    return run_program(_run)


def _run():
    check_data_root()
    records = load_index()
    note = reprojection_note(records)
    if find_file(release_dir(), annotations.TEST_TRUTH_JSON) is None:
        print(f'note: there is no {annotations.TEST_TRUTH_JSON}: no test examples')
    print(f'{len(records)} samples; {note}')
    leave_task_report(Report(notes=[note] if note else []))


if __name__ == '__main__':
    sys.exit(main())
