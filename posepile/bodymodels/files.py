"""Where body models lie, and their conversion from official files to plain arrays.

Below the folder of body models, by default ``$DATA_ROOT/body_models``, official files lie where
:mod:`posepile.bodymodels.families` says, and converted ones at
``converted/<type>/<gender>/model.npz``, under the names of arrays that the release of SMPL-H
uses, so that other programs read them without running a pickle.
"""

import functools
import json
import logging
import os
import os.path as osp
import zipfile

import numpy as np

from posepile import paths
from posepile.atomic import replacing
from posepile.bodymodels.families import family, full_gender
from posepile.bodymodels.model import BodyModel
from posepile.bodymodels.official import (
    HAND_ARRAYS,
    LANDMARK_ARRAYS,
    find_problem,
    read_kid_template,
    read_official,
)
from posepile.errors import OptionError, RawDataError
from posepile.raw.locks import open_locked
from posepile.raw.npyfile import load_npz

logger = logging.getLogger(__name__)

# Arrays of a model, and their names in files.
_ARRAYS = {
    key: key
    for key in ('v_template', 'shapedirs', 'exprdirs', 'posedirs', 'weights', 'J_regressor')
} | {'faces': 'f'}
_PARTS = HAND_ARRAYS + LANDMARK_ARRAYS  # of models that have them


def body_models_folder(raw_folder=None) -> str:
    """Folder of body models: that of the raw release of a dataset, where it brings its own.

    Simulated releases do: they need no licensed files, and fake models never lie where people
    expect real ones.

    Args:
        raw_folder: the folder of the raw release below DATA_ROOT.
    """
    root = paths.data_root()
    own = osp.join(root, raw_folder or '', 'body_models')
    return own if osp.isdir(own) else osp.join(root, 'body_models')


def load(name='smpl', gender='neutral', folder=None) -> BodyModel:
    """A body model; converts the official file when it is used for the first time.

    A process that asks again gets the same object.

    Args:
        name: type of the model: ``'smpl'``, ``'smplh'``, ``'smplh16'`` or ``'smplx'``.
        gender: ``'male'``, ``'female'``, ``'neutral'`` or a first letter of these.
        folder: folder of body models; default :func:`body_models_folder`.

    Raises:
        RawDataError: its file is missing, damaged, another model, or would run a program.
        OptionError: there is no such model.
    """
    folder = osp.abspath(folder or body_models_folder())
    gender = full_gender(gender)
    if gender not in family(name).files:
        there_are = ', '.join(family(name).files)
        raise OptionError(f'There is no {gender} {name} model; there is: {there_are}.')
    kid = osp.join(folder, family(name).kid_template)
    source = official_path(name, gender, folder)
    converted = converted_path(name, gender, folder)
    if source is None and not osp.exists(converted):
        raise RawDataError(
            osp.join(folder, family(name).files[gender][0]),
            f'the official file of the {gender} {name} model is missing',
            f'Get it from {family(name).homepage} and put it there; see docs/body-models.md.',
        )
    return _load(name, gender, folder, _file_state(source or converted), _file_state(kid))


def official_path(name, gender, folder) -> str | None:
    """Path of the official file of a model, None where there is none."""
    files = family(name).files.get(full_gender(gender), ())
    return next(filter(osp.exists, (osp.join(folder, file) for file in files)), None)


def converted_path(name, gender, folder) -> str:
    """Path of a model converted to plain arrays."""
    return osp.join(folder, 'converted', name, full_gender(gender), 'model.npz')


# Few are in use at a time, of 50 to 250 MB each.
@functools.lru_cache(maxsize=6)
def _load(name, gender, folder, *_file_states):
    source, converted = official_path(name, gender, folder), converted_path(name, gender, folder)
    if source is None or _is_fresh(converted, source):
        arrays = _read_converted(converted, family(name))
    else:
        arrays = read_official(source, family(name))
        if _is_writable(folder):
            _save(arrays, source, converted)
    kid = osp.join(folder, family(name).kid_template)
    if osp.exists(kid):
        arrays['kid_template'] = read_kid_template(kid, family(name))
    return BodyModel(name, gender, arrays, family(name).joint_names)


def _read_converted(path, model_family):
    content = load_npz(path)
    try:
        arrays = {key: content[name] for key, name in _ARRAYS.items()}
        arrays['parents'] = content['kintree_table'][0]
        arrays |= {key: content[key] for key in _PARTS if key in content}
        problem = find_problem(arrays, model_family)
    except (AttributeError, LookupError, TypeError) as e:
        problem = f'{e!r} is missing or not as expected'
    if problem:
        raise RawDataError(path, problem, 'Delete it; it will be made again.')
    return arrays


def _save(arrays, source, path):
    os.makedirs(osp.dirname(path), exist_ok=True)
    content = {name: arrays[key] for key, name in _ARRAYS.items()}
    content |= {key: arrays[key] for key in _PARTS if key in arrays}
    parents = arrays['parents']
    content['kintree_table'] = np.stack([parents, np.arange(len(parents), dtype=np.int32)])
    # All tasks of an array may want to convert at once.
    lock = f'{path}.lock'
    with open_locked(lock):
        if not _is_fresh(path, source):
            logger.info('Converting %s', source)
            with replacing(path) as partial:
                np.savez(partial, **content, source=np.array(_fingerprint(source)))
        os.remove(lock)


def _is_fresh(path, source):
    """Whether ``path`` was converted from the file that now is at ``source``."""
    if not osp.exists(path):
        return False
    try:
        with np.load(path, allow_pickle=False) as content:
            return str(content['source']) == _fingerprint(source)
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile):
        return False  # made again


def _fingerprint(path):
    return json.dumps([osp.basename(path), *_file_state(path)])


def _file_state(path):
    if not osp.exists(path):
        return None
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns


def _is_writable(folder):
    target = osp.join(folder, 'converted')
    return os.access(target if osp.isdir(target) else folder, os.W_OK | os.X_OK)
