"""What examples store of a body: from their ``parameters`` to joints and surface, and elsewhere.

The dictionary has ``type`` ('smpl', 'smplh' or 'smplx'), ``gender``, ``pose`` (rotation vectors of
all joints, hands as they are and not relative to a mean), ``shape`` (betas), ``trans`` (metres);
and where it matters ``expression``, ``kid_factor`` and ``scale``. The body is in world
coordinates at ``scale * (model + trans)``.
"""

import numpy as np

from posepile.bodymodels.files import load
from posepile.bodymodels.model import Body, BodyModel

_KEYS = {'type', 'gender', 'pose', 'shape', 'trans', 'expression', 'kid_factor', 'scale'}
# Models that came with MANO have no more than that.
_N_BETAS_OF_MANO = 10


def evaluate(parameters, folder=None, vertices=True) -> Body:
    """Joints and surface (mm, world coordinates) of the ``parameters`` of an example.

    Args:
        parameters: see above. Arrays may have leading axes, which are broadcast: many bodies of
            one type and gender in one call.
        folder: folder of body models; default
            :func:`posepile.bodymodels.files.body_models_folder`. That of a simulated release is
            ``body_models_folder(raw_folder)``.
        vertices: whether the surface is wanted, too.

    Raises:
        RawDataError: the official file of the model is missing or damaged.
        OptionError: there is no model of this type and gender.
        ValueError: parameters are missing, unknown, or do not fit the model.
    """
    model = model_of(parameters, folder)
    body = model(
        parameters['pose'],
        parameters.get('shape'),
        parameters.get('trans'),
        parameters.get('kid_factor'),
        parameters.get('expression'),
        vertices=vertices,
    )
    if 'scale' not in parameters:
        return body
    scale = _scale(parameters)[..., np.newaxis]
    return Body(
        None if body.vertices is None else body.vertices * scale,
        body.joints * scale,
        body.orientations,
    )


def model_of(parameters, folder=None) -> BodyModel:
    """The model that parameters are of.

    For 'smplh' this is the one of two genders and 10 betas that came with MANO, or, for neutral
    bodies and those of more betas, 'smplh16', which has them.

    Raises:
        RawDataError, OptionError, ValueError: see :func:`evaluate`.
    """
    missing = {'type', 'gender', 'pose'} - set(parameters)
    unknown = set(parameters) - _KEYS
    if missing or unknown:
        what = ', '.join(sorted(missing or unknown))
        raise ValueError(f'Parameters of a body {"lack" if missing else "have unknown"} {what}.')
    name, gender = parameters['type'], parameters['gender']
    n_betas = np.shape(parameters.get('shape', ()))[-1:]
    has_more = bool(n_betas) and n_betas[0] > _N_BETAS_OF_MANO
    if name == 'smplh' and (has_more or str(gender).lower() in ('n', 'neutral')):
        name = 'smplh16'
    return load(name, gender, folder)


def moved(parameters, rotation, shift, folder=None) -> dict:
    """Parameters of the same body after ``x -> rotation x + shift``: in other coordinates.

    Args:
        parameters: as for :func:`evaluate`; the root's pose and ``trans`` change.
        rotation: (..., 3, 3).
        shift: (..., 3) metres.
        folder: as for :func:`evaluate`.

    Returns:
        A new dictionary; other values are those of ``parameters``.

    Raises:
        RawDataError, OptionError, ValueError: see :func:`evaluate`.
    """
    model = model_of(parameters, folder)
    shift = np.asarray(shift, np.float64)
    if 'scale' in parameters:
        shift = shift / _scale(parameters)
    pose, trans = model.moved(
        parameters['pose'],
        parameters.get('shape'),
        np.asarray(parameters.get('trans', np.zeros(3)), np.float64),
        rotation,
        shift,
        parameters.get('kid_factor'),
        parameters.get('expression'),
    )
    return {**parameters, 'pose': pose, 'trans': trans}


def in_camera(parameters, camera, folder=None) -> dict:
    """Parameters of the same body in the axes of a camera, such as the one that a crop has.

    Args:
        camera: with ``R`` (3, 3) from world to camera and ``t`` (3,), the optical centre in mm,
            such as :class:`deltacamera.Camera`.
    """
    rotation = np.asarray(camera.R, np.float64)
    return moved(parameters, rotation, -rotation @ np.asarray(camera.t, np.float64) / 1000, folder)


def _scale(parameters):
    """(..., 1)."""
    return np.asarray(parameters['scale'], np.float64)[..., np.newaxis]
