"""Datasets that earlier programs saved as pickles.

Such files hold instances of the dataset, skeleton, camera and array classes of their time. Here
they are read with plain stand-ins that only take the attributes, so that neither a foreign file
nor a vanished package decides what is run; today's objects are made from the attributes.
"""

import os.path as osp

import numpy as np
from deltacamera import Camera

from posepile.datasets2d import Pose2DDataset, Pose2DExample
from posepile.datasets3d import Pose3DDataset, Pose3DExample
from posepile.errors import RawDataError
from posepile.joint_info import JointInfo
from posepile.paths import data_root
from posepile.raw.unpickle import restricted_load
from posepile.storage.records import distortion_model
from posepile.util import TEST, TRAIN, VALID
from posepile.util.sparse_coords import SparseCoords


def load_dataset_pickle(path, module_name=None):
    """Read a pickled dataset.

    Args:
        module_name: package that the pickled classes were in, where it is neither ``posepile``
            nor its old name ``data``.

    Returns:
        A Pose3DDataset or Pose2DDataset, in memory, without images. Image paths are relative to
        DATA_ROOT and normalised; masks that were wrapped in a list are unwrapped.

    Raises:
        RawDataError: if the file is missing, damaged, no dataset, or names other classes.
    """
    packages = ['posepile', 'data', *([module_name] if module_name else [])]
    saved = restricted_load(path, allow=_stand_ins(packages))
    convert = {_Dataset3D: _dataset3d, _Dataset2D: _dataset2d}.get(type(saved))
    if convert is None:
        raise RawDataError(path, f'a pose dataset is expected in it, not {type(saved).__name__}')
    try:
        return convert(saved)
    except (AttributeError, LookupError, TypeError, ValueError) as e:
        raise RawDataError(path, f'the dataset in it is not as expected ({e!r})') from e


class _StandIn:
    """Takes the attributes of an instance of another class, and nothing else of it."""

    def __setstate__(self, state):
        # Classes with slots are pickled with a pair of states.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.__dict__.update(part)


class _Dataset3D(_StandIn):
    pass


class _Dataset2D(_StandIn):
    pass


class _Example(_StandIn):
    pass


class _JointInfo(_StandIn):
    pass


class _Camera(_StandIn):
    pass


class _LensModel(_StandIn):
    pass


class _Ids(dict):
    """Mappings of joint names to indices; the list of names says the same."""

    def __setstate__(self, state):
        pass


class _Array:
    """Deltacamera's arrays: contents, type and shape."""

    def __new__(cls, data, dtype, shape):
        return np.frombuffer(data, dtype).reshape(shape).copy()

    def __setstate__(self, state):  # else a pickle could set attributes of the class
        raise ValueError('arrays have no state')


def _stand_ins(packages):
    allow = {
        ('deltacamera.decorators', '_reconstruct_array'): _Array,
        ('attrdict', 'AttrDict'): _Ids,
        ('attrdict.dictionary', 'AttrDict'): _Ids,
    }
    for module in ('deltacamera', 'cameralib', 'cameralib.cameralib'):
        allow[module, 'Camera'] = _Camera
    for name in ('BrownConradyEx', 'BrownConrady', 'FisheyeKannalaBrandt'):
        allow['deltacamera', name] = _LensModel
    for package in packages:
        for kind, dataset in (('3', _Dataset3D), ('2', _Dataset2D)):
            module = f'{package}.datasets{kind}d'
            allow[module, f'Pose{kind}DDataset'] = dataset
            allow[module, f'Pose{kind}DExample'] = _Example
        allow[f'{package}.joint_info', 'JointInfo'] = _JointInfo
        allow[f'{package}.joint_info', 'JointIds'] = _Ids
        allow[f'{package}.util.sparse_coords', 'SparseCoords'] = SparseCoords
        allow[f'{package}.cameralib', 'Camera'] = _Camera
    return allow


def _dataset3d(saved):
    dataset = Pose3DDataset(
        _joint_info(saved.joint_info),
        *_examples(saved.examples, _example3d),
        compute_bone_lengths=False,
    )
    dataset.train_bones = _bones(saved, 'train_bones')
    dataset.trainval_bones = _bones(saved, 'trainval_bones')
    return dataset


def _dataset2d(saved):
    return Pose2DDataset(_joint_info(saved.joint_info), *_examples(saved.examples, _example2d))


def _examples(examples, convert):
    return [[convert(ex) for ex in examples.get(split, [])] for split in (TRAIN, VALID, TEST)]


def _example3d(saved):
    optional = {
        key: vars(saved)[key]
        for key in ('activity_name', 'scene_name', 'univ_coords', 'parameters')
        if key in vars(saved)
    }
    return Pose3DExample(
        _relative_path(saved.image_path),
        saved.world_coords,
        saved.bbox,
        _camera(saved.camera),
        mask=_mask(getattr(saved, 'mask', None)),
        **optional,
    )


def _example2d(saved):
    camera = getattr(saved, 'camera', None)
    return Pose2DExample(
        _relative_path(saved.image_path),
        saved.coords,
        getattr(saved, 'bbox', None),
        _mask(getattr(saved, 'mask', None)),
        None if camera is None else _camera(camera),
        getattr(saved, 'densepose', None),
    )


def _joint_info(saved):
    return JointInfo(list(saved.names), [(int(i), int(j)) for i, j in saved.stick_figure_edges])


def _camera(saved):
    lens = getattr(saved, '_distortion_model', None)
    coeffs = getattr(saved, 'distortion_coeffs', None) if lens is None else lens.coeffs
    return Camera(
        optical_center=np.asarray(saved.t, np.float32),
        rot_world_to_cam=np.asarray(saved.R, np.float32),
        intrinsic_matrix=np.asarray(saved.intrinsic_matrix, np.float32),
        distortion_model=distortion_model(coeffs),
        world_up=np.asarray(saved.world_up, np.float32),
    )


def _bones(saved, key):
    bones = getattr(saved, key, None)  # some programs saved datasets without
    return None if bones is None else np.asarray(bones, np.float32)


def _relative_path(path):
    if osp.isabs(path):
        path = osp.relpath(path, data_root())
    return osp.normpath(path)


def _mask(mask):
    if isinstance(mask, (list, tuple)):
        if not mask:
            return None
        if any(other != mask[0] for other in mask[1:]):
            raise ValueError(f'an example has {len(mask)} different masks')
        return mask[0]
    return mask
