"""Poses and videos of single views, in the two layouts in which the release is unpacked."""

import os
import os.path as osp
from typing import NamedTuple

from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS
from posepile.errors import RawDataError

#: Poses that there are for each camera: in pixels, and in camera space in mm.
POSE_KINDS = ('D2_Positions', 'D3_Positions_mono', 'D3_Positions_mono_universal')


class Source(NamedTuple):
    """Where the release lies, in either of the two layouts."""

    folder: str
    is_extracted: bool

    @classmethod
    def find(cls, folder):
        """The layout found in a folder.

        Raises:
            RawDataError: if there is neither.
        """
        for is_extracted in True, False:
            source = cls(folder, is_extracted)
            if any(osp.isdir(source._pose_folder(s, 'D2_Positions')) for s in PUBLIC_SUBJECTS):
                return source
        raise RawDataError(
            folder,
            'holds 2D poses neither in S1/MyPoseFeatures/D2_Positions nor in '
            'extracted/S1/Poses_D2_Positions (S1 or any other subject)',
            'Get and unpack the release: python -m posepile.ds.h36m.fetch',
        )

    def pose_path(self, subject, kind, view):
        return osp.join(self._pose_folder(subject, kind), f'{view}.cdf')

    def video_path(self, subject, view):
        middle = ['extracted'] if self.is_extracted else []
        return osp.join(self.folder, *middle, f'S{subject}', 'Videos', f'{view}.mp4')

    def has_view(self, subject, view):
        """Whether any of the view's files is there."""
        paths = [self.pose_path(subject, kind, view) for kind in POSE_KINDS]
        return any(map(osp.exists, [*paths, self.video_path(subject, view)]))

    def _pose_folder(self, subject, kind):
        if self.is_extracted:
            return osp.join(self.folder, 'extracted', f'S{subject}', f'Poses_{kind}')
        return osp.join(self.folder, f'S{subject}', 'MyPoseFeatures', kind)


def find_metadata(folder) -> str:
    """Path of ``metadata.xml`` for a release in ``folder``, in either layout."""
    root = os.environ.get('DATA_ROOT', folder)
    places = [
        osp.join(folder, 'metadata.xml'),
        osp.join(folder, 'Release-v1.2', 'metadata.xml'),
        osp.join(root, 'h36m', 'Release-v1.2', 'metadata.xml'),
    ]
    # The second is where it should be, and so what an error names.
    return next(filter(osp.exists, places), places[1])
