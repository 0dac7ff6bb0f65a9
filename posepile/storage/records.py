"""Examples to archive records and back, and the skeleton that they share.

Keys of a 3D record: ``impath``, ``bbox``, ``joints3d`` {``rows`` (V, 3) of the valid joints,
``i_rows`` their indices, empty if all are valid}, ``cam``, ``mask``, ``parameters``; of a 2D
record ``joints2d`` instead of ``joints3d``, optionally ``densepose``. Keys without content are
left out. Coordinates and boxes are float32; with ``compact`` they follow the older, lossy rule:
float16 where that changes no coordinate by 1 mm (1 px in 2D) or more, and whole-pixel boxes.
Readers take both. Optional keys beyond the public layout: ``activity``, ``scene``,
``joints3d_univ`` (rows as in ``joints3d``).
"""

import zlib

import cv2
import numpy as np
import rlemasklib
from deltacamera import BrownConradyEx, Camera, FisheyeKannalaBrandt

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.joint_info import JointInfo
from posepile.util import SPLIT_NAMES
from posepile.util.misc import cast_if_precise_enough

_MOST_BYTES_OF_MASK = 1 << 28

#: What decoding a damaged record may raise.
RECORD_ERRORS = (LookupError, ValueError, TypeError, AttributeError, zlib.error, cv2.error)


def record_path(split, image_path, number) -> str:
    """Where the ``number``-th example (from 0) of an image lies in an annotation archive."""
    return f'{SPLIT_NAMES[split]}/{image_path}_{number:02d}.msgpack'


def image_path_of(record_path) -> str:
    """Path of the image that the record at ``record_path`` belongs to."""
    return record_path.partition('/')[2].rpartition('_')[0]


def number_of(record_path) -> int:
    """Which of the examples of its image the record at ``record_path`` is."""
    return int(record_path.rpartition('_')[2].partition('.')[0])


def encode_skeleton(joint_info) -> dict:
    """The skeleton as the ``metadata.msgpack`` record of an archive has it."""
    return dict(
        joint_names=list(joint_info.names),
        joint_edges=[[int(i), int(j)] for i, j in joint_info.stick_figure_edges],
    )


def decode_skeleton(metadata: dict) -> JointInfo:
    """Inverse of :func:`encode_skeleton`; the metadata may hold more than that."""
    edges = [(int(i), int(j)) for i, j in metadata['joint_edges']]
    return JointInfo([str(name) for name in metadata['joint_names']], edges)


def example3d_to_dict(ex, compact=False) -> dict:
    """Record of a :class:`Pose3DExample`. ``compact``: see the module's text."""
    record = dict(impath=ex.image_path, bbox=_encode_box(ex.bbox, compact))
    coords = ex.get_world_coords()
    if coords is not None:
        record['joints3d'] = _encode_joints(coords, compact)
    univ_coords = getattr(ex, 'univ_coords', None)
    if univ_coords is not None:
        record['joints3d_univ'] = _encode_joints(univ_coords, compact)
    record['cam'] = encode_camera(ex.camera)
    if getattr(ex, 'mask', None) is not None:
        record['mask'] = _encode_mask(ex.mask)
    if getattr(ex, 'parameters', None) is not None:
        record['parameters'] = _encode_parameters(ex.parameters)
    for key, value in (('activity', ex.activity_name), ('scene', ex.scene_name)):
        if value != 'unknown':
            record[key] = value
    return record


def dict_to_example3d(record: dict, n_joints: int):
    """:class:`Pose3DExample` of a record, without its image.

    Every array is float32 (``(n_joints, 3)`` coordinates, NaN where a joint is missing),
    writable, and belongs to the returned example alone.
    """
    coords = _decode_joints(record.get('joints3d'), n_joints, 3)
    parameters = record.get('parameters')
    return Pose3DExample(
        image_path=record['impath'],
        world_coords=coords,
        bbox=np.asarray(record['bbox'], np.float32),
        camera=decode_camera(record['cam']),
        mask=_decode_mask(record.get('mask')),
        univ_coords=_decode_joints(record.get('joints3d_univ'), n_joints, 3),
        activity_name=record.get('activity', 'unknown'),
        scene_name=record.get('scene', 'unknown'),
        parameters=None
        if parameters is None
        else {**parameters, 'pose': np.reshape(parameters['pose'], -1)},
    )


def example2d_to_dict(ex, compact=False) -> dict:
    """Record of a :class:`Pose2DExample`. ``compact``: see the module's text."""
    record = dict(
        impath=ex.image_path,
        bbox=_encode_box(ex.bbox, compact),
        joints2d=_encode_joints(ex.coords, compact),
    )
    if ex.camera is not None:
        record['cam'] = encode_camera(ex.camera)
    if ex.mask is not None:
        record['mask'] = _encode_mask(ex.mask)
    if ex.densepose is not None:
        points, i_faces, barycentric = ex.densepose
        if compact:
            points = cast_if_precise_enough(points, np.float16)
            barycentric = cast_if_precise_enough(barycentric, np.float16, 0.01)
        record['densepose'] = dict(
            imcoords=points, i_faces=np.asarray(i_faces, np.uint16), barycoords=barycentric
        )
    return record


def dict_to_example2d(record: dict, n_joints: int):
    """:class:`Pose2DExample` of a record, without its image; arrays as in the 3D case."""
    densepose = record.get('densepose')
    if densepose is not None:
        densepose = (
            np.asarray(densepose['imcoords'], np.float32),
            densepose['i_faces'],
            np.asarray(densepose['barycoords'], np.float32),
        )
    return Pose2DExample(
        image_path=record['impath'],
        coords=_decode_joints(record['joints2d'], n_joints, 2),
        bbox=np.asarray(record['bbox'], np.float32),
        mask=_decode_mask(record.get('mask')),
        camera=None if 'cam' not in record else decode_camera(record['cam']),
        densepose=densepose,
    )


