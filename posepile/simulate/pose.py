"""From a few meaningful channels per frame to the position and rotation of every bone.

Trunk and arms are driven by joint angles, the legs by where the feet stand: the knee follows by
two-bone inverse kinematics, so planted feet do not slide and bone lengths never change. Angles of
the channels are in degrees.
"""

import dataclasses

import numpy as np

from posepile.simulate import rotations
from posepile.simulate.body import BONE_INDEX, BONES, PARENTS, arm_axes
from posepile.simulate.face_hands import FINGERS, FIST_ANGLES

_TRUNK = {f'{part}_{axis}': 0.0 for part in ('chest', 'head') for axis in ('roll', 'pitch', 'yaw')}
_ARM = {'flex': 4.0, 'abd': 9.0, 'twist': 12.0, 'elbow': 14.0, 'pron': 10.0, 'curl': 0.3}
_FOOT = {
    'foot_fwd': 0.0,
    'foot_out': 0.06,
    'foot_up': 0.0,
    'foot_pitch': 0.0,
    'foot_yaw': 8.0,
}

STAND = {
    **{f'pelvis_{axis}': 0.0 for axis in ('fwd', 'left', 'roll', 'pitch', 'yaw')},
    'pelvis_down': 0.025,
    **_TRUNK,
    **{f'{side}_{name}': value for side in 'lr' for name, value in (_ARM | _FOOT).items()},
}
"""All channels and their values while standing at ease.

``pelvis_fwd/left/down`` and ``foot_fwd/out/up`` are in leg lengths; the chest turns relative to
the pelvis and the head relative to the chest; ``foot_pitch`` lowers the toes; ``flex`` and ``abd``
lift the upper arm forwards and sideways, ``twist`` turns it inwards. Feet never sink into the
ground: a pitched foot rests on its heel or ball.
"""

LIMITS = {
    'chest_roll': (-35, 35),
    'chest_pitch': (-30, 75),
    'chest_yaw': (-70, 70),
    'head_roll': (-35, 35),
    'head_pitch': (-50, 55),
    'head_yaw': (-75, 75),
    'flex': (-55, 172),
    'abd': (3, 120),
    'twist': (-75, 90),
    'elbow': (4, 146),
    'pron': (-80, 80),
    'curl': (0, 1),
    'foot_pitch': (-35, 70),
    'foot_yaw': (-30, 45),
}
"""Range of each joint angle; channel values outside are clipped to it."""

MAX_KNEE_FLEXION = 150.0
_MIN_KNEE_FLEXION = 4.0


@dataclasses.dataclass(frozen=True, eq=False)
class Skeleton:
    """Posed bones of T frames: ``rotations`` (T, S, 3, 3) body-rest to world, ``positions``."""

    rotations: np.ndarray
    positions: np.ndarray


def solve(body, channels, root_xy, heading):
    """Poses the bones.

    Args:
        body: the person's shape.
        channels: dict of (T,) arrays; the channels left out are those of ``STAND``.
        root_xy: (T, 2) where the person stands, world mm.
        heading: (T,) direction the person faces, radians from world x.

    Returns:
        The :class:`Skeleton` with world positions (T, S, 3) in mm.
    """
    n_frames = len(root_xy)
    values = {n: np.broadcast_to(channels.get(n, v), n_frames) for n, v in STAND.items()}
    clipped = {n: _clip(n, v) for n, v in values.items()}
    degrees = {n: np.radians(v) for n, v in clipped.items()}
    R = np.zeros((n_frames, len(BONES), 3, 3))
    p = np.zeros((n_frames, len(BONES), 3))
    base_rot = rotations.about(2, heading)
    base = np.concatenate([root_xy, np.zeros((n_frames, 1))], axis=1)
    i = BONE_INDEX

    R[:, 0] = base_rot @ _euler(degrees, 'pelvis')
    feet = {s: _foot(body, s, clipped, degrees, base, base_rot, heading) for s in 'lr'}
    p[:, 0] = _pelvis_position(body, values, base, base_rot, R[:, 0], feet)

    third = rotations.euler(*(degrees[f'chest_{a}'] / 3 for a in ('roll', 'pitch', 'yaw')))
    half = rotations.euler(*(degrees[f'head_{a}'] / 2 for a in ('roll', 'pitch', 'yaw')))
    for name in ('bell', 'spin', 'thor', 'neck', 'head'):
        local = third if name in ('bell', 'spin', 'thor') else half
        R[:, i[name]] = R[:, PARENTS[i[name]]] @ local
        _attach(body, R, p, i[name])
    for side, sign in (('l', 1), ('r', -1)):
        _leg(body, side, R, p, feet[side])
        _arm(body, side, sign, R, p, degrees)
        _fingers(body, side, sign, R, p, clipped[f'{side}_curl'])
    return Skeleton(R, p)


