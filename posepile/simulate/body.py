"""Bodies: proportions of a person, the skeleton that moves, and the named landmarks on it.

Body axes: x forward, y to the person's left, z up; mm. In the rest pose the person stands upright
at the origin with straight legs and the arms hanging 45 degrees outwards. The segment lengths
follow the fractions of the stature of Drillis and Contini (1966) and the NASA anthropometric
source book, varied a little from person to person.
"""

import dataclasses

import numpy as np

from posepile.simulate import face_hands
from posepile.simulate.face_hands import FINGERS

_PARENT_OF = {
    'pelv': None,
    'bell': 'pelv',
    'spin': 'bell',
    'thor': 'spin',
    'neck': 'thor',
    'head': 'neck',
}
for _s in 'lr':
    _PARENT_OF |= {
        f'{_s}cla': 'thor',
        f'{_s}uar': f'{_s}cla',
        f'{_s}far': f'{_s}uar',
        f'{_s}hnd': f'{_s}far',
        f'{_s}thi': 'pelv',
        f'{_s}sha': f'{_s}thi',
        f'{_s}foo': f'{_s}sha',
        f'{_s}toe': f'{_s}foo',
    }
    for _f in FINGERS:
        for _i in range(3):
            _PARENT_OF[f'{_s}{_f}{_i}'] = f'{_s}{_f}{_i - 1}' if _i else f'{_s}hnd'

BONES = tuple(_PARENT_OF)
"""The rigid segments, each named after the joint or limb that it starts at; parents come first."""
BONE_INDEX = {name: i for i, name in enumerate(BONES)}
PARENTS = tuple(-1 if p is None else BONE_INDEX[p] for p in _PARENT_OF.values())

LANDMARKS = (
    # trunk, bottom up: mid hip, three spine levels, base of the neck, head centre, top, nose tip
    *('pelv', 'bell', 'spin', 'thor', 'neck', 'skul', 'head', 'htop', 'nose'),
    *('leye', 'reye', 'lear', 'rear'),
    # joint centres of the limbs; han = knuckle of the middle finger, fin, thu = tips
    *('lcla', 'lsho', 'lelb', 'lwri', 'lhan', 'lfin', 'lthu'),
    *('rcla', 'rsho', 'relb', 'rwri', 'rhan', 'rfin', 'rthu'),
    # foo = ball of the foot, toe = tip of the big toe, toe2 = tip of the small toe
    *('lhip', 'lkne', 'lank', 'lhee', 'lfoo', 'ltoe', 'ltoe2'),
    *('rhip', 'rkne', 'rank', 'rhee', 'rfoo', 'rtoe', 'rtoe2'),
    # 1 = wrist, then thumb 2-5, index 6-9, middle 10-13, ring 14-17, little 18-21, base to tip
    *(f'lhan{i}' for i in range(1, 22)),
    *(f'rhan{i}' for i in range(1, 22)),
    *face_hands.FACE_NAMES,
)
"""Names of all landmarks; l and r are the person's own left and right."""
LANDMARK_INDEX = {name: i for i, name in enumerate(LANDMARKS)}


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """One person's shape.

    Attributes:
        stature: height, mm.
        female: whether the silhouette follows female averages.
        girth: thickness of limbs and trunk relative to the average.
        origins: (S, 3) where each bone of ``BONES`` starts in the rest pose.
        landmark_bone: (L,) index of the bone that carries each landmark.
        landmark_rest: (L, 3) landmarks in the rest pose.
        dims: lengths in mm by name, for the mesh.
    """

    stature: float
    female: bool
    girth: float
    origins: np.ndarray
    landmark_bone: np.ndarray
    landmark_rest: np.ndarray
    dims: dict

    @classmethod
    def random(cls, rng):
        """A random adult."""
        female = bool(rng.random() < 0.5)
        mean, std = (1635, 62) if female else (1765, 68)
        stature = float(np.clip(rng.normal(mean, std), mean - 170, mean + 190))
        girth = float(np.clip(rng.normal(1.0, 0.1), 0.84, 1.35))
        return cls.build(stature, female, girth, rng.normal(1.0, 0.02, 10))

    @classmethod
    def build(cls, stature, female=False, girth=1.0, variation=None):
        """A body of given stature (mm); ``variation`` holds 10 factors on the proportions."""
        v = np.ones(10) if variation is None else np.clip(variation, 0.95, 1.05)
        fractions = {
            'knee': 0.285 * v[0],
            'ankle': 0.042,
            'hip': 0.525 * v[1],
            'hip_half': (0.051 if female else 0.048) * v[2],
            'shoulder': 0.815,
            'shoulder_half': (0.097 if female else 0.104) * v[3],
            'upper_arm': 0.178 * v[4],
            'forearm': 0.147 * v[5],
            'hand': 0.106 * v[6],
            'heel': 0.036 * v[7],
            'ball': 0.080 * v[7],
            'toe': 0.118 * v[7],
            'head': 0.130 * v[8],
            'foot_half': 0.0245 * v[9],
        }
        dims = {k: f * stature for k, f in fractions.items()}
        origins, points = {}, {}
        _place_trunk(stature, dims, origins, points)
        for side, sign in (('l', 1), ('r', -1)):
            _place_leg(side, sign, dims, origins, points)
            _place_arm(side, sign, stature, dims, origins, points)
        return cls(
            stature=stature,
            female=female,
            girth=girth,
            origins=np.array([origins[b] for b in BONES], np.float64),
            landmark_bone=np.array([BONE_INDEX[points[n][0]] for n in LANDMARKS]),
            landmark_rest=np.array([points[n][1] for n in LANDMARKS], np.float64),
            dims=dims,
        )

    def origin(self, bone):
        """(3,) rest position of the start of a bone."""
        return self.origins[BONE_INDEX[bone]]

    def length(self, bone, child):
        """Distance between the starts of two bones, mm."""
        return float(np.linalg.norm(self.origin(child) - self.origin(bone)))


