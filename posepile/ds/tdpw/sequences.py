"""The sequence files of 3DPW, and the layout of the release.

``sequenceFiles/<phase>/<sequence>.pkl`` are pickles of Python 2, read without running them. Their
people have as many rows as there are images; the k-th row belongs to ``image_<k>.jpg``.
"""

import dataclasses
import os
import os.path as osp

import numpy as np

from posepile.errors import RawDataError
from posepile.raw.unpickle import restricted_load

#: Folders of the sequence files.
PHASES = ('train', 'validation', 'test')
#: How many betas evaluations and products use; some files have more.
N_BETAS = 10

_N_JOINTS = 24
_ROUNDING = 1e-3
_REMEDY = 'Delete it and get it again: posepile run tdpw'
_GENDERS = {'m': 'male', 'f': 'female'}


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """One person through the T frames of a sequence; world coordinates.

    Attributes:
        gender: 'male' or 'female'.
        betas: (10,) shape of SMPL.
        pose: (T, 72) rotation vectors of SMPL.
        trans: (T, 3) metres.
        joints: (T, 24, 3) joints of SMPL in mm.
        is_valid: (T,) whether the frame counts: the camera is aligned with this person, of whom
            some 2D joints were found.
    """

    gender: str
    betas: np.ndarray
    pose: np.ndarray
    trans: np.ndarray
    joints: np.ndarray
    is_valid: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Sequence:
    """One shot of a moving camera.

    Attributes:
        phase, name: where its file is.
        intrinsics: (3, 3).
        rotations: (T, 3, 3) from world to camera.
        shifts: (T, 3) of the world in the camera's axes, mm.
        tracks: the people, by their number.
    """

    phase: str
    name: str
    intrinsics: np.ndarray
    rotations: np.ndarray
    shifts: np.ndarray
    tracks: list[Track]

    def in_camera(self, points) -> np.ndarray:
        """(T, J, 3) points of the world (mm) in the axes of each frame's camera."""
        n = len(points)
        turned = np.einsum('tij,tpj->tpi', self.rotations[:n], points)
        return turned + self.shifts[:n, np.newaxis]

    def body_in_camera(self, track, model) -> tuple[np.ndarray, np.ndarray]:
        """Pose (T, 72) and trans (T, 3) of a track in the axes of each frame's camera.

        Args:
            model: :class:`~posepile.bodymodels.model.BodyModel` of the track's gender.

        Frames that do not count, where the camera may be anything, have NaN.
        """
        pose, trans = np.full_like(track.pose, np.nan), np.full_like(track.trans, np.nan)
        i = np.flatnonzero(track.is_valid)
        pose[i], trans[i] = model.moved(
            *(track.pose[i], track.betas, track.trans[i]),
            *(self.rotations[i], self.shifts[i] / 1000),
        )
        return pose, trans

    def image_path(self, i_frame) -> str:
        """Path of a frame below the raw folder."""
        return f'imageFiles/{self.name}/image_{i_frame:05d}.jpg'


def list_sequences(raw_folder, phases=PHASES) -> list[tuple[str, str]]:
    """(phase, name) of all sequences that have a file, sorted by name within each phase.

    Raises:
        RawDataError: if there are none, or two files have the same name.
    """
    found = []
    for phase in phases:
        folder = osp.join(raw_folder, 'sequenceFiles', phase)
        names = os.listdir(folder) if osp.isdir(folder) else []
        stems = sorted(osp.splitext(n)[0] for n in names if n.endswith('.pkl') and n[0] != '.')
        found += [(phase, stem) for stem in stems]
    if not found:
        folder = osp.join(raw_folder, 'sequenceFiles')
        problem = f'no sequence files of {", ".join(phases)} are in this folder'
        raise RawDataError(folder, problem, 'Download them: posepile run tdpw')
    names = [name for _, name in found]
    for name in names:
        if names.count(name) > 1:  # their images and predictions could not be told apart
            folder = osp.join(raw_folder, 'sequenceFiles')
            raise RawDataError(folder, f'{name} is in several phases', 'Remove the wrong one.')
    return found


