"""The made-up person whom all made-up models show: the surface in T-pose, joints and points of it.

Proportions are those of the studio's bodies. Axes and units of the SMPL family: x to the person's
left, y up, z forwards; metres.
"""

import dataclasses
import functools

import numpy as np

from posepile.bodymodels.fake_face import eyeballs, face_joints, open_face, with_jaw
from posepile.bodymodels.fake_fingers import finger_joints, with_fingers
from posepile.bodymodels.fake_surface import RINGS, beside, joined, refined, tube
from posepile.bodymodels.families import FAMILIES
from posepile.simulate.body import LANDMARKS, Body
from posepile.simulate.face_hands import FACE_NAMES

_STATURE = {'male': 1765, 'female': 1635, 'neutral': 1700}
_N_EYEBALLS = 1092  # the last vertices of SMPL-X
# Names of points of the skin, where those of keypoints are others.
_SKIN = {'lto2': 'ltoe', 'lto3': 'ltoe2', 'rto2': 'rtoe', 'rto3': 'rtoe2', 'lthu': 'lthumb'} | {
    'rthu': 'rthumb'
}


@functools.cache
def _topology(name):
    """The triangles, and which vertex goes where so that keypoints are the official ones.

    Both are the same for all genders: a vertex has the same place on all bodies of a family.
    """
    family = FAMILIES[name]
    surface, points = _person('neutral', family)
    free = np.ones(len(surface.vertices), bool)
    places = []
    for keypoint, index in family.keypoint_vertices.items():
        target = points[f'{_SKIN.get(keypoint, keypoint)}_skin']
        distance = np.linalg.norm(surface.vertices - target, axis=1)
        old = int(np.argmin(np.where(free, distance, np.inf)))
        free[old] = False
        places.append((old, index))
    return surface.faces, tuple(places)


def person(gender, family):
    """Surface in T-pose, and points (3,) of it by name: joints, and what lies on the skin.

    Args:
        gender: that of its proportions.
        family: :class:`~posepile.bodymodels.families.Family` whose joints, numbers of vertices
            and faces, and keypoint vertices it has.

    Returns:
        :class:`~posepile.bodymodels.fake_surface.Surface`, dictionary of points.
    """
    surface, points = _person(gender, family)
    faces, places = _topology(family.name)
    return dataclasses.replace(surface, faces=faces).reordered(places), points


def _person(gender, family):
    """The same with triangles and an order of vertices of its own."""
    body = Body.build(_STATURE[gender], female=gender == 'female')
    points = _points(body)
    names = family.joint_names
    has_fingers, has_face = 'lindex1' in names, 'jaw' in names
    if has_fingers:
        points |= finger_joints(points)
    if has_face:
        points |= face_joints(points)
    skeleton = _Skeleton(names, points, RINGS['smplx' if has_face else 'smpl'])
    limbs = [f(skeleton, side) for f in (_leg, _arm) for side in 'lr']
    surface = joined(_trunk(skeleton), limbs)
    if has_fingers:
        surface = with_fingers(surface, points, names)
    if has_face:
        surface = with_jaw(surface, points, names)
        surface = open_face(surface, points, skeleton.rings['trunk'])
        surface = refined(surface, family.n_vertices - _N_EYEBALLS)
        surface = beside(surface, eyeballs(points, names))
    return surface, points


class _Skeleton:
    """What limbs are made from: points by name, joints (J, 3) and their indices, rings of limbs."""

    def __init__(self, names, points, rings):
        self.points, self.rings = points, rings
        self.joints = np.array([points[name] for name in names])
        self._index = {name: i for i, name in enumerate(names)}

    def chain(self, *names):
        """Indices of those joints that there are."""
        return [self._index[name] for name in names if name in self._index]


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
    for name in (*on_skin, 'rhee', *FACE_NAMES):
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


def _trunk(skeleton):
    points = skeleton.points
    chain = skeleton.chain('pelv', 'bell', 'spin', 'thor', 'neck', 'head')
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
    return tube(waypoints, radii, (0, 0, 1), skeleton.rings['trunk'], chain, skeleton.joints, 0.1)


def _leg(skeleton, side):
    points = skeleton.points
    chain = skeleton.chain('pelv', *(side + n for n in ('hip', 'kne', 'ank', 'toe')))
    hip, knee, ankle, ball = (points[side + n] for n in ('hip', 'kne', 'ank', 'toe'))
    tip = points[f'{side}toe_skin'] * [0, 1, 1] + ball * [1, 0, 0]
    sole = ankle - [0, 0.02, 0]
    waypoints = [hip + [0, 0.03, 0], hip, 0.5 * (hip + knee), knee, ankle, sole, ball, tip]
    radii = [(0.08, 0.07), (0.09, 0.08), (0.08, 0.075), (0.06, 0.055), (0.04, 0.035)]
    radii += [(0.045, 0.04), (0.025, 0.045), (0.015, 0.03)]
    rings, joints = skeleton.rings['leg'], skeleton.joints
    return tube(waypoints, radii, (0, 0.6, 0.8), rings, chain, joints, blend=0.08)


def _arm(skeleton, side):
    points = skeleton.points
    names = ('cla', 'sho', 'elb', 'wri', 'han')
    chain = skeleton.chain('thor', *(side + n for n in names))
    collar, shoulder, elbow, wrist, hand = (points[side + n] for n in names)
    waypoints = [collar, shoulder, 0.5 * (shoulder + elbow), elbow, wrist, hand]
    waypoints.append(points[f'{side}tip'])
    radii = [(0.05, 0.05), (0.06, 0.06), (0.05, 0.048), (0.042, 0.04), (0.026, 0.032)]
    radii += [(0.018, 0.045), (0.01, 0.04)]
    rings, joints = skeleton.rings['arm'], skeleton.joints
    return tube(waypoints, radii, (0, 1, 0), rings, chain, joints, blend=0.06)