_SOME_CAMERA = Camera()

#: Example to record, and record to example, by kind of dataset.
ENCODERS = {'3d': example3d_to_dict, '2d': example2d_to_dict}
DECODERS = {'3d': dict_to_example3d, '2d': dict_to_example2d}


def encode_camera(camera: Camera) -> dict:
    """Calibration as plain arrays: Rodrigues vector, optical centre (mm), 2x3 intrinsics, up."""
    encoded = dict(
        rotvec_w2c=_rotation_vector(np.asarray(camera.R, np.float64)).astype(np.float32),
        loc=np.asarray(camera.t, np.float32),
        intr=np.asarray(camera.intrinsic_matrix[:2], np.float32),
        up=np.asarray(camera.world_up, np.float32),
    )
    if camera.has_distortion():
        encoded['distcoef'] = np.asarray(camera.distortion_model.coeffs, np.float32)
    return encoded


def _rotation_vector(rotation):
    # OpenCV takes what is within 1e-5 rad of a half turn for one; that is 0.04 px at 2000 px of
    # focal length. SciPy is exact everywhere, but 100 times slower.
    if np.trace(rotation) < -1 + 1e-6:
        from scipy.spatial.transform import Rotation

        return Rotation.from_matrix(rotation).as_rotvec()
    return cv2.Rodrigues(rotation)[0][:, 0]


def decode_camera(encoded: dict) -> Camera:
    """Inverse of :func:`encode_camera`; four distortion coefficients mean a fisheye lens."""
    rotation, _ = cv2.Rodrigues(np.asarray(encoded['rotvec_w2c'], np.float64))
    intrinsics = np.zeros((3, 3), np.float32)
    intrinsics[:2] = encoded['intr']
    intrinsics[2, 2] = 1
    if intrinsics[1, 0] != 0:
        raise ValueError(f'the intrinsics have a skew of y: {intrinsics.tolist()}')
    # A copy with other values takes a tenth of the time of a new camera.
    return _SOME_CAMERA.copy(
        optical_center=_vector3(encoded['loc']),
        rot_world_to_cam=rotation,
        intrinsic_matrix=intrinsics,
        distortion_model=distortion_model(encoded.get('distcoef')),
        world_up=_vector3(encoded.get('up', (0, 0, 1))),
    )


def _vector3(values):
    vector = np.asarray(values, np.float32)
    if vector.shape != (3,):
        raise ValueError(f'a vector of shape {vector.shape} where three numbers are needed')
    return vector


def distortion_model(coeffs):
    """Deltacamera's lens model for OpenCV-order coefficients (None or all zero: no distortion)."""
    if coeffs is None or not np.any(coeffs):
        return None
    coeffs = np.asarray(coeffs, np.float32)
    if len(coeffs) == 4:
        return FisheyeKannalaBrandt(coeffs)
    if len(coeffs) > 14:
        raise ValueError(f'{len(coeffs)} distortion coefficients, but models have at most 14')
    full_length = next(n for n in (5, 8, 12, 14) if n >= len(coeffs))
    return BrownConradyEx(np.pad(coeffs, (0, full_length - len(coeffs))))


def _encode_box(box, compact):
    box = np.asarray(box, np.float32)
    return np.round(box).astype(np.int16) if compact else box


def _encode_joints(coords, compact):
    coords = np.asarray(coords, np.float32)
    is_valid = ~np.any(np.isnan(coords), axis=-1)
    rows = coords[is_valid]
    if compact and len(rows) > 0:
        rows = cast_if_precise_enough(rows, np.float16)
    i_rows = np.flatnonzero(is_valid)
    if len(i_rows) == len(coords):
        i_rows = i_rows[:0]
    return dict(rows=np.ascontiguousarray(rows), i_rows=i_rows.astype(np.uint16))


def _decode_joints(encoded, n_joints, n_dims):
    if encoded is None or n_joints == 0:
        return None
    rows, i_rows = np.asarray(encoded['rows'], np.float32), encoded['i_rows']
    if len(i_rows) == 0 and rows.shape == (n_joints, n_dims):
        return rows
    coords = np.full((n_joints, n_dims), np.nan, np.float32)
    if len(i_rows) > 0:
        coords[i_rows] = rows
    elif len(rows) > 0:  # no indices but rows: all joints are valid; no rows: none is
        coords[:] = rows
    return coords


def _encode_mask(rle):
    rle = rlemasklib.compress(rle, zlevel=-1)
    return dict(size=[int(x) for x in rle['size']], zcounts=rle['zcounts'])


def _decode_mask(rle):
    if rle is None:
        return None
    height, width = (int(n) for n in rle['size'])
    if 'zcounts' not in rle:
        return dict(rle)
    # No run of a mask takes more than seven characters, and there are no more runs than pixels.
    limit = min(7 * (height * width + 1), _MOST_BYTES_OF_MASK)
    counts = zlib.decompressobj().decompress(rle['zcounts'], limit + 1)
    if len(counts) > limit:
        raise ValueError(f'the mask has more runs than its {width} x {height} px')
    return dict(size=rle['size'], counts=counts)


def _encode_parameters(parameters):
    defaults = dict(kid_factor=0, scale=1, expression=0)
    encoded = {
        key: value
        for key, value in parameters.items()
        if key not in defaults or np.any(np.asarray(value) != defaults[key])
    }
    encoded['pose'] = np.reshape(parameters['pose'], -1)
    return encoded
