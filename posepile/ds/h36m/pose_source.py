"""Poses and videos of single views, in the two layouts in which the release is unpacked."""

import os
import os.path as osp

from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS
from posepile.errors import RawDataError

#: Poses that there are for each camera: in pixels, and in camera space in mm.
POSE_KINDS = ('D2_Positions', 'D3_Positions_mono', 'D3_Positions_mono_universal')

_REMEDY = 'Get and unpack the release: posepile run h36m'


class Source:
    """The release in a folder, laid out as ``S1/MyPoseFeatures/D2_Positions`` or, as h36m-fetch
    does, ``extracted/S1/Poses_D2_Positions``. A file that is in either place is found.

    Raises:
        RawDataError: if there are 2D poses in neither.
    """

    def __init__(self, folder):
        self.folder = folder
        places = [p for s in PUBLIC_SUBJECTS for p in self._pose_folders(s, 'D2_Positions')]
        if not any(map(osp.isdir, places)):
            raise RawDataError(folder, f'has neither {places[0]} nor {places[1]}', _REMEDY)

    def pose_path(self, subject, kind, view):
        return _first([osp.join(f, f'{view}.cdf') for f in self._pose_folders(subject, kind)])

    def video_path(self, subject, view):
        name = osp.join(f'S{subject}', 'Videos', f'{view}.mp4')
        return _first([osp.join(self.folder, name), osp.join(self.folder, 'extracted', name)])

    def has_view(self, subject, view):
        """Whether any of the view's files is there."""
        paths = [self.pose_path(subject, kind, view) for kind in POSE_KINDS]
        return any(map(osp.exists, [*paths, self.video_path(subject, view)]))

    def _pose_folders(self, subject, kind):
        return pose_folders(self.folder, subject, kind)


def pose_folders(folder, subject, kind) -> list[str]:
    """Where poses of one kind can lie, in the order of preference."""
    return [
        osp.join(folder, f'S{subject}', 'MyPoseFeatures', kind),
        osp.join(folder, 'extracted', f'S{subject}', f'Poses_{kind}'),
    ]


def list_pose_files(folder, subject, kind) -> dict[str, str]:
    """Name -> path of the pose files of a subject, sorted by name, without those of no take.

    Raises:
        RawDataError: if there is no folder of them.
    """
    places = pose_folders(folder, subject, kind)
    place = next(filter(osp.isdir, places), None)
    if place is None:
        raise RawDataError(places[0], f'there is no such folder, nor {places[1]}', _REMEDY)
    names = sorted(n.removesuffix('.cdf') for n in os.listdir(place) if n.endswith('.cdf'))
    return {name: osp.join(place, f'{name}.cdf') for name in names if name[0] not in '_.'}


def find_metadata(folder) -> str:
    """Path of ``metadata.xml`` for a release in ``folder``, in either layout."""
    root = os.environ.get('DATA_ROOT', folder)
    places = [
        osp.join(folder, 'Release-v1.2', 'metadata.xml'),
        osp.join(folder, 'metadata.xml'),
        osp.join(root, 'h36m', 'Release-v1.2', 'metadata.xml'),
    ]
    return _first(places)


def _first(paths):
    """The first that exists; if none does, the first, for an error to name."""
    return next(filter(osp.exists, paths), paths[0])
