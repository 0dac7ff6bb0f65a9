"""The files of the official releases as plain arrays.

The files of SMPL and SMPL-H are pickles of Python 2 with objects of ``chumpy``, a library that no
longer installs, and of SciPy; those of SMPL-X are npz files with pickled objects in them. A pickle
is a program; these are read by an unpickler that gives data only (:mod:`posepile.raw.unpickle`),
with stand-ins that keep what such an object was saved with.
"""

import numpy as np

from posepile.errors import RawDataError
from posepile.raw.npyfile import load_npy, load_npz
from posepile.raw.unpickle import restricted_load

_REMEDY = 'Get the file from its official source; see docs/body-models.md.'

#: What models with fingers and faces have, under the names of the official files.
HAND_ARRAYS = ('hands_meanl', 'hands_meanr', 'hands_componentsl', 'hands_componentsr')
LANDMARK_ARRAYS = ('lmk_faces_idx', 'lmk_bary_coords')


def read_official(path, family) -> dict:
    """The arrays of a model, as :class:`~posepile.bodymodels.model.BodyModel` wants them.

    Args:
        path: pickle or npz file of the release.
        family: :class:`~posepile.bodymodels.families.Family` that it belongs to.

    Returns:
        Dictionary with ``v_template``, ``shapedirs``, ``exprdirs``, ``posedirs``, ``weights``,
        ``J_regressor`` (floats of the file's precision), ``parents`` and ``faces`` (int32); and
        those of ``HAND_ARRAYS`` and ``LANDMARK_ARRAYS`` that the file has.

    Raises:
        RawDataError: the file is missing or damaged, would run a program, or is another model.
    """
    path = str(path)
    if path.endswith('.npz'):
        content = load_npz(path, allow=_STAND_INS)
    else:
        content = restricted_load(path, allow=_STAND_INS)
        if not isinstance(content, dict):
            found = type(content).__name__
            raise RawDataError(path, f'a dictionary is expected in it, not {found}', _REMEDY)
    try:
        arrays = _arrays(content)
        _split_directions(arrays, family)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as e:
        raise RawDataError(path, f'is no {family.name} model ({e!r:.200})', _REMEDY) from e
    problem = find_problem(arrays, family)
    if problem:
        raise RawDataError(path, f'is no {family.name} model: {problem}', _REMEDY)
    return arrays


def read_kid_template(path, family) -> np.ndarray:
    """(V, 3) mean infant, metres.

    Raises:
        RawDataError: the file is missing, damaged, or has another number of vertices.
    """
    template = load_npy(path)
    expected = (family.n_vertices, 3)
    if template.shape != expected or template.dtype.kind != 'f':
        problem = f'{expected} numbers are expected in it, not {template.dtype} {template.shape}'
        raise RawDataError(path, problem, _REMEDY)
    return template


def find_problem(arrays, family) -> str:
    """Why arrays do not make a model of the family; the empty text if they do."""
    n_joints, n_vertices = len(family.joint_names), family.n_vertices
    shapes = {
        'v_template': (n_vertices, 3),
        'posedirs': (n_vertices, 3, 9 * (n_joints - 1)),
        'weights': (n_vertices, n_joints),
        'J_regressor': (n_joints, n_vertices),
        'shapedirs': (n_vertices, 3, None),
        'exprdirs': (n_vertices, 3, None),
    }
    for key, shape in shapes.items():
        array = arrays[key]
        fits = array.ndim == len(shape) and all(
            n in (m, None) for m, n in zip(array.shape, shape, strict=True)
        )
        if not fits or array.dtype.kind != 'f':
            return f'{key} is {array.dtype} {array.shape}, expected are numbers {shape}'
        if not np.all(np.isfinite(array)):
            return f'{key} has values that are not finite'
    parents, faces = arrays['parents'], arrays['faces']
    later = np.arange(1, n_joints)
    is_tree = parents.shape == (n_joints,) and parents[0] == -1
    if not is_tree or np.any((parents[1:] < 0) | (parents[1:] >= later)):
        return 'its kinematic tree does not list parents before their children'
    if faces.ndim != 2 or faces.shape[1] != 3:
        return f'f is {faces.shape}, expected are triangles'
    if faces.size and not 0 <= faces.min() <= faces.max() < n_vertices:
        return 'f names vertices that do not exist'
    return _find_problem_of_parts(arrays)


