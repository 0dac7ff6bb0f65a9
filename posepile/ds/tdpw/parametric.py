"""The people of 3DPW as parameters of SMPL in the coordinates of the camera.

They need the official models of both genders, for a body turns about its pelvis, whose place
depends on the shape; see ``docs/body-models.md``.
"""

import os.path as osp

from posepile.bodymodels import load
from posepile.bodymodels.files import body_models_folder


def models_folder(raw_folder) -> str:
    """Folder of body models: the release's own, as simulated ones have it, or that of the user."""
    own = osp.join(raw_folder, 'body_models')
    return own if osp.isdir(own) else body_models_folder()


def parameters_of(raw_folder, sequence, track) -> list[dict]:
    """The parameters of a track in each frame, as examples have them; trans in metres.

    They keep the precision of the release: float64.

    Raises:
        RawDataError: the model of the track's gender is missing.
    """
    model = load('smpl', track.gender, models_folder(raw_folder))
    pose, trans = sequence.body_in_camera(track, model)
    return [
        dict(type='smpl', gender=track.gender, pose=pose[i], shape=track.betas, trans=trans[i])
        for i in range(len(pose))
    ]
