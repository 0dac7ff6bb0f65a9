"""Shape of the head, the 68 face landmarks, and the bones and landmarks of a hand."""

import numpy as np

# Head outline from chin (0) to top (1): half width, half depth (both as a fraction of the head
# height) and how far the section's centre lies in front of the skull base.
_HEAD_HEIGHTS = np.array([0.0, 0.03, 0.1, 0.2, 0.32, 0.45, 0.6, 0.72, 0.84, 0.93, 0.98, 1.0])
_HEAD_WIDTHS = np.array([0.06, 0.13, 0.2, 0.25, 0.29, 0.315, 0.325, 0.32, 0.28, 0.21, 0.12, 0.02])
_HEAD_DEPTHS = np.array([0.05, 0.12, 0.2, 0.27, 0.36, 0.405, 0.42, 0.41, 0.355, 0.26, 0.15, 0.02])
_HEAD_CENTRES = np.array([0.31, 0.28, 0.22, 0.15, 0.07, 0.04, 0.025, 0.02, 0.015, 0.01, 0.005, 0.0])
_EXPONENT = 2.3
_FACE_HALF_WIDTH = 0.325

# Right half and midline of the iBUG 68 scheme: (lateral as a fraction of the half width of the
# face, height between chin and top of the head, protrusion as a fraction of the head height).
_FACE = {
    'nose1': (0, 0.545, 0.015),
    'nose2': (0, 0.49, 0.045),
    'nose3': (0, 0.44, 0.08),
    'nose4': (0, 0.395, 0.115),
    'rface14': (0.20, 0.35, 0.035),
    'rface15': (0.10, 0.34, 0.06),
    'nose5': (0, 0.335, 0.07),
    'rface9': (0.74, 0.605, 0.012),
    'rface10': (0.61, 0.635, 0.015),
    'rface11': (0.46, 0.645, 0.017),
    'rface12': (0.31, 0.635, 0.018),
    'rface13': (0.15, 0.615, 0.018),
    'reye1': (0.60, 0.535, 0.005),
    'reye2': (0.50, 0.557, 0.008),
    'reye3': (0.36, 0.557, 0.008),
    'reye4': (0.25, 0.53, 0.005),
    'reye5': (0.36, 0.518, 0.006),
    'reye6': (0.50, 0.518, 0.006),
    'rmouth1': (0.36, 0.225, 0.015),
    'rmouth2': (0.22, 0.247, 0.035),
    'rmouth3': (0.08, 0.26, 0.045),
    'mouth1': (0, 0.254, 0.045),
    'mouth2': (0, 0.172, 0.045),
    'rmouth5': (0.10, 0.176, 0.042),
    'rmouth4': (0.24, 0.195, 0.035),
    'rmouth6': (0.31, 0.224, 0.02),
    'rmouth7': (0.11, 0.231, 0.042),
    'mouth3': (0, 0.229, 0.044),
    'mouth4': (0, 0.212, 0.044),
    'rmouth8': (0.11, 0.213, 0.042),
}
# The jaw line: height, and lateral position as a fraction of the head's half width at that height.
_JAW = {
    'rface1': (0.51, 0.985),
    'rface2': (0.43, 0.985),
    'rface3': (0.35, 0.98),
    'rface4': (0.27, 0.97),
    'rface5': (0.20, 0.96),
    'rface6': (0.13, 0.93),
    'rface7': (0.07, 0.86),
    'rface8': (0.03, 0.6),
    'chin': (0.01, 0.0),
}

FACE_NAMES = tuple(
    'rface1 rface2 rface3 rface4 rface5 rface6 rface7 rface8 chin '
    'lface8 lface7 lface6 lface5 lface4 lface3 lface2 lface1 '
    'rface9 rface10 rface11 rface12 rface13 lface13 lface12 lface11 lface10 lface9 '
    'nose1 nose2 nose3 nose4 rface14 rface15 nose5 lface15 lface14 '
    'reye1 reye2 reye3 reye4 reye5 reye6 leye4 leye3 leye2 leye1 leye6 leye5 '
    'rmouth1 rmouth2 rmouth3 mouth1 lmouth3 lmouth2 lmouth1 lmouth4 lmouth5 mouth2 '
    'rmouth5 rmouth4 rmouth6 rmouth7 mouth3 lmouth7 lmouth6 lmouth8 mouth4 rmouth8'.split()
)
"""The 68 face landmarks in iBUG order, from the person's right ear over the chin to the left."""


def head_section(height):
    """(half width, half depth, centre) of the head at ``height`` in 0..1, in head heights."""
    return tuple(
        np.interp(height, _HEAD_HEIGHTS, v) for v in (_HEAD_WIDTHS, _HEAD_DEPTHS, _HEAD_CENTRES)
    )


def head_surface(lateral, height, protrusion=0.0):
    """Point on the front of the head: (forward, left, up from the chin) in head heights.

    Args:
        lateral: position to the left, in head heights; limited to the width of the head there.
        height: 0 at the chin to 1 at the top.
        protrusion: distance in front of the surface.
    """
    width, depth, centre = head_section(height)
    ratio = np.clip(np.abs(lateral) / width, 0, 0.999)
    forward = centre + depth * (1 - ratio**_EXPONENT) ** (1 / _EXPONENT)
    return np.array([forward + protrusion, np.sign(lateral) * ratio * width, height])


def face_points():
    """The 68 landmarks (68, 3) in head heights, axes as in :func:`head_surface`."""
    right = {n: (-y * _FACE_HALF_WIDTH, z, out) for n, (y, z, out) in _FACE.items()}
    right |= {n: (-y * head_section(z)[0], z, 0.0) for n, (z, y) in _JAW.items()}
    points = []
    for name in FACE_NAMES:
        if name in right:
            y, z, out = right[name]
        else:
            y, z, out = right['r' + name[1:]]
            y = -y
        points.append(head_surface(y, z, out))
    return np.array(points)


FINGERS = ('thu', 'ind', 'mid', 'rin', 'lit')
# Four points per finger from base to tip: (along the hand, towards the thumb) in hand lengths.
_FINGER_POINTS = {
    'thu': [(0.15, 0.13), (0.33, 0.25), (0.46, 0.34), (0.58, 0.41)],
    'ind': [(0.50, 0.13), (0.72, 0.145), (0.84, 0.15), (0.95, 0.155)],
    'mid': [(0.51, 0.02), (0.76, 0.02), (0.89, 0.02), (1.00, 0.02)],
    'rin': [(0.48, -0.085), (0.70, -0.095), (0.83, -0.10), (0.93, -0.105)],
    'lit': [(0.43, -0.18), (0.60, -0.21), (0.70, -0.225), (0.79, -0.235)],
}
# Flexion of the three joints of a finger in a full fist, degrees.
FIST_ANGLES = {f: (75, 95, 60) for f in FINGERS} | {'thu': (25, 35, 50)}


def hand_points():
    """(21, 2) wrist, then four points of each finger; along and thumb-wards in hand lengths."""
    return np.array([(0.0, 0.0)] + [p for f in FINGERS for p in _FINGER_POINTS[f]])
