"""From the name of a dataset to its packed archives."""

import importlib
import inspect
import os
import os.path as osp

import simplepyutils as spu

from posepile import paths
from posepile.errors import ArchiveError, OptionError
from posepile.registry import find_dataset
from posepile.storage.archive import index_path
from posepile.storage.lazy import Pose2DDatasetBarecat, Pose3DDatasetBarecat, read_skeleton

_CLASSES = {'3d': Pose3DDatasetBarecat, '2d': Pose2DDatasetBarecat}


def get_packed_dataset(name, kind, *args, **kwargs):
    """Open the packed dataset ``name``; see :func:`posepile.datasets3d.get_dataset`."""
    if str(name).endswith('.barecat'):
        return _CLASSES[kind](name, images_beside(name))
    if str(name).endswith('.pkl'):
        return _load_pickle(name)
    info = find_dataset(name)
    if not info.has_poses:
        raise OptionError(
            f'{name} holds {info.kind}, not poses: see "Occluders and backgrounds" in '
            'docs/training.md.'
        )
    make_dataset = dataset_module(name).make_dataset
    return make_dataset(name, *args, **{**_subjects_from_flags(make_dataset), **kwargs})


def _load_pickle(name):
    from posepile.storage.legacy_pickle import load_dataset_pickle

    return load_dataset_pickle(paths.ensure_absolute_path(name))


def _subjects_from_flags(make_dataset):
    """Choice of subjects in the FLAGS of a training program, for datasets that offer one."""
    subjects = {}
    for name in ('train_subjects', 'valid_subjects', 'test_subjects'):
        flag = getattr(spu.FLAGS, name, None)
        if flag and name in inspect.signature(make_dataset).parameters:
            subjects[name] = tuple(int(number) for number in flag.split(','))
    return subjects


def product_paths(name) -> tuple[str, str]:
    """Paths of the annotation and the image archive of the packed product ``name``.

    Raises:
        ArchiveError: if it has not been packed; says how to.
    """
    annotations_path, images_path = paths.packed_paths(name)
    if not osp.exists(annotations_path):
        raise ArchiveError(
            annotations_path,
            f'the dataset {name} has not been packed yet',
            f'Make it with: posepile run {name}',
        )
    return annotations_path, images_path


def open_product(name, kind):
    """Open ``$DATA_ROOT/packed/<name>``.

    Raises:
        ArchiveError: if it has not been packed (the text says how to), or is damaged.
    """
    return _CLASSES[kind](*product_paths(name))


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
    is_other = candidate != os.fspath(annotations_path)
    return candidate if is_other and osp.exists(index_path(candidate)) else None


def dataset_module(name):
    """The ``main`` module of the dataset folder that makes the product ``name``.

    Raises:
        UnknownDatasetError: if there is none.
    """
    return importlib.import_module(f'{find_dataset(name).module}.main')


def get_joint_info_of(name, *args, **kwargs):
    """Skeleton of a product, from its dataset folder; of an archive or a pickle, from the file."""
    if str(name).endswith('.barecat'):
        return read_skeleton(name)
    if str(name).endswith('.pkl'):
        return _load_pickle(name).joint_info
    return dataset_module(name).make_recipe(name, *args, **kwargs).joint_info
