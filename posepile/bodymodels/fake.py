"""Made-up body models in the exact layout of the official files, which nobody may pass on.

``python -m posepile.bodymodels.fake --out DIR`` writes them. They have the official numbers of
vertices, faces, joints and directions, human proportions (of the studio's bodies), and smooth
made-up effects of shape and pose; nothing in them comes from an official model.
"""

import argparse
import json
import os
import os.path as osp
import sys

import numpy as np

from posepile.arguments import whole_number
from posepile.atomic import replacing
from posepile.bodymodels.fake_effects import (
    expression_directions,
    infant,
    pose_directions,
    regressor,
    shape_directions,
)
from posepile.bodymodels.fake_face import landmarks
from posepile.bodymodels.fake_fingers import hand_poses
from posepile.bodymodels.fake_person import person
from posepile.bodymodels.families import FAMILIES, GENDERS
from posepile.bodymodels.python2_pickle import Instance, dumps
from posepile.bodymodels.regressors import JOINT_NAMES as REGRESSED_JOINTS
from posepile.errors import OptionError
from posepile.program import run_program
from posepile.simulate.origin import MARKER, is_simulated

_PARENT_NAMES = dict(lhip='pelv', rhip='pelv', bell='pelv', lkne='lhip', rkne='rhip', spin='bell')
_PARENT_NAMES |= dict(lank='lkne', rank='rkne', thor='spin', ltoe='lank', rtoe='rank', neck='thor')
_PARENT_NAMES |= dict(
    lcla='thor', rcla='thor', head='neck', jaw='head', leyehf='head', reyehf='head'
)
for _s in 'lr':
    _chain = [_s + name for name in ('cla', 'sho', 'elb', 'wri', 'han')]
    _PARENT_NAMES |= dict(zip(_chain[1:], _chain, strict=False))
    for _finger in ('index', 'middle', 'pinky', 'ring', 'thumb'):
        _chain = [f'{_s}wri', *(f'{_s}{_finger}{i}' for i in (1, 2, 3))]
        _PARENT_NAMES |= dict(zip(_chain[1:], _chain, strict=False))


def write_body_models(folder, seed=0, n_betas=10, genders=GENDERS, types=('smpl',)):
    """Write made-up models, kid templates and joint regressors below ``folder``.

    The files lie where ``posepile.bodymodels.load(..., folder=folder)`` looks for official ones.
    The same arguments give the same bytes.

    Args:
        seed: another number, other effects of shape and pose.
        n_betas: 300 as in version 1.1.0 of the official SMPL models, or 10 as in 1.0.0. SMPL-X
            has 100 expressions with 300 betas, and else 10. SMPL-H always has what its files have.
        genders: those wanted; SMPL-H as it came with MANO is never neutral.
        types: names of families: ``'smpl'``, ``'smplh'``, ``'smplh16'``, ``'smplx'``. A model of
            SMPL-H takes 80 MB, one of SMPL-X 130 MB, or 220 MB with 300 betas.

    Raises:
        OptionError: the folder holds other files, such as real models.
    """
    if osp.isdir(folder) and os.listdir(folder) and not is_simulated(folder):
        raise OptionError(
            f'{folder} holds files that were not made up, which are never replaced. Name another '
            'folder.'
        )
    os.makedirs(folder, exist_ok=True)
    with open(osp.join(folder, MARKER), 'w') as f:
        json.dump(dict(body_models=','.join(types), seed=seed, n_betas=n_betas), f)
    for name in types:
        for gender in genders:
            if gender in FAMILIES[name].files:
                _write_model(folder, name, gender, seed, n_betas)
    templates = {FAMILIES[name].kid_template: name for name in types}
    for file, name in templates.items():
        surface, points = person('neutral', FAMILIES[name])
        path = osp.join(folder, file)
        os.makedirs(osp.dirname(path), exist_ok=True)
        _save_npy(path, infant(surface, FAMILIES[name].joint_names))
        if file == FAMILIES['smpl'].kid_template:
            for kind, joint_names in REGRESSED_JOINTS.items():
                matrix = regressor(surface.vertices, [points[j] for j in joint_names])
                _save_npy(osp.join(folder, 'smpl', f'J_regressor_{kind}.npy'), matrix)