def _clip(name, value):
    low, high = LIMITS.get(name) or LIMITS.get(name[2:]) or (-np.inf, np.inf)
    return np.clip(value, low, high)


def _euler(degrees, part):
    return rotations.euler(*(degrees[f'{part}_{axis}'] for axis in ('roll', 'pitch', 'yaw')))


def _attach(body, R, p, bone):
    """Places a bone at the end of its parent."""
    parent = PARENTS[bone]
    offset = body.origins[bone] - body.origins[parent]
    p[:, bone] = p[:, parent] + R[:, parent] @ offset


def _foot(body, side, channels, degrees, base, base_rot, heading):
    """Position of the ankle, rotation of the foot, and bend of the toes, as the channels ask."""
    sign = 1 if side == 'l' else -1
    leg = body.dims['hip']
    pitch = degrees[f'{side}_foot_pitch']
    height = body.dims['ankle'] + channels[f'{side}_foot_up'] * leg
    lowest = body.dims['ankle'] * np.cos(pitch) + np.maximum(
        body.dims['ball'] * np.sin(pitch), -body.dims['heel'] * np.sin(pitch)
    )
    clearance = np.maximum(height - lowest, 0)
    # Toes stay flat on the ground while the heel rises, and straighten in the air.
    toe_bend = np.clip(pitch, 0, np.radians(50)) * np.clip(1 - clearance / 50, 0, 1)
    local = np.stack(
        [
            channels[f'{side}_foot_fwd'] * leg,
            sign * (body.dims['hip_half'] + channels[f'{side}_foot_out'] * leg * 0.5),
            lowest + clearance,
        ],
        axis=-1,
    )
    ankle = base + (base_rot @ local[..., None])[..., 0]
    yaw = heading + sign * degrees[f'{side}_foot_yaw']
    return ankle, rotations.about(2, yaw) @ rotations.about(1, pitch), toe_bend


def _pelvis_position(body, channels, base, base_rot, pelvis_rot, feet):
    """Pelvis where the channels ask for it, lowered as far as the legs need to reach the feet."""
    leg = body.dims['hip']
    local = np.stack([channels['pelvis_fwd'] * leg, channels['pelvis_left'] * leg], axis=-1)
    xy = base[:, :2] + (base_rot[:, :2, :2] @ local[..., None])[..., 0]
    limits = [leg * (1 - channels['pelvis_down'])]
    reach = 0.997 * (body.length('lthi', 'lsha') + body.length('lsha', 'lfoo'))
    for side, (ankle, *_) in feet.items():
        offset = pelvis_rot @ (body.origin(f'{side}thi') - body.origin('pelv'))
        flat = np.sum((ankle[:, :2] - xy - offset[:, :2]) ** 2, axis=-1)
        up = np.sqrt(np.maximum(reach**2 - flat, (0.3 * reach) ** 2))
        limits.append(ankle[:, 2] + up - offset[:, 2])
    # A smooth minimum, so that the pelvis does not jerk when a leg becomes straight.
    softness = 0.008 * leg
    limits = np.stack(limits)
    lowest = limits.min(axis=0)
    z = lowest - softness * np.log(np.sum(np.exp((lowest - limits) / softness), axis=0))
    return np.concatenate([xy, z[:, None]], axis=1)


