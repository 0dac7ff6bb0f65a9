"""From the name of a dataset to its packed archives."""

import importlib
import os
import os.path as osp

import simplepyutils as spu

from posepile import paths
from posepile.errors import ArchiveError
from posepile.storage.lazy import Pose2DDatasetBarecat, Pose3DDatasetBarecat

_CLASSES = {'3d': Pose3DDatasetBarecat, '2d': Pose2DDatasetBarecat}


def get_packed_dataset(name, kind, *args, **kwargs):
    """Open the packed dataset ``name``; see :func:`posepile.datasets3d.get_dataset`."""
    if str(name).endswith('.barecat'):
        return _CLASSES[kind](name, images_beside(name))
    if str(name).endswith('.pkl'):
        from posepile.storage.legacy_pickle import load_dataset_pickle

        return load_dataset_pickle(paths.ensure_absolute_path(name))
    return dataset_module(name).make_dataset(*args, name=name, **kwargs)


def open_product(name, kind):
    """Open ``$DATA_ROOT/packed/<name>``.

    Raises:
        ArchiveError: if it has not been packed (the text says how to), or is damaged.
    """
    annotations_path, images_path = paths.packed_paths(name)
    if not osp.exists(annotations_path):
        raise ArchiveError(
            annotations_path,
            f'the dataset {name} has not been packed yet',
            f'Make it with: posepile run {name}',
        )
    return _CLASSES[kind](annotations_path, images_path)


def images_beside(annotations_path):
    """The image archive that goes with an annotation archive, or None.

    It is FLAGS.image_barecat_path where a training program defined that, else the archive beside
    it whose name has ``images`` for ``annotations``.
    """
    flag = getattr(spu.FLAGS, 'image_barecat_path', None)
    if flag:
        return flag
    folder, file_name = osp.split(os.fspath(annotations_path))
    candidate = osp.join(folder, file_name.replace('annotations', 'images'))
    return candidate if candidate != os.fspath(annotations_path) and osp.exists(candidate) else None


def dataset_module(name):
    """The ``main`` module of the dataset folder that makes the product ``name``.

    Raises:
        UnknownDatasetError: if there is none.
    """
    from posepile.registry import find_dataset

    return importlib.import_module(f'{find_dataset(name).module}.main')


def get_joint_info_of(name, *args, **kwargs):
    """Skeleton of a product, from its dataset folder; of an archive, from its metadata."""
    if str(name).endswith('.barecat'):
        return Pose3DDatasetBarecat(name).joint_info
    return dataset_module(name).make_recipe(*args, name=name, **kwargs).joint_info