def _write_model(folder, name, gender, seed, n_betas):
    path = osp.join(folder, FAMILIES[name].files[gender][0])
    os.makedirs(osp.dirname(path), exist_ok=True)
    if name == 'smpl':
        arrays = make_smpl(gender, seed, n_betas)
    elif name == 'smplx':
        arrays = make_smplx(gender, seed, n_betas, n_expressions=100 if n_betas == 300 else 10)
    else:
        arrays = make_smplh(gender, seed, n_betas=16 if name == 'smplh16' else 10)
    with replacing(path) as partial:
        with open(partial, 'wb') as f:
            if path.endswith('.pkl'):
                f.write(_official_pickle(arrays, is_selection=gender == 'female'))
            else:
                np.savez(f, **arrays)


def make_smpl(gender, seed=0, n_betas=10) -> dict:
    """The arrays of one made-up model, named as in the official files (``f``, ...); metres."""
    rng = np.random.default_rng([seed, GENDERS.index(gender)])
    return _make(*person(gender, FAMILIES['smpl']), FAMILIES['smpl'].joint_names, n_betas, rng)


def make_smplh(gender, seed=0, n_betas=10) -> dict:
    """The same of SMPL-H, with ``hands_meanl`` and so on: SMPL's surface with fingers."""
    rng = np.random.default_rng([seed, GENDERS.index(gender), 1])
    family = FAMILIES['smplh']
    return {
        **_make(*person(gender, family), family.joint_names, n_betas, rng),
        **hand_poses(rng),
    }


def make_smplx(gender, seed=0, n_betas=10, n_expressions=10) -> dict:
    """The same of SMPL-X, with fingers, jaw and eyes, and landmarks of the face."""
    rng = np.random.default_rng([seed, GENDERS.index(gender), 2])
    names = FAMILIES['smplx'].joint_names
    surface, points = person(gender, FAMILIES['smplx'])
    arrays = _make(surface, points, names, n_betas, rng)
    expressions = expression_directions(surface, names, n_expressions, rng)
    arrays['shapedirs'] = np.concatenate([arrays['shapedirs'], expressions], axis=2)
    # The official files also have a dictionary, as a pickled object.
    numbers = np.array({name: i for i, name in enumerate(names)}, dtype=object)
    return {
        **arrays,
        **hand_poses(rng),
        **landmarks(surface, points, names),
        'joint2num': numbers,
    }


def _make(surface, points, names, n_betas, rng):
    joints = np.array([points[name] for name in names])
    parents = np.array([-1, *(names.index(_PARENT_NAMES[name]) for name in names[1:])])
    return dict(
        v_template=surface.vertices,
        shapedirs=shape_directions(surface, n_betas, rng),
        posedirs=pose_directions(surface, joints, rng),
        weights=surface.weights,
        J_regressor=regressor(surface.vertices, joints),
        J=joints,
        kintree_table=np.stack([parents, np.arange(len(names))]).astype(np.uint32),
        f=surface.faces.astype(np.uint32),
    )


def _official_pickle(arrays, is_selection):
    """Bytes as of Python 2, with arrays in objects of chumpy and SciPy."""

    def variable(array):
        return Instance('chumpy.ch', 'Ch', x=np.ascontiguousarray(array))

    def sparse(array):
        from scipy.sparse import csc_matrix

        m = csc_matrix(array)
        parts = dict(indices=m.indices, indptr=m.indptr, data=m.data)
        return Instance(
            'scipy.sparse.csc', 'csc_matrix', format='csc', _shape=m.shape, maxprint=50, **parts
        )

    content = dict(arrays, bs_style='lbs', bs_type='lrotmin')
    content['J_regressor'] = sparse(arrays['J_regressor'])
    content['v_template'] = variable(arrays['v_template'])
    content['shapedirs'] = variable(arrays['shapedirs'])
    if is_selection:
        n = arrays['shapedirs'].size
        content['shapedirs'] = Instance(
            'chumpy.reordering',
            'Select',
            a=content['shapedirs'],
            idxs=np.arange(n),
            preferred_shape=arrays['shapedirs'].shape,
        )
    return dumps(content)


def _save_npy(path, array):
    with replacing(path) as partial:
        np.save(partial, array)


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.bodymodels.fake', description=__doc__.split('\n\n')[0]
    )
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of body models')
    parser.add_argument('--seed', type=whole_number(), default=0, help='other effects (0)')
    parser.add_argument(
        '--betas', type=whole_number(2, 300), default=300, help='shape directions (300)'
    )
    parser.add_argument(
        '--types', nargs='+', choices=FAMILIES, default=['smpl'], metavar='TYPE',
        help=f'which of {", ".join(FAMILIES)} (smpl)',
    )  # fmt: skip
    args = parser.parse_args(argv)
    return run_program(
        write_body_models, args.out, args.seed, args.betas, GENDERS, tuple(args.types)
    )


if __name__ == '__main__':
    sys.exit(main())
