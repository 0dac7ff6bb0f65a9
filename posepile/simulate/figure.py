"""The surface of a dressed person: trunk, limbs, hands and feet, bound to the bones.

Sections are given as fractions of the stature and were drawn to look right; each vertex follows
one to three bones (linear blend skinning).
"""

import dataclasses

import numpy as np

from posepile.simulate import face_hands, head, mesh
from posepile.simulate.body import BONE_INDEX, arm_axes
from posepile.simulate.face_hands import FINGERS
from posepile.simulate.mesh import Material, loft
from posepile.simulate.skinning import Skin, along_chain, smoothstep, weights

_X, _Y, _Z = np.eye(3)

# Trunk: height, half width and half depth of men and of women, centre forwards of the hip axis.
_TRUNK = np.array([
    [0.455, 0.040, 0.035, 0.040, 0.036, -0.006],
    [0.475, 0.077, 0.058, 0.080, 0.060, -0.008],
    [0.510, 0.094, 0.068, 0.101, 0.071, -0.010],
    [0.550, 0.093, 0.065, 0.100, 0.067, -0.009],
    [0.590, 0.088, 0.059, 0.089, 0.058, -0.004],
    [0.635, 0.084, 0.056, 0.074, 0.052, -0.003],
    [0.680, 0.088, 0.060, 0.076, 0.055, -0.004],
    [0.720, 0.095, 0.066, 0.083, 0.066, -0.004],
    [0.755, 0.101, 0.067, 0.089, 0.066, -0.008],
    [0.785, 0.103, 0.061, 0.092, 0.057, -0.012],
    [0.808, 0.099, 0.052, 0.090, 0.049, -0.014],
    [0.826, 0.086, 0.043, 0.080, 0.040, -0.015],
    [0.839, 0.060, 0.036, 0.055, 0.034, -0.014],
    [0.848, 0.036, 0.032, 0.031, 0.029, -0.013],
])  # fmt: skip
# Limbs: position from the first joint (0) to the last (1), half axes, offset of the centre.
_LEG = np.array([  # across, front to back, forwards
    [-0.10, 0.040, 0.050, 0.000], [-0.03, 0.047, 0.056, 0.000], [0.05, 0.049, 0.056, 0.000],
    [0.15, 0.047, 0.052, 0.003], [0.28, 0.041, 0.045, 0.004], [0.40, 0.035, 0.037, 0.002],
    [0.47, 0.031, 0.033, 0.002], [0.52, 0.030, 0.033, 0.002], [0.57, 0.029, 0.031, -0.002],
    [0.66, 0.030, 0.033, -0.008], [0.74, 0.027, 0.030, -0.008], [0.84, 0.020, 0.023, -0.004],
    [0.93, 0.0165, 0.020, -0.002], [1.00, 0.018, 0.022, 0.000],
])  # fmt: skip
_ARM = np.array([  # across the palm side, towards the thumb, towards the palm
    [-0.13, 0.008, 0.010, 0.002], [-0.08, 0.019, 0.021, 0.002], [-0.01, 0.0265, 0.027, 0.001],
    [0.09, 0.0285, 0.029, 0.000], [0.22, 0.026, 0.027, 0.000], [0.36, 0.023, 0.025, 0.000],
    [0.48, 0.021, 0.021, 0.000], [0.55, 0.0205, 0.0205, 0.000], [0.64, 0.021, 0.0225, 0.000],
    [0.75, 0.0185, 0.021, 0.000], [0.88, 0.0145, 0.0165, 0.000], [1.00, 0.0115, 0.0155, 0.000],
])  # fmt: skip
# Foot, from heel to toes in units of (heel, toe) length: half width, top and centre height.
_FOOT = np.array([
    [-1.05, 0.45, 0.75], [-0.95, 0.70, 1.05], [-0.55, 0.84, 1.25], [0.05, 0.88, 1.30],
    [0.22, 0.90, 1.15], [0.42, 0.97, 0.88], [0.62, 1.08, 0.70], [0.78, 1.08, 0.60],
    [0.94, 0.98, 0.55], [1.00, 0.80, 0.48], [1.03, 0.45, 0.36],
])  # fmt: skip


def build(body, look):
    """The :class:`Skin` of a person with shape ``body`` and :class:`Appearance` ``look``."""
    parts = _trunk(body, look) + head.build(body, look)
    for side, sign in (('l', 1), ('r', -1)):
        parts += _leg(body, look, side, sign) + _foot(body, look, side, sign)
        parts += _arm(body, look, side, sign) + _hand(body, look, side, sign)
    return Skin.bound(mesh.merge(parts), body.origins)


def _sections(table, positions, scale):
    return [np.interp(positions, table[:, 0], column) * scale for column in table.T[1:]]


