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
from posepile.bodymodels.fake_surface import RINGS, joined, tube
from posepile.bodymodels.families import FAMILIES, GENDERS
from posepile.bodymodels.python2_pickle import Instance, dumps
from posepile.bodymodels.regressors import JOINT_NAMES as REGRESSED_JOINTS
from posepile.errors import OptionError
from posepile.program import run_program
from posepile.simulate.body import LANDMARKS, Body
from posepile.simulate.origin import MARKER, is_simulated

_SMPL = FAMILIES['smpl']
_JOINTS = {name: i for i, name in enumerate(_SMPL.joint_names)}
_PARENTS = np.array(
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
)
_STATURE = {'male': 1765, 'female': 1635, 'neutral': 1700}

# Vertices of SMPL that other programs take for points of face, feet and fingers.
_KNOWN_VERTICES = {
    **dict(nose=332, reye=6260, leye=2800, rear=4071, lear=583),
    **dict(ltoe=3216, ltoe2=3226, lhee=3387, rtoe=6617, rtoe2=6624, rhee=6787),
    **dict(lthumb=2746, lindex=2319, lmiddle=2445, lring=2556, lpinky=2673),
    **dict(rthumb=6191, rindex=5782, rmiddle=5905, rring=6016, rpinky=6133),
}


def write_body_models(folder, seed=0, n_betas=10, genders=GENDERS):
    """Write made-up SMPL models, kid template and joint regressors below ``folder``.

    The files lie where ``posepile.bodymodels.load(..., folder=folder)`` looks for official ones.
    The same arguments give the same bytes.

    Args:
        seed: another number, other effects of shape and pose.
        n_betas: 300 as in version 1.1.0 of the official models, or 10 as in 1.0.0.

    Raises:
        OptionError: the folder holds other files, such as real models.
    """
    if osp.isdir(folder) and os.listdir(folder) and not is_simulated(folder):
        raise OptionError(
            f'{folder} holds files that were not made up, which are never replaced. Name another '
            'folder.'
        )
    os.makedirs(osp.join(folder, 'smpl'), exist_ok=True)
    with open(osp.join(folder, MARKER), 'w') as f:
        json.dump(dict(body_models='smpl', seed=seed, n_betas=n_betas), f)
    for gender in genders:
        arrays = make_smpl(gender, seed, n_betas)
        with replacing(osp.join(folder, _SMPL.files[gender][0])) as partial:
            with open(partial, 'wb') as f:
                f.write(_official_pickle(arrays, is_selection=gender == 'female'))
    surface, points = _person('neutral')
    for name, joint_names in REGRESSED_JOINTS.items():
        regressor = _regressor(surface.vertices, [points[j] for j in joint_names])
        _save_npy(osp.join(folder, 'smpl', f'J_regressor_{name}.npy'), regressor)
    _save_npy(osp.join(folder, _SMPL.kid_template), _infant(surface))


def make_smpl(gender, seed=0, n_betas=10) -> dict:
    """The arrays of one made-up model, named as in the official files (``f``, ...); metres."""
    surface, points = _person(gender)
    rng = np.random.default_rng([seed, GENDERS.index(gender)])
    joints = np.array([points[name] for name in _SMPL.joint_names])
    return dict(
        v_template=surface.vertices,
        shapedirs=_shape_directions(surface, n_betas, rng),
        posedirs=_pose_directions(surface, joints, rng),
        weights=surface.weights,
        J_regressor=_regressor(surface.vertices, joints),
        J=joints,
        kintree_table=np.stack([_PARENTS, np.arange(24)]).astype(np.uint32),
        f=surface.faces.astype(np.uint32),
    )


