"""Bodies that are compared with one another, and the true ones."""

import dataclasses

import numpy as np

from posepile.bodymodels import load
from posepile.ds.tdpw.parametric import models_folder


@dataclasses.dataclass(frozen=True, eq=False)
class Bodies:
    """Bodies in the axes of the camera; whatever of them is known.

    Attributes:
        joints: (B, 24, 3) joints of SMPL in mm.
        vertices: (B, 6890, 3) mm.
        orientations: (B, 24, 3, 3) of the parts of the body in the camera's axes.
        joint_uncertainties, vertex_uncertainties: (B, 24) and (B, 6890), mm.
    """

    joints: np.ndarray
    vertices: np.ndarray | None = None
    orientations: np.ndarray | None = None
    joint_uncertainties: np.ndarray | None = None
    vertex_uncertainties: np.ndarray | None = None


class TrueBodies:
    """The ground truth of a sequence, made from its parameters with the model of their gender."""

    def __init__(self, raw_folder, sequence):
        self._tracks = sequence.tracks
        folder = models_folder(raw_folder)
        self._models = [load('smpl', track.gender, folder) for track in sequence.tracks]
        self._parameters = [
            sequence.body_in_camera(track, model)
            for track, model in zip(sequence.tracks, self._models, strict=True)
        ]

    def of(self, person, frames, vertices=True) -> Bodies:
        """Bodies of a person in some frames."""
        pose, trans = (p[frames] for p in self._parameters[person])
        shape = self._tracks[person].betas
        body = self._models[person](pose, shape, trans, vertices=vertices)
        return Bodies(body.joints, body.vertices, body.orientations)