def _trunk(body, look):
    H = body.stature

    def part(low, high, n, material, ease, n_sides=20, bust=False):
        heights = np.linspace(low, high, n)
        columns = _sections(_TRUNK, heights, H)
        width, depth = columns[2:4] if body.female else columns[0:2]
        thick = 1 + (body.girth - 1) * np.interp(
            heights, [0.5, 0.62, 0.8, 0.85], [0.8, 1.5, 0.5, 0.2]
        )
        centre = columns[4] + depth * (thick - 1) * 0.4
        ease = np.broadcast_to(ease, n) * np.interp(heights, [0.80, 0.84], [1, 0.3])
        bulge = np.ones((n, n_sides + 1))
        angles = np.linspace(-np.pi, np.pi, n_sides + 1)
        if bust and body.female:
            lump = np.exp(-(((heights - 0.735) / 0.022) ** 2))
            bulge += 0.24 * lump[:, None] * np.maximum(np.cos(angles), 0) ** 2
        rear = np.exp(-(((heights - 0.505) / 0.03) ** 2))
        bulge += 0.16 * rear[:, None] * np.maximum(-np.cos(angles), 0) ** 2
        levels = [body.origin(b)[2] / H for b in ('bell', 'spin', 'thor')]
        piece = loft(
            np.stack([centre, 0 * heights, heights * H], axis=-1), _Y, _X,
            width * thick + ease, depth * thick + ease, material,
            along_chain(heights, ('pelv', 'bell', 'spin', 'thor'), levels, 0.035),
            n_sides, exponent=2.4, bulge=bulge,
        )  # fmt: skip
        return _with_shoulders_and_thighs(body, piece)

    loose = np.linspace(look.looseness + 8, look.looseness * 0.6, 16)
    neck_heights = np.array([0.825, 0.845, 0.865, 0.90])
    levels = [body.origin(b)[2] / H for b in ('neck', 'head')]
    forward = np.array([-0.012, -0.011, -0.006, -0.002])
    slim = H * (0.9 if body.female else 1.02)
    neck = loft(
        np.stack([forward * H, 0 * forward, neck_heights * H], -1), _Y, _X,
        np.array([0.036, 0.031, 0.030, 0.030]) * slim,
        np.array([0.033, 0.031, 0.032, 0.034]) * slim,
        Material(look.skin), along_chain(neck_heights, ('thor', 'neck', 'head'), levels, 0.03), 14,
    )  # fmt: skip
    return [
        part(0.455, 0.62, 9, look.bottom, 5.0),
        part(0.565, 0.849, 16, look.top, loose, bust=True),
        neck,
    ]


def _with_shoulders_and_thighs(body, piece):
    """Lets the shoulders follow the collar bones, and the lowest part of the trunk the thighs."""
    result = piece.weights.copy()
    x, y, z = piece.vertices.T
    H = body.stature
    for side, sign in (('l', 1), ('r', -1)):
        shoulder = (
            0.6 * smoothstep((sign * y / H - 0.045) / 0.05) * smoothstep((z / H - 0.74) / 0.06)
        )
        thigh = 0.55 * smoothstep((0.515 - z / H) / 0.05) * smoothstep(sign * y / H / 0.06)
        for share, bone in ((shoulder, f'{side}cla'), (thigh, f'{side}thi')):
            result *= 1 - share[:, None]
            result[:, BONE_INDEX[bone]] += share
    return dataclasses.replace(piece, weights=result)


def _limb_pieces(make, covered, skin, cloth, ease, end=1.0):
    """Bare skin below the clothes' edge and cloth above it."""
    pieces = []
    if covered < 0.94 * end:
        pieces.append(make(np.linspace(max(covered - 0.06, -0.1), end, 12), Material(skin), 0.0))
    if covered > 0.05:
        pieces.append(make(np.linspace(-0.13, covered, 14), cloth, ease))
    return pieces


def _leg(body, look, side, sign):
    hip, ankle = body.origin(f'{side}thi'), body.origin(f'{side}foo')
    knee = body.length(f'{side}thi', f'{side}sha') / np.linalg.norm(ankle - hip)

    def make(t, material, ease):
        warped = np.interp(t, [-0.2, 0, knee, 1], [-0.2, 0, 0.52, 1])
        across, deep, offset = _sections(_LEG, warped, body.stature)
        thick = 1 + (body.girth - 1) * np.interp(t, [0, 0.5, 1], [1.0, 0.7, 0.4])
        centres = hip + t[:, None] * (ankle - hip) + offset[:, None] * _X
        centres[:, 1] -= sign * 0.003 * body.stature * (1 - np.clip(t, 0, 1))
        chain = ('pelv', f'{side}thi', f'{side}sha', f'{side}foo')
        return loft(
            centres, _Y, _X, across * thick + ease, deep * thick + ease, material,
            along_chain(t, chain, (-0.02, knee, 1.0), 0.1), n_sides=14,
        )  # fmt: skip

    if look.bottom_style == 'trousers':
        flare = look.looseness * 0.7 + 3
        return _limb_pieces(make, look.bottom_length, look.skin, look.bottom, flare)
    pieces = [make(np.linspace(0.12, 1.0, 18), Material(look.skin), 0.0)]
    return pieces + ([_skirt(body, look)] if side == 'l' else [])


