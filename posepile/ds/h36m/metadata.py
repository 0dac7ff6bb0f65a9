"""The release's ``metadata.xml``: which files show what, and how the cameras stood.

Human3.6M has eleven subjects, of whom the poses of seven are public, and four video cameras whose
lenses are the same for everybody and whose places were measured anew for each subject.
"""

import functools
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np
from deltacamera import BrownConradyEx, Camera

from posepile.errors import RawDataError

#: The subjects whose poses are public.
PUBLIC_SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
N_SUBJECTS = 11
CAMERA_IDS = ('54138969', '55011271', '58860488', '60457274')

_REMEDY = 'Take it from code-v1.2.zip of the release.'
#: Actions from here on are annotated; number 1 is everything that was filmed in between.
_FIRST_ACTION = 2
_MOCAP_PER_VIDEO_FRAME = 4  # 200 Hz and 50 Hz


@dataclass(frozen=True, eq=False)
class Metadata:
    """What ``metadata.xml`` says.

    Attributes:
        takes: (subject, action, subaction) -> base name of the take's files, such as
            ``Directions 1``; of all eleven subjects, actions 2 to 16, subactions 1 and 2.
        action_names: 2 to 16 -> name of the action, the same for all subjects.
        camera_ids: the four cameras, in the order of everything else.
        n_frames: (subject, action, subaction) -> number of pose rows, which are at video rate.
        extrinsics: (4 cameras, 11 subjects, 6) three Euler angles in radians, and the optical
            centre in world space in mm; float64.
        intrinsics: (4 cameras, 9) fx, fy, cx, cy in pixels, k1, k2, k3, p1, p2; float64.

    Elements that the file does not have leave their attribute empty; the parameters of the
    cameras must be there.
    """

    takes: dict[tuple[int, int, int], str]
    action_names: dict[int, str]
    camera_ids: tuple[str, ...]
    n_frames: dict[tuple[int, int, int], int]
    extrinsics: np.ndarray
    intrinsics: np.ndarray

    @functools.cached_property
    def cameras(self) -> list[list[Camera]]:
        """The :class:`deltacamera.Camera` of [camera 0..3][subject - 1]; world z is up, mm."""
        return [
            [make_camera(e, i) for e in of_camera]
            for of_camera, i in zip(self.extrinsics, self.intrinsics, strict=True)
        ]

    def take_of(self, subject, base_name) -> tuple[int, int]:
        """(action, subaction) of the take whose files are called ``base_name``.

        Raises:
            KeyError: if the subject has no such take.
        """
        return self._takes_by_name[subject, base_name]

    @functools.cached_property
    def _takes_by_name(self):
        return {(s, name): (a, sub) for (s, a, sub), name in self.takes.items()}


def read_metadata(path) -> Metadata:
    """Read ``metadata.xml``.

    Raises:
        RawDataError: if the file is missing, is no XML, or what it says contradicts the format.
    """
    root = _parse(path)
    try:
        numbers = np.array(_text(root, 'w0').strip('[] \n\t\r').split(), np.float64)
        if numbers.shape != (300,) or not np.all(np.isfinite(numbers)):
            raise ValueError(f'w0 has {len(numbers)} numbers where 300 finite ones were expected')
        mapping = _mapping(root)
        names = [(item.text or '').strip() for item in root.findall('actionnames/item')]
        camera_ids = tuple(
            (item.text or '').strip() for item in root.findall('dbcameras/index2id/item')
        )
        if camera_ids and len(camera_ids) != len(CAMERA_IDS):
            raise ValueError(f'{len(camera_ids)} cameras are listed where 4 were expected')
        return Metadata(
            takes={key: name for key, name in mapping.items() if key[1] >= _FIRST_ACTION},
            action_names={i: n for i, n in enumerate(names, 1) if i >= _FIRST_ACTION},
            camera_ids=camera_ids or CAMERA_IDS,
            n_frames=_n_frames(root, mapping),
            extrinsics=numbers[:264].reshape(len(CAMERA_IDS), N_SUBJECTS, 6),
            intrinsics=numbers[264:].reshape(len(CAMERA_IDS), 9),
        )
    except ValueError as e:
        raise RawDataError(path, f'contradicts the format of metadata.xml: {e}', _REMEDY) from e


def rotation_matrix(angles) -> np.ndarray:
    """(3, 3) world-to-camera rotation Rx(a) Ry(b) Rz(g) of three Euler angles in radians."""
    (ca, cb, cg), (sa, sb, sg) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_z = np.array([[cg, -sg, 0], [sg, cg, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def make_camera(extrinsics, intrinsics) -> Camera:
    """The camera of (6,) extrinsic and (9,) intrinsic parameters, see :class:`Metadata`."""
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = intrinsics
    return Camera(
        rot_world_to_cam=rotation_matrix(extrinsics[:3]),
        optical_center=extrinsics[3:],
        intrinsic_matrix=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        distortion_model=BrownConradyEx(np.array([k1, k2, p1, p2, k3])),
        world_up=(0, 0, 1),
    )


def _parse(path):
    try:
        return ElementTree.parse(path).getroot()
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such file', _REMEDY) from e
    except (ElementTree.ParseError, ValueError, LookupError) as e:
        raise RawDataError(path, f'is no XML or a damaged one ({e})', _REMEDY) from e


def _text(root, name):
    element = root.find(name)
    if element is None or not element.text:
        raise ValueError(f'the element {name} is missing')
    return element.text


def _mapping(root):
    """(subject, action, subaction) -> base name, in the order of the file; {} if there is none."""
    rows = [[(td.text or '').strip() for td in tr.iter('td')] for tr in root.findall('mapping/tr')]
    takes = {}
    # Below the takes there are the names of the actors and the sizes of the images.
    for row in rows:
        if row and row[0].isdecimal():
            if len(row) != 2 + N_SUBJECTS or not row[1].isdecimal() or not all(row):
                raise ValueError(f'a row of the mapping is {row}')
            for subject, name in enumerate(row[2:], 1):
                takes[subject, int(row[0]), int(row[1])] = name
    return takes


def _n_frames(root, mapping):
    """Number of pose rows of each take, from the frames of four videos and of the mocap."""
    keys = list(dict.fromkeys(key[1:] for key in mapping))
    result = {}
    for subject, tr in enumerate(root.findall('frames/tr'), 1):
        cells = [re.findall(r'-?\d+', td.text or '') for td in tr.iter('td')][1:]
        if len(cells) != len(keys):
            raise ValueError(f'frames of {len(cells)} takes of S{subject} for {len(keys)} takes')
        for key, cell in zip(keys, cells, strict=True):
            if key[0] >= _FIRST_ACTION and cell:
                result[(subject, *key)] = int(cell[-1]) // _MOCAP_PER_VIDEO_FRAME
    return result