def _person(gender):
    """The surface in T-pose, and named points of it: joints and what regressors find."""
    body = Body.build(_STATURE[gender], female=gender == 'female')
    points = _points(body)
    joints = np.array([points[name] for name in _SMPL.joint_names])
    limbs = [f(points, joints, side) for f in (_leg, _arm) for side in 'lr']
    surface = joined(_trunk(points, joints), limbs)
    free = np.ones(len(surface.vertices), bool)
    places = []
    for name, index in _KNOWN_VERTICES.items():
        distance = np.linalg.norm(surface.vertices - points[f'{name}_skin'], axis=1)
        old = int(np.argmin(np.where(free, distance, np.inf)))
        free[old] = False
        places.append((old, index))
    return surface.reordered(places), points


def _points(body):
    """Joints by their names, and points of the skin as ``<name>_skin``; metres, T-pose."""
    height = body.stature / 1000

    def turned(point):  # from the studio's axes: forward, left, up
        forward, left, up = np.asarray(point, np.float64) / 1000
        return np.array([left, up, forward])

    bones = dict(bell='bell', spin='spin', thor='thor', neck='neck', head='head')
    for s in 'lr':
        bones |= {f'{s}cla': f'{s}cla', f'{s}sho': f'{s}uar', f'{s}hip': f'{s}thi'}
        bones |= {f'{s}kne': f'{s}sha', f'{s}ank': f'{s}foo', f'{s}toe': f'{s}toe'}
    points = {name: turned(body.origin(bone)) for name, bone in bones.items()}
    points['pelv'] = turned(body.origin('pelv')) + [0, 0.03 * height, 0]
    on_skin = ('nose', 'leye', 'reye', 'lear', 'rear', 'ltoe', 'ltoe2', 'lhee', 'rtoe', 'rtoe2')
    landmarks = dict(zip(LANDMARKS, body.landmark_rest, strict=True))
    for name in (*on_skin, 'rhee'):
        points[f'{name}_skin'] = turned(landmarks[name])
    points['htop'] = turned(landmarks['htop'])
    points['jaw'] = points['head'] + [0, -0.01 * height, 0.03 * height]
    lengths = {k: body.dims[k] / 1000 for k in ('upper_arm', 'forearm', 'hand')}
    for s, sign in (('l', 1), ('r', -1)):
        outwards = np.array([sign, 0, 0])
        points[f'{s}elb'] = points[f'{s}sho'] + lengths['upper_arm'] * outwards
        points[f'{s}wri'] = points[f'{s}elb'] + lengths['forearm'] * outwards
        points[f'{s}han'] = points[f'{s}wri'] + 0.5 * lengths['hand'] * outwards
        points[f'{s}tip'] = points[f'{s}wri'] + lengths['hand'] * outwards
        for i, finger in enumerate(('thumb', 'index', 'middle', 'ring', 'pinky')):
            reach = points[f'{s}wri'] + (0.6 if i == 0 else 1) * lengths['hand'] * outwards
            points[f'{s}{finger}_skin'] = reach + [0, 0, 0.02 * (2 - i)]
    # The model's coordinates start in the trunk, above and behind the pelvis.
    origin = points['spin'] + [0, 0, 0.001]
    return {name: point - origin for name, point in points.items()}


def _trunk(points, joints):
    chain = [_JOINTS[name] for name in ('pelv', 'bell', 'spin', 'thor', 'neck', 'head')]
    top, width = points['htop'], np.linalg.norm(points['lsho'] - points['rsho'])
    middle = points['neck'] * [1, 0.75, 1] + points['thor'] * [0, 0.25, 0]
    waypoints = [
        points['pelv'] - [0, 0.5 * (points['pelv'] - points['lhip'])[1] + 0.09, 0],
        points['pelv'],
        points['bell'],
        points['thor'],
        middle,
        points['neck'],
        points['head'] - [0, 0.03, 0],
        points['head'] + [0, 0.35 * (top - points['head'])[1], 0.01],
        top,
    ]
    radii = width * np.array(
        [
            *([0.3, 0.36], [0.36, 0.48], [0.32, 0.4], [0.34, 0.48], [0.25, 0.45]),
            *([0.16, 0.16], [0.18, 0.16], [0.27, 0.2], [0.25, 0.18]),
        ]
    )
    return tube(waypoints, radii, (0, 0, 1), RINGS['trunk'], chain, joints, blend=0.1)