def _leg(body, side, R, p, foot):
    thigh, shank, foot_bone, toe = (BONE_INDEX[side + b] for b in ('thi', 'sha', 'foo', 'toe'))
    target, foot_rot, toe_bend = foot
    _attach(body, R, p, thigh)
    upper, lower = body.length(f'{side}thi', f'{side}sha'), body.length(f'{side}sha', f'{side}foo')
    to_ankle = target - p[:, thigh]

    def span(flexion):
        return np.sqrt(upper**2 + lower**2 + 2 * upper * lower * np.cos(np.radians(flexion)))

    distance = np.linalg.norm(to_ankle, axis=-1)
    direction = to_ankle / distance[:, None]
    distance = np.clip(distance, span(MAX_KNEE_FLEXION), span(_MIN_KNEE_FLEXION))
    cos = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    sin = np.sqrt(np.maximum(1 - cos**2, 0))
    # The knee points where the toes and the pelvis point; forwards if the thigh is horizontal.
    pole = foot_rot[:, :, 0] * [1, 1, 0] + R[:, 0, :, 0] + [0, 0, 0.3]
    axes = rotations.frame(direction, pole)
    knee_dir = cos[:, None] * axes[..., 0] + sin[:, None] * axes[..., 1]
    shin = distance[:, None] * direction - upper * knee_dir
    rest = rotations.frame(np.array([0.0, 0, -1]), np.array([1.0, 0, 0]))
    R[:, thigh] = rotations.frame(knee_dir, axes[..., 1]) @ rest.T
    R[:, shank] = rotations.frame(shin, axes[..., 1]) @ rest.T
    R[:, foot_bone] = foot_rot
    R[:, toe] = foot_rot @ rotations.about(1, -toe_bend)
    for bone in (shank, foot_bone, toe):
        _attach(body, R, p, bone)


def _arm(body, side, sign, R, p, degrees):
    collar, upper, fore, hand = (BONE_INDEX[side + b] for b in ('cla', 'uar', 'far', 'hnd'))
    chest = R[:, BONE_INDEX['thor']]
    flex, abd, twist, elbow, pron = (
        degrees[f'{side}_{n}'] for n in ('flex', 'abd', 'twist', 'elbow', 'pron')
    )
    along = np.stack(
        [np.sin(flex) * np.cos(abd), sign * np.sin(abd), -np.cos(flex) * np.cos(abd)], axis=-1
    )
    bend = np.stack([np.cos(flex), np.zeros_like(flex), np.sin(flex)], axis=-1)
    turn = rotations.about_axis(along, sign * twist)
    bend = (turn @ bend[..., None])[..., 0]
    # The collar bone rises once the arm is above the horizontal.
    lift = np.clip(np.arccos(np.clip(-along[:, 2], -1, 1)) - np.radians(60), 0, None) * 0.25
    R[:, collar] = chest @ rotations.about(0, sign * lift)

    rest_along, rest_thumb, _ = arm_axes(sign)
    rest = rotations.frame(rest_along, rest_thumb)
    c, s = np.cos(elbow)[:, None], np.sin(elbow)[:, None]
    fore_along, fore_bend = c * along + s * bend, c * bend - s * along
    R[:, upper] = chest @ rotations.frame(along, bend) @ rest.T
    forearm = rotations.frame(fore_along, fore_bend)
    half, full = (
        rotations.about_axis(fore_along, sign * pron * f) @ forearm @ rest.T for f in (0.5, 1)
    )
    R[:, fore] = chest @ half
    R[:, hand] = chest @ full
    for bone in (collar, upper, fore, hand):
        _attach(body, R, p, bone)


def _fingers(body, side, sign, R, p, curl):
    along, _, palm = arm_axes(sign)
    axis = np.cross(along, palm)
    for finger in FINGERS:
        for i, fist in enumerate(FIST_ANGLES[finger]):
            bone = BONE_INDEX[f'{side}{finger}{i}']
            local = rotations.about_axis(axis, np.radians(fist) * curl)
            R[:, bone] = R[:, PARENTS[bone]] @ local
            _attach(body, R, p, bone)
