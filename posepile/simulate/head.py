"""The surface of the head: face with eyes, brows, nose and mouth, ears and hair."""

import numpy as np

from posepile.simulate import face_hands
from posepile.simulate.body import LANDMARK_INDEX
from posepile.simulate.mesh import MOTTLED, Material, loft, patch
from posepile.simulate.skinning import weights

_X, _Y, _Z = np.eye(3)


def build(body, look):
    """Meshes of the head in the rest pose, bound to the head bone."""
    size = body.dims['head']
    base = np.array([body.origin('head')[0], 0, body.stature - size])
    skin = Material(look.skin)
    heights = np.concatenate([[0.0, 0.03, 0.08], np.linspace(0.15, 0.9, 11), [0.95, 0.98, 1.0]])
    parts = [_shell(base, size, heights, skin, 1.0, 0.0, n_sides=22)]
    parts += [_ear(base, size, sign, skin) for sign in (1, -1)]
    parts += _features(body, look)
    if look.hair_style != 'bald':
        parts += _hair(base, size, look)
    return parts


def _bound(n, **shares):
    return weights(n, **(shares or {'head': 1.0}))


def _shell(base, size, heights, material, factor, extra, arc=(-np.pi, np.pi), n_sides=18, cap=True):
    """The outline of the head between ``heights``, widened by ``factor`` and ``extra`` mm."""
    width, depth, centre = (np.asarray(v) * size for v in face_hands.head_section(heights))
    centres = base + np.stack([centre, 0 * centre, heights * size], axis=-1)
    return loft(
        centres, _Y, _X, width * factor + extra, depth * factor + extra, material,
        _bound(len(heights)), n_sides, exponent=2.3, arc=arc, cap=cap,
    )  # fmt: skip


def _ear(base, size, sign, skin):
    t = np.linspace(-1, 1, 6)
    round_off = np.sqrt(1.02 - t**2)
    centres = base + size * np.stack(
        [-0.02 - 0.03 * t, 0 * t + sign * 0.325, 0.47 + 0.13 * t], axis=-1
    )
    return loft(
        centres, _Y, _X, 0.035 * size * round_off, 0.07 * size * round_off, skin, _bound(6), 8
    )


def _features(body, look):
    def at(*names, out=2.5):
        return body.landmark_rest[[LANDMARK_INDEX[n] for n in names]] + [out, 0, 0]

    head = _bound(1)[0]
    skin = np.asarray(look.skin)
    shade, lips = Material(tuple(skin * 0.8)), Material(look.lips)
    parts = []
    for s in 'rl':
        sign = 1 if s == 'l' else -1
        eye = at(*(f'{s}eye{i}' for i in range(1, 7)))
        fan = [(0, i, i + 1) for i in range(1, 5)]
        forward = np.array([0.9, 0.3 * sign, 0.1])
        parts.append(patch(eye, fan, forward, Material((232, 228, 222)), head))
        angles = np.linspace(0, 2 * np.pi, 7)[:-1]
        radius = 0.026 * body.dims['head']
        circle = np.stack([0 * angles + 1.2, np.cos(angles) * radius, np.sin(angles) * radius], -1)
        iris = eye.mean(axis=0) + circle
        parts.append(patch(iris, fan, forward, Material(look.eyes), head))
        brow = at(*(f'{s}face{i}' for i in range(9, 14)))
        thick = np.array([0.006, 0.012, 0.015, 0.016, 0.013])[:, None] * body.dims['head'] * _Z
        strip = np.concatenate([brow + thick, brow - thick])
        quads = [(i, i + 1, i + 6) for i in range(4)] + [(i, i + 6, i + 5) for i in range(4)]
        parts.append(patch(strip, quads, _X, Material(tuple(0.7 * np.array(look.hair))), head))
        wing = at('nose1', 'nose2', 'nose3', 'nose4', 'nose5', f'{s}face15', f'{s}face14', out=0)
        wing[6] += [-0.03 * body.dims['head'], 0.01 * body.dims['head'] * sign, 0]
        wing[0] -= [0.02 * body.dims['head'], 0, 0]
        flank = [(0, 1, 6), (1, 2, 6), (2, 3, 6), (3, 5, 6)]
        below = [(3, 4, 5), (5, 4, 6)]
        parts.append(patch(wing, flank, (0.75, 0.6 * sign, 0.25), Material(look.skin), head))
        parts.append(patch(wing, below, (0.4, 0.2 * sign, -0.9), shade, head))
    outer = [f'{s}mouth{i}' for s, i in zip('rrr', (1, 2, 3), strict=True)] + ['mouth1']
    outer += ['lmouth3', 'lmouth2', 'lmouth1', 'lmouth4', 'lmouth5', 'mouth2', 'rmouth5', 'rmouth4']
    inner = ['rmouth6', 'rmouth7', 'mouth3', 'lmouth7', 'lmouth6', 'lmouth8', 'mouth4', 'rmouth8']
    fan = [(0, i, i + 1) for i in range(1, 11)]
    parts.append(patch(at(*outer), fan, _X, lips, head))
    fan = [(0, i, i + 1) for i in range(1, 7)]
    parts.append(patch(at(*inner, out=4), fan, _X, Material(tuple(skin * 0.35)), head))
    return parts


def _hair(base, size, look):
    dark = tuple(0.72 * c for c in look.hair)
    hair = Material(look.hair, MOTTLED, dark, 9.0)
    top = np.array([0.79, 0.81, 0.84, 0.88, 0.92, 0.96, 0.985, 1.0])
    crown = _shell(base + [0, 0, 0.025 * size], size, top, hair, 1.07, 3)
    low = 0.28 if look.hair_style == 'short' else 0.18
    behind = np.radians([82, 278])
    back = _shell(
        base, size, np.linspace(low, 0.82, 9), hair, 1.07, 5, arc=behind, n_sides=14, cap=False
    )
    parts = [crown, back]
    t = np.linspace(-1, 1, 7)
    if look.hair_style == 'bun':
        half = 0.2 * size * np.sqrt(1.02 - t**2)
        centres = base + size * np.stack([0 * t - 0.38, 0 * t, 0.8 + 0.2 * t], axis=-1)
        parts.append(loft(centres, _Y, _X, half, half, hair, _bound(7), 10))
    if look.hair_style == 'long':
        heights = np.linspace(0.5, -0.75, 10)
        centres = base + size * np.stack(
            [np.interp(heights, [-0.75, 0, 0.5], [-0.2, -0.14, 0.02]), 0 * heights, heights], -1
        )
        width = np.interp(heights, [-0.75, -0.3, 0.5], [0.2, 0.32, 0.37]) * size
        depth = np.interp(heights, [-0.75, 0, 0.5], [0.16, 0.25, 0.44]) * size
        free = np.clip(0.3 - heights, 0, 1) / 1.05
        share = _bound(10, head=1 - free, neck=free * 0.4, thor=free * 0.6)
        parts.append(
            loft(
                centres, _Y, _X, width, depth, hair, share, 14, arc=np.radians([98, 262]), cap=False
            )
        )
    return parts