def _leg(points, joints, side):
    chain = [_JOINTS[name] for name in ('pelv', *(side + n for n in ('hip', 'kne', 'ank', 'toe')))]
    hip, knee, ankle, ball = (points[side + n] for n in ('hip', 'kne', 'ank', 'toe'))
    tip = points[f'{side}toe_skin'] * [0, 1, 1] + ball * [1, 0, 0]
    sole = ankle - [0, 0.02, 0]
    waypoints = [hip + [0, 0.03, 0], hip, 0.5 * (hip + knee), knee, ankle, sole, ball, tip]
    radii = [(0.08, 0.07), (0.09, 0.08), (0.08, 0.075), (0.06, 0.055), (0.04, 0.035)]
    radii += [(0.045, 0.04), (0.025, 0.045), (0.015, 0.03)]
    return tube(waypoints, radii, (0, 0.6, 0.8), RINGS['leg'], chain, joints, blend=0.08)


def _arm(points, joints, side):
    names = ('cla', 'sho', 'elb', 'wri', 'han')
    chain = [_JOINTS[name] for name in ('thor', *(side + n for n in names))]
    collar, shoulder, elbow, wrist, hand = (points[side + n] for n in names)
    waypoints = [collar, shoulder, 0.5 * (shoulder + elbow), elbow, wrist, hand]
    waypoints.append(points[f'{side}tip'])
    radii = [(0.05, 0.05), (0.06, 0.06), (0.05, 0.048), (0.042, 0.04), (0.026, 0.032)]
    radii += [(0.018, 0.045), (0.01, 0.04)]
    return tube(waypoints, radii, (0, 1, 0), RINGS['arm'], chain, joints, blend=0.06)


def _shape_directions(surface, n_betas, rng):
    """Stature, girth, then ever smaller random deformations that are smooth in space."""
    vertices = surface.vertices
    angles = vertices @ rng.uniform(-4, 4, (3, 12)) + rng.uniform(0, 2 * np.pi, 12)
    smooth = np.tensordot(np.cos(angles), rng.normal(size=(12, 3, n_betas)), axes=1)
    directions = smooth * 0.005 / np.sqrt(1 + np.arange(n_betas))
    directions[..., 0] = 0.03 * vertices
    directions[..., 1] = 0.12 * surface.spokes
    return directions


def _pose_directions(surface, joints, rng):
    """Bulges around the bent joint."""
    distance = np.linalg.norm(surface.vertices[:, np.newaxis] - joints[1:], axis=2)
    bulge = np.exp(-0.5 * (distance / 0.06) ** 2)
    effects = 0.006 * rng.normal(size=(len(joints) - 1, 3, 9))
    return np.einsum('vj,jce->vcje', bulge, effects).reshape(len(bulge), 3, -1)


def _regressor(vertices, targets):
    """(J, V) sparse weights of sum 1, not negative, with which vertices make the targets."""
    from scipy.optimize import nnls

    matrix = np.zeros((len(targets), len(vertices)))
    for row, target in zip(matrix, targets, strict=True):
        near = np.argsort(np.linalg.norm(vertices - target, axis=1), kind='stable')[:1000]
        equations = np.concatenate([vertices[near].T, np.ones((1, len(near)))])
        row[near], error = nnls(equations, np.append(target, 1))
        if error > 1e-9:
            raise ValueError(f'{target} lies outside of the body.')
    return matrix


def _infant(surface):
    """(V, 3) a small body with a large head."""
    head = surface.weights[:, [_JOINTS['head']]]
    joint = surface.vertices[surface.weights[:, _JOINTS['head']] > 0.5].mean(axis=0)
    return 0.45 * (surface.vertices + 0.5 * head * (surface.vertices - joint))


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
    args = parser.parse_args(argv)
    return run_program(write_body_models, args.out, args.seed, args.betas)


if __name__ == '__main__':
    sys.exit(main())