def arm_axes(sign):
    """Rest directions of an arm: along it, towards the thumb, out of the palm."""
    along = np.array([0, sign * np.sqrt(0.5), -np.sqrt(0.5)])
    thumb = np.array([1.0, 0, 0])
    return along, thumb, sign * np.cross(along, thumb)


def _place_trunk(stature, dims, origins, points):
    heights = {'bell': 0.590, 'spin': 0.660, 'thor': 0.735, 'neck': 0.842}
    setback = {'bell': 0.012, 'spin': 0.016, 'thor': 0.018, 'neck': 0.016}
    origins['pelv'] = (0, 0, dims['hip'])
    for name, height in heights.items():
        origins[name] = (-setback[name] * stature, 0, height * stature)
    chin = stature - dims['head']
    origins['head'] = (-0.006 * stature, 0, chin + 0.22 * dims['head'])
    for name in ('pelv', 'bell', 'spin', 'thor', 'neck'):
        points[name] = (name, origins[name])

    base = np.array([origins['head'][0], 0, chin])
    points['skul'] = ('head', origins['head'])
    on_head = {
        'head': (0.03, 0, 0.52),
        'htop': (0, 0, 1.0),
        'lear': (0.0, 0.315, 0.47),
        'rear': (0.0, -0.315, 0.47),
        'leye': face_hands.head_surface(0.14, 0.536, 0.008),
        'reye': face_hands.head_surface(-0.14, 0.536, 0.008),
    }
    on_head |= dict(zip(face_hands.FACE_NAMES, face_hands.face_points(), strict=True))
    on_head['nose'] = on_head['nose4']
    for name, local in on_head.items():
        points[name] = ('head', base + dims['head'] * np.asarray(local))


def _place_leg(side, sign, dims, origins, points):
    y = sign * dims['hip_half']
    origins[f'{side}thi'] = (0, y, dims['hip'])
    origins[f'{side}sha'] = (0, y, dims['knee'])
    origins[f'{side}foo'] = (0, y, dims['ankle'])
    origins[f'{side}toe'] = (dims['ball'], y, 0.25 * dims['ankle'])
    for name, bone in (('hip', 'thi'), ('kne', 'sha'), ('ank', 'foo'), ('foo', 'toe')):
        points[f'{side}{name}'] = (f'{side}{bone}', origins[f'{side}{bone}'])
    half = sign * dims['foot_half']
    points[f'{side}hee'] = (f'{side}foo', (-dims['heel'], y, 0.3 * dims['ankle']))
    points[f'{side}toe'] = (f'{side}toe', (dims['toe'], y - 0.4 * half, 0.2 * dims['ankle']))
    points[f'{side}toe2'] = (
        f'{side}toe',
        (0.86 * dims['toe'], y + 0.85 * half, 0.2 * dims['ankle']),
    )


def _place_arm(side, sign, stature, dims, origins, points):
    along, thumb, _ = arm_axes(sign)
    origins[f'{side}cla'] = (-0.006 * stature, sign * 0.020 * stature, 0.830 * stature)
    shoulder = np.array([-0.012 * stature, sign * dims['shoulder_half'], dims['shoulder']])
    elbow = shoulder + along * dims['upper_arm']
    wrist = elbow + along * dims['forearm']
    origins[f'{side}uar'], origins[f'{side}far'], origins[f'{side}hnd'] = shoulder, elbow, wrist
    for name, bone in (('cla', 'cla'), ('sho', 'uar'), ('elb', 'far'), ('wri', 'hnd')):
        points[f'{side}{name}'] = (f'{side}{bone}', origins[f'{side}{bone}'])

    flat = face_hands.hand_points() * dims['hand']
    hand = wrist + flat[:, :1] * along + flat[:, 1:] * thumb
    points[f'{side}han1'] = (f'{side}hnd', hand[0])
    for i_finger, finger in enumerate(FINGERS):
        for i in range(4):
            row = 1 + 4 * i_finger + i
            bone = f'{side}{finger}{min(i, 2)}'
            if i < 3:
                origins[bone] = hand[row]
            points[f'{side}han{row + 1}'] = (bone, hand[row])
    points[f'{side}han'] = points[f'{side}han10']
    points[f'{side}fin'] = points[f'{side}han13']
    points[f'{side}thu'] = points[f'{side}han5']