def read_sequence(raw_folder, phase, name) -> Sequence:
    """One sequence.

    Raises:
        RawDataError: if its file is missing or damaged, or its arrays contradict one another.
    """
    path = osp.join(raw_folder, 'sequenceFiles', phase, f'{name}.pkl')
    content = restricted_load(path)
    if not isinstance(content, dict):
        raise RawDataError(path, 'holds no dictionary', _REMEDY)
    try:
        if str(content['sequence']) != name:
            raise ValueError(f'the sequence in it is {content["sequence"]!r}')
        extrinsics = _array(content, 'cam_poses', (None, 4, 4))
        tracks = [_track(content, i, extrinsics) for i in range(len(content['poses']))]
        return Sequence(
            phase,
            name,
            _array(content, 'cam_intrinsics', (3, 3)),
            extrinsics[:, :3, :3],
            extrinsics[:, :3, 3] * 1000,
            tracks,
        )
    except (KeyError, IndexError) as e:
        raise RawDataError(path, f'has no {e}', _REMEDY) from e
    except (TypeError, ValueError) as e:
        raise RawDataError(path, f'is not as expected: {e}', _REMEDY) from e


def _track(content, i, extrinsics):
    def of_person(key, shape):
        return _array(content[key], i, shape, name=f'{key}[{i}]')

    gender = str(content['genders'][i])[:1].lower()
    if gender not in _GENDERS:
        raise ValueError(f'genders[{i}] is {content["genders"][i]!r}')
    betas = of_person('betas', (None,))
    if len(betas) < N_BETAS:
        raise ValueError(f'betas[{i}] has {len(betas)} numbers')
    pose = of_person('poses', (None, 3 * _N_JOINTS))
    n = len(pose)
    if n > len(extrinsics):
        raise ValueError(f'poses[{i}] has {n} rows for {len(extrinsics)} cameras')
    poses2d = of_person('poses2d', (n, 3, 18))
    is_valid = (of_person('campose_valid', (n,)) != 0) & poses2d.any(axis=(1, 2))
    trans = of_person('trans', (n, 3))
    joints = of_person('jointPositions', (n, 3 * _N_JOINTS))
    for name, array in (('poses', pose), ('trans', trans), ('jointPositions', joints)):
        _check_all(np.isfinite(array).all(axis=1), is_valid, f'{name}[{i}] is not finite')
    _check_all(_are_rotations(extrinsics[:n]), is_valid, 'cam_poses has no rotation')
    joints = joints.reshape(n, _N_JOINTS, 3) * 1000
    return Track(_GENDERS[gender], betas[:N_BETAS], pose, trans, joints, is_valid)


def _check_all(is_good, is_valid, what):
    bad = np.flatnonzero(is_valid & ~is_good)
    if len(bad):
        raise ValueError(f'{what} in frame {bad[0]}, which counts')


def _are_rotations(extrinsics):
    """(T,) whether (T, 4, 4) matrices begin with a rotation, but for rounding, and are finite."""
    is_finite = np.isfinite(extrinsics).all(axis=(1, 2))
    rotations = np.where(is_finite[:, np.newaxis, np.newaxis], extrinsics[:, :3, :3], 0)
    products = rotations @ rotations.swapaxes(1, 2)
    is_orthogonal = np.abs(products - np.eye(3)).max(axis=(1, 2)) < _ROUNDING
    return is_orthogonal & (np.linalg.det(rotations) > 0)


def _array(content, key, shape, name=None):
    array = np.asarray(content[key], np.float64)
    fits = array.ndim == len(shape) and all(
        n in (None, m) for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ' x '.join('any' if n is None else str(n) for n in shape)
        raise ValueError(f'{name or key} has the shape {array.shape}, not {wanted}')
    return array