def _skirt(body, look):
    H = body.stature
    hip, ankle = body.dims['hip'], body.dims['ankle']
    t = np.linspace(-0.16, look.bottom_length, 14)
    heights = hip - t * (hip - ankle)
    down = np.clip(t / look.bottom_length, 0, 1)
    width = (
        (np.interp(t, [-0.16, -0.02, 0.05], [0.083, 0.108, 0.112]) + 0.03 * down) * H * body.girth
    )
    depth = (
        (np.interp(t, [-0.16, -0.02, 0.05], [0.062, 0.085, 0.088]) + 0.02 * down) * H * body.girth
    )
    n_sides = 24
    folds = 1 + 0.04 * down[:, None] * np.cos(np.linspace(0, 2 * np.pi, n_sides + 1) * 6)
    piece = loft(
        np.stack([0 * t - 0.008 * H, 0 * t, heights], -1), _Y, _X, width, depth, look.bottom,
        weights(len(t), pelv=1.0), n_sides, bulge=folds, cap=False,
    )  # fmt: skip
    y, z = piece.vertices[:, 1], piece.vertices[:, 2]
    legs = 0.8 * smoothstep((hip + 0.02 * H - z) / (0.10 * H))
    left = smoothstep(y / (0.16 * H) + 0.5)
    return dataclasses.replace(
        piece, weights=weights(len(y), pelv=1 - legs, lthi=legs * left, rthi=legs * (1 - left))
    )


def _foot(body, look, side, sign):
    ankle = body.origin(f'{side}foo')
    x = np.where(_FOOT[:, 0] < 0, _FOOT[:, 0] * body.dims['heel'], _FOOT[:, 0] * body.dims['toe'])
    half, top = _FOOT[:, 1] * body.dims['foot_half'], _FOOT[:, 2] * body.dims['ankle']
    outwards = sign * body.dims['foot_half'] * np.interp(x, [0, body.dims['toe']], [0, 0.15])
    centres = np.stack([x, ankle[1] + outwards, top / 2], axis=-1)
    toes = np.clip((x - body.dims['ball']) / (0.1 * body.dims['ball']) + 0.5, 0, 1)
    share = {f'{side}foo': 1 - toes, f'{side}toe': toes}
    return [loft(centres, _Y, _Z, half, top / 2, look.shoes, weights(len(x), **share), 14, 2.8)]


def _arm(body, look, side, sign):
    shoulder, wrist = body.origin(f'{side}uar'), body.origin(f'{side}hnd')
    along, thumb, palm = arm_axes(sign)
    elbow = body.length(f'{side}uar', f'{side}far') / np.linalg.norm(wrist - shoulder)

    def make(t, material, ease):
        warped = np.interp(t, [-0.2, 0, elbow, 1], [-0.2, 0, 0.55, 1])
        palmward, thumbward, offset = _sections(_ARM, warped, body.stature)
        slim = (0.88 if body.female else 1.0) * (1 + (body.girth - 1) * 0.8)
        ease = ease * np.interp(t, [-0.05, 0.1], [0.2, 1])
        chain = (f'{side}cla', f'{side}uar', f'{side}far', f'{side}hnd')
        return loft(
            shoulder + t[:, None] * (wrist - shoulder) + offset[:, None] * palm, palm, thumb,
            palmward * slim + ease, thumbward * slim + ease, material,
            along_chain(t, chain, (-0.03, elbow, 1.0), 0.09), n_sides=12,
        )  # fmt: skip

    return _limb_pieces(make, look.sleeve, look.skin, look.top, look.looseness * 0.7)


def _hand(body, look, side, sign):
    wrist, length = body.origin(f'{side}hnd'), body.dims['hand']
    along, thumb, palm = arm_axes(sign)
    skin = Material(look.skin)

    def at(points):
        points = np.asarray(points, np.float64) * length
        return wrist + points[:, :1] * along + points[:, 1:] * thumb

    t = np.array([-0.06, 0.05, 0.2, 0.35, 0.48, 0.55])
    middle = np.array([0.0, 0.0, 0.0, -0.01, -0.02, -0.02])
    pieces = [
        loft(
            at(np.stack([t, middle], -1)), palm, thumb,
            np.array([0.12, 0.12, 0.13, 0.125, 0.10, 0.05]) * length,
            np.array([0.14, 0.15, 0.19, 0.215, 0.215, 0.17]) * length, skin,
            along_chain(t, (f'{side}far', f'{side}hnd'), (0.0,), 0.08), 10, 2.6,
        )
    ]  # fmt: skip
    points = face_hands.hand_points()
    for i, finger in enumerate(FINGERS):
        joints = at(points[1 + 4 * i : 5 + 4 * i])
        position = np.array([-0.15, 0.5, 0.95, 1.05, 1.5, 1.95, 2.05, 2.6, 3.04])
        centres = np.stack([np.interp(position, range(4), joints[:, k]) for k in range(3)], -1)
        centres[0] = joints[0] - 0.15 * (joints[1] - joints[0])
        radius = np.linspace(1.15, 0.8, len(position)) * (0.05 if finger == 'thu' else 0.042)
        radius[-1] *= 0.5
        bones = [f'{side}{finger}{k}' for k in range(3)]
        share = along_chain(position, bones, (1.0, 2.0), 0.12)
        pieces.append(loft(centres, palm, thumb, radius * length, radius * length, skin, share, 7))
    return pieces
