"""Examples as plain data: dictionaries, lists, text and numbers, as JSON has them.

Keys are the attributes' names where those are plain: ``image_path``, ``bbox`` [left, top, width,
height] px, ``joints`` (mm in world space, or px; null where missing), ``univ_joints``, ``camera``,
``mask`` (COCO's compressed run lengths), ``parameters``, ``densepose``, ``activity``, ``scene``.
What an example lacks is left out. Numbers have the nine digits that tell any two float32 apart.
"""

import json

import numpy as np
import rlemasklib
from deltacamera import Camera

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.errors import RawDataError
from posepile.export.source import box_of, coords_of, univ_coords_of
from posepile.storage.records import distortion_model


def to_plain(example, lost=None) -> dict:
    """Everything but the image of a Pose3DExample or Pose2DExample.

    Args:
        lost: counter in which to count body-model parameters that are neither numbers nor text.
    """
    plain = dict(image_path=example.image_path)
    box = box_of(example)
    if box is not None:
        plain['bbox'] = plain_numbers(box)
    for key, coords in (('joints', coords_of(example)), ('univ_joints', univ_coords_of(example))):
        if coords is not None:
            plain[key] = plain_joints(coords)
    if getattr(example, 'camera', None) is not None:
        plain['camera'] = plain_camera(example.camera)
    if getattr(example, 'mask', None) is not None:
        plain['mask'] = plain_mask(example.mask)
    if getattr(example, 'parameters', None) is not None:
        plain['parameters'] = _plain_parameters(example.parameters, lost)
    if getattr(example, 'densepose', None) is not None:
        plain['densepose'] = plain_densepose(example.densepose)
    for key in ('activity', 'scene'):
        name = getattr(example, f'{key}_name', 'unknown')
        if name != 'unknown':
            plain[key] = str(name)
    return plain


def from_plain(plain: dict, kind: str):
    """Inverse of :func:`to_plain`; ``kind`` is ``'3d'`` or ``'2d'``. Arrays are float32.

    Raises:
        LookupError, TypeError, ValueError: if it is nothing that :func:`to_plain` makes.
    """
    camera = plain.get('camera')
    common = dict(
        image_path=plain['image_path'],
        bbox=np.array(plain['bbox'], np.float32) if 'bbox' in plain else None,
        camera=None if camera is None else camera_from_plain(camera),
        mask=None if 'mask' not in plain else mask_from_plain(plain['mask']),
    )
    if kind == '2d':
        densepose = plain.get('densepose')
        return Pose2DExample(
            coords=joints_from_plain(plain['joints'], 2),
            densepose=None if densepose is None else densepose_from_plain(densepose),
            **common,
        )
    parameters = plain.get('parameters')
    return Pose3DExample(
        world_coords=joints_from_plain(plain.get('joints'), 3),
        univ_coords=joints_from_plain(plain.get('univ_joints'), 3),
        parameters=None
        if parameters is None
        else {
            key: np.array(value, np.float32) if isinstance(value, list) else value
            for key, value in parameters.items()
        },
        activity_name=plain.get('activity', 'unknown'),
        scene_name=plain.get('scene', 'unknown'),
        **common,
    )


def to_json(content, name='') -> str:
    """Compact JSON.

    Raises:
        RawDataError: if there are infinite or undefined numbers in it; names the example ``name``.
    """
    try:
        return json.dumps(content, separators=(',', ':'), ensure_ascii=False, allow_nan=False)
    except ValueError as e:
        raise RawDataError(
            name,
            f'this example has numbers that JSON cannot hold ({e})',
            'posepile verify --deep finds such examples.',
        ) from e


def plain_numbers(array) -> list:
    """Nested lists of the numbers in an array; float32 with the digits that it needs."""
    array = np.asarray(array)
    if array.dtype.kind == 'f' and array.dtype.itemsize <= 4:
        flat = np.array([float(f'{x:.9g}') for x in array.ravel().tolist()])
        return flat.reshape(array.shape).tolist()
    return array.tolist()


def plain_joints(coords) -> list:
    """A list of points, null where one is missing, of (J, 2 or 3) coordinates."""
    is_valid = ~np.any(np.isnan(coords), axis=1)
    return [
        point if ok else None
        for point, ok in zip(plain_numbers(coords), is_valid.tolist(), strict=True)
    ]


def joints_from_plain(joints, n_dims):
    """Inverse of :func:`plain_joints`; None for None."""
    if joints is None:
        return None
    missing = [np.nan] * n_dims
    points = [missing if point is None else point for point in joints]
    return np.array(points, np.float32).reshape(-1, n_dims)


def camera_arrays(camera) -> dict:
    """Calibration as float32 arrays; distortion coefficients in OpenCV's order, maybe none.

    World to camera is ``rotation @ (x - optical_center)``, with x in mm.
    """
    has_distortion = camera.has_distortion()
    return dict(
        rotation=np.asarray(camera.R, np.float32),
        optical_center=np.asarray(camera.t, np.float32),
        intrinsic_matrix=np.asarray(camera.intrinsic_matrix, np.float32),
        distortion_coeffs=np.asarray(
            camera.distortion_model.coeffs if has_distortion else [], np.float32
        ),
        world_up=np.asarray(camera.world_up, np.float32),
    )


def plain_camera(camera) -> dict:
    """:func:`camera_arrays` as lists."""
    return {key: plain_numbers(array) for key, array in camera_arrays(camera).items()}


def camera_from_plain(plain) -> Camera:
    """Camera of what :func:`camera_arrays` or :func:`plain_camera` made."""
    arrays = {key: np.array(value, np.float32) for key, value in plain.items()}
    coeffs = arrays['distortion_coeffs']
    return Camera(
        optical_center=arrays['optical_center'],
        rot_world_to_cam=arrays['rotation'],
        intrinsic_matrix=arrays['intrinsic_matrix'],
        distortion_model=distortion_model(coeffs if len(coeffs) else None),
        world_up=arrays['world_up'],
    )


def plain_mask(rle) -> dict:
    """COCO's compressed run lengths with ``counts`` as text, as its JSON files have them."""
    rle = rlemasklib.compress(rlemasklib.decompress(rle))
    counts = rle['counts']
    return dict(
        size=[int(n) for n in rle['size']],
        counts=counts.decode('ascii') if isinstance(counts, bytes) else counts,
    )


def mask_from_plain(plain) -> dict:
    """Inverse of :func:`plain_mask`: ``counts`` are bytes."""
    return dict(size=list(plain['size']), counts=plain['counts'].encode('ascii'))


def plain_densepose(densepose) -> dict:
    """Points in px, faces of the SMPL mesh, and barycentric coordinates in these."""
    points, i_faces, barycentric = densepose
    return dict(
        points=plain_numbers(np.asarray(points, np.float32)),
        i_faces=plain_numbers(np.asarray(i_faces, np.int64)),
        barycentric=plain_numbers(np.asarray(barycentric, np.float32)),
    )


def densepose_from_plain(plain) -> tuple:
    """Inverse of :func:`plain_densepose`."""
    return (
        np.array(plain['points'], np.float32).reshape(-1, 2),
        np.array(plain['i_faces'], np.uint16),
        np.array(plain['barycentric'], np.float32).reshape(-1, 3),
    )


def _plain_parameters(parameters, lost):
    plain = {}
    for key, value in parameters.items():
        if isinstance(value, (str, bool, int, float, type(None))):
            plain[key] = value
        elif np.asarray(value).dtype.kind in 'biuf':
            plain[key] = plain_numbers(value)
        elif lost is not None:
            lost[f'parameters.{key}'] += 1
    return plain
