"""Points of the surface that datasets list after the joints: face, feet, fingertips, landmarks.

Fits of SMPL-X are often published with 127 points: 55 joints, 21 vertices, and 51 landmarks of the
face, which lie on triangles. SMPL comes with 45: 24 joints and the same 21.
"""

import dataclasses

import numpy as np

from posepile.bodymodels.families import family

#: The landmarks of SMPL-X: those of the iBUG scheme without the outline of the face.
LANDMARK_NAMES = (
    *(f'reyebrow{i}' for i in (1, 2, 3, 4, 5)),
    *(f'leyebrow{i}' for i in (5, 4, 3, 2, 1)),
    *('nose1', 'nose2', 'nose3', 'nose4', 'rnose2', 'rnose1', 'nosemiddle', 'lnose1', 'lnose2'),
    *(f'reye{i}' for i in (1, 2, 3, 4, 5, 6)),
    *(f'leye{i}' for i in (4, 3, 2, 1, 6, 5)),
    *('rmouth1', 'rmouth2', 'rmouth3', 'mouthtop', 'lmouth3', 'lmouth2', 'lmouth1'),
    *('lmouth5', 'lmouth4', 'mouthbottom', 'rmouth4', 'rmouth5'),
    *('rlip1', 'rlip2', 'toplip', 'llip2', 'llip1', 'llip3', 'bottomlip', 'rlip3'),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Landmarks:
    """Points on triangles of the surface.

    Attributes:
        corners: (L, 3) indices of vertices.
        weights: (L, 3) barycentric coordinates.
    """

    corners: np.ndarray
    weights: np.ndarray

    @classmethod
    def from_arrays(cls, arrays):
        """From arrays ``lmk_faces_idx`` (L,), ``lmk_bary_coords`` (L, 3) and ``faces`` (F, 3);
        None if there are none."""
        if 'lmk_faces_idx' not in arrays:
            return None
        corners = np.asarray(arrays['faces'])[np.asarray(arrays['lmk_faces_idx'], np.int64)]
        return cls(corners, np.asarray(arrays['lmk_bary_coords'], np.float64))

    def __call__(self, vertices) -> np.ndarray:
        """(..., V, 3) vertices -> (..., L, 3)."""
        return np.einsum('lk,...lkc->...lc', self.weights, vertices[..., self.corners, :])


def keypoint_names(model) -> tuple:
    """Names of the points that :func:`keypoints` gives."""
    names = model.joint_names + tuple(family(model.name).keypoint_vertices)
    if model.landmarks is None:
        return names
    n = len(model.landmarks.corners)
    is_usual = n == len(LANDMARK_NAMES)
    return names + (LANDMARK_NAMES if is_usual else tuple(f'landmark{i}' for i in range(n)))


def keypoints(model, body) -> np.ndarray:
    """(..., K, 3) joints, then vertices of the face, the feet and the fingertips, then landmarks.

    Args:
        model: :class:`~posepile.bodymodels.model.BodyModel` of a known family.
        body: what it made of parameters, with vertices.
    """
    rows = list(family(model.name).keypoint_vertices.values())
    parts = [body.joints, body.vertices[..., rows, :]]
    if model.landmarks is not None:
        parts.append(model.landmarks(body.vertices))
    return np.concatenate(parts, axis=-2)
