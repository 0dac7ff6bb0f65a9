"""Fingers of made-up models: joints in the hands, which share the movement of their vertices."""

import dataclasses

import numpy as np

from posepile.simulate.skinning import smoothstep

# Where the three joints and the tip of each finger are: shares of the hand's length, from the wrist
# along the hand and across it, towards the thumb.
_ALONG = (0.5, 0.68, 0.82, 0.93)
_PLACES = {
    'index': (_ALONG, (0.13, 0.13, 0.13, 0.13)),
    'middle': (_ALONG, (0.045, 0.045, 0.045, 0.045)),
    'ring': (_ALONG, (-0.045, -0.045, -0.045, -0.045)),
    'pinky': (_ALONG, (-0.13, -0.13, -0.13, -0.13)),
    'thumb': ((0.15, 0.32, 0.48, 0.56), (0.11, 0.155, 0.185, 0.22)),
}
_THUMB_ENDS, _THUMB_BEGINS = 0.6, 0.135  # along and across the hand
_BLEND = 0.15


def finger_joints(points) -> dict:
    """Joints and tips (3,) by name, in T-pose: hands are stretched sideways, thumbs in front."""
    joints = {}
    for side, sign in (('l', 1), ('r', -1)):
        wrist, length = points[f'{side}wri'], _hand_length(points, side)
        for finger, places in _PLACES.items():
            for part, along, across in zip(('1', '2', '3', '_skin'), *places, strict=True):
                offset = length * np.array([sign * along, 0, across])
                joints[f'{side}{finger}{part}'] = wrist + offset
    return joints


def with_fingers(surface, points, names):
    """The surface with hands that move with the fingers instead of the wrist alone."""
    weights = surface.weights.copy()
    for side, sign in (('l', 1), ('r', -1)):
        local = (surface.vertices - points[f'{side}wri']) / _hand_length(points, side)
        along, across = sign * local[:, 0], local[:, 2]
        wrist = names.index(f'{side}wri')
        of_hand = weights[:, wrist].copy()
        fingers = np.digitize(across, (-0.0875, 0, 0.0875))  # little finger to index finger
        fingers[(across > _THUMB_BEGINS) & (along < _THUMB_ENDS)] = 4
        for i, finger in enumerate(('pinky', 'ring', 'middle', 'index', 'thumb')):
            own = (fingers == i) & (of_hand > 0)
            shares = [of_hand[own]]
            for start in _PLACES[finger][0][:3]:
                shares.append(of_hand[own] * smoothstep((along[own] - start) / _BLEND + 0.5))
            for k, name in enumerate((f'{side}wri', *(f'{side}{finger}{j}' for j in (1, 2, 3)))):
                later = shares[k + 1] if k < 3 else 0
                weights[own, names.index(name)] = shares[k] - later
    return dataclasses.replace(surface, weights=weights)


def hand_poses(rng) -> dict:
    """Arrays ``hands_*`` of a model: mean pose, principal components, coefficients of samples."""
    # Fingers close about the axis that points forwards in T-pose. A right hand is mirrored.
    mean = rng.normal(0, 0.03, (15, 3)) + [0, 0, -0.25]
    mean[12:] = rng.normal(0, 0.03, (3, 3)) + [0.2, 0.1, 0]  # thumb
    components = np.linalg.qr(rng.normal(size=(45, 45)))[0]
    spread = 0.8 / np.sqrt(1 + np.arange(45))
    mirror = np.tile([1.0, -1, -1], 15)
    return dict(
        hands_meanl=mean.ravel(),
        hands_meanr=mean.ravel() * mirror,
        hands_componentsl=components,
        hands_componentsr=components * mirror,
        hands_coeffsl=rng.normal(size=(100, 45)) * spread,
        hands_coeffsr=rng.normal(size=(100, 45)) * spread,
    )


def _hand_length(points, side):
    return np.linalg.norm(points[f'{side}tip'] - points[f'{side}wri'])
