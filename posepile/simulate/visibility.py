"""How deep below the skin each landmark lies, for the depth test of visibility."""

import numpy as np

from posepile.simulate.face_hands import FACE_NAMES

# Millimetres of one's own body that may lie between the camera and a landmark which still counts
# as seen. Thick parts have deep joints; the two sides of the head must not see through it.
_BY_NAME = {
    **dict.fromkeys(('pelv', 'bell', 'spin', 'thor', 'neck'), 190.0),
    **dict.fromkeys(('skul', 'head'), 130.0),
    'htop': 60.0,
    'nose': 25.0,
    **dict.fromkeys(('cla', 'sho'), 120.0),
    'hip': 175.0,
    **dict.fromkeys(('elb', 'kne'), 90.0),
    **dict.fromkeys(('wri', 'ank', 'hee', 'foo'), 70.0),
    **dict.fromkeys(('toe', 'toe2'), 45.0),
    **dict.fromkeys(('eye', 'ear'), 30.0),
}
_FACE = 25.0
_HAND = 35.0


def depth_tolerances(names):
    """(J,) tolerances in mm of the named landmarks."""
    return np.array([_tolerance(name) for name in names])


def _tolerance(name):
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in FACE_NAMES:
        return _FACE
    return _BY_NAME.get(name[1:], _HAND)