def _find_problem_of_parts(arrays):
    """The same for hands and landmarks, which a model has completely or not at all."""
    for names in (HAND_ARRAYS, LANDMARK_ARRAYS):
        if any(name in arrays for name in names) and not all(name in arrays for name in names):
            return f'it lacks some of {", ".join(names)}'
    n_numbers = 45  # of the pose of a hand: 15 joints
    for mean, components in (HAND_ARRAYS[::2], HAND_ARRAYS[1::2]):
        if mean not in arrays:
            continue
        if arrays[mean].shape != (n_numbers,) or arrays[components].shape[1:] != (n_numbers,):
            found = f'{arrays[mean].shape} and {arrays[components].shape}'
            return f'{mean} and {components} are {found}, expected are (45,) and (any, 45)'
        if not all(_are_finite(arrays[name]) for name in (mean, components)):
            return f'{mean} or {components} has values that are not finite'
    if LANDMARK_ARRAYS[0] in arrays:
        faces, weights = (arrays[name] for name in LANDMARK_ARRAYS)
        if faces.ndim != 1 or faces.dtype.kind not in 'iu' or weights.shape != (len(faces), 3):
            return f'its landmarks are {faces.dtype} {faces.shape} and {weights.shape}'
        if faces.size and not 0 <= faces.min() <= faces.max() < len(arrays['faces']):
            return f'{LANDMARK_ARRAYS[0]} names faces that do not exist'
        if not _are_finite(weights):
            return f'{LANDMARK_ARRAYS[1]} has values that are not finite'
    return ''


def _are_finite(array):
    return array.dtype.kind == 'f' and bool(np.all(np.isfinite(array)))


def _arrays(content):
    arrays = {
        key: _plain(content[key])
        for key in ('v_template', 'shapedirs', 'posedirs', 'weights', 'J_regressor')
    }
    # The root has no parent: -1, or as unsigned number 2**32 - 1.
    parents = _plain(content['kintree_table'])[0].astype(np.int64)
    parents[0] = -1
    arrays['parents'] = parents.astype(np.int32)
    arrays['faces'] = _plain(content['f']).astype(np.int32)
    for key in HAND_ARRAYS + LANDMARK_ARRAYS:
        if key in content:
            arrays[key] = _plain(content[key])
    return arrays


def _split_directions(arrays, family):
    directions = arrays['shapedirs']
    n_columns = directions.shape[-1]
    n_shapes = n_columns if family.n_shapes is None else family.n_shapes.get(n_columns)
    if n_shapes is None:
        raise ValueError(f'of {n_columns} columns in shapedirs, which are expressions?')
    arrays['shapedirs'], arrays['exprdirs'] = directions[..., :n_shapes], directions[..., n_shapes:]


def _plain(value):
    return value.to_array() if isinstance(value, _StandIn) else np.asarray(value)


class _StandIn:
    """Takes the attributes of an instance of another class, and nothing else of it."""

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise TypeError(f'a saved {type(self).__name__} has attributes')
        self.attributes = state


class _Variable(_StandIn):
    """``chumpy.Ch``: an array called x."""

    def to_array(self):
        return _plain(self.attributes['x'])


class _Selection(_StandIn):
    """What indexing a ``chumpy.Ch`` gives: numbers of the flattened array, and their shape."""

    def to_array(self):
        selected = _plain(self.attributes['a']).ravel()[np.asarray(self.attributes['idxs'])]
        shape = self.attributes.get('preferred_shape')
        return selected if shape is None else selected.reshape(shape)


class _SparseColumns(_StandIn):
    """``scipy.sparse.csc_matrix``. SciPy itself would not check the indices of a foreign one."""

    def to_array(self):
        indptr = np.asarray(self.attributes['indptr'], np.int64)
        rows = np.asarray(self.attributes['indices'], np.int64)
        data = np.asarray(self.attributes['data'])
        shape = tuple(self.attributes.get('_shape') or self.attributes['shape'])
        lengths = np.diff(indptr)
        is_whole = len(indptr) == shape[1] + 1 and len(rows) == len(data) == lengths.sum()
        if not is_whole or np.any(rows < 0):
            raise ValueError('the indices of a sparse matrix contradict its shape')
        dense = np.zeros(shape, data.dtype)
        np.add.at(dense, (rows, np.repeat(np.arange(shape[1]), lengths)), data)
        return dense


_STAND_INS = {
    ('chumpy.ch', 'Ch'): _Variable,
    ('chumpy.reordering', 'Select'): _Selection,
    ('scipy.sparse.csc', 'csc_matrix'): _SparseColumns,
    ('scipy.sparse._csc', 'csc_matrix'): _SparseColumns,
}
