"""Motions of whole clips: walking, chains of movements on the spot, standing, stillness.

A motion is computed on a time axis of its own, so that a clip can hold still: frames that share a
time share the pose, to the last bit.
"""

import dataclasses

import numpy as np

from posepile.errors import OptionError
from posepile.simulate import gestures, pose, rotations
from posepile.simulate.pose import STAND

MOTIONS = ('walk', 'reach', 'sit', 'swing', 'kick', 'still', 'mixed', 'pose')
"""What :func:`random_skeleton` accepts as ``motion``."""

_STANCE = 0.62  # part of the walking cycle in which a foot is on the ground
_MID_STANCE = 0.29  # part of the cycle at which the body passes over the foot
# Foot pitch over the cycle in degrees: heel strike, flat, heel off, toe off, swing.
_PITCH_KEYS = ((0, -18), (0.09, 0), (0.36, 0), (0.5, 16), (0.62, 46), (0.72, 40), (0.87, 0),
               (0.95, -17), (1, -18))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where the person stands or, when walking, passes at the middle of the clip."""

    position: tuple = (0.0, 0.0)
    heading: float = 0.0


def random_skeleton(
    body, rng, motion, n_frames, fps, placement, static=False, pauses=(), speed=None
):
    """A random motion, posed.

    Args:
        body: the :class:`~posepile.simulate.body.Body` that moves.
        rng: numpy Generator.
        motion: one of ``MOTIONS``.
        n_frames: number of frames.
        fps: frames per second.
        placement: the :class:`Placement`.
        static: keep the first pose in all frames, exactly.
        pauses: frame ranges (start, end) with exactly the same pose; the motion slows down before
            and speeds up after. ``mixed`` adds pauses by itself if there are none.
        speed: walking speed in m/s, by default about 1.3.

    Returns:
        A :class:`~posepile.simulate.pose.Skeleton` of ``n_frames`` frames.

    Raises:
        OptionError: if the motion is unknown.
    """
    if motion not in MOTIONS:
        raise OptionError(f'No motion is called {motion!r}. There are: {", ".join(MOTIONS)}.')
    if motion == 'mixed' and not pauses:
        pauses = _random_pauses(n_frames, fps, rng)
    times = np.zeros(n_frames) if static else warped_times(n_frames, fps, pauses)
    # Frames of equal time are computed once, which makes them equal whatever the rounding.
    unique, inverse = np.unique(times, return_inverse=True)
    if motion == 'walk':
        middle = unique[-1] / 2
        channels, xy, heading = _walk(body, rng, unique - middle, placement, speed)
    else:
        keys, start = _chain(motion, rng, unique[-1])
        channels = gestures.interpolate(keys, unique + start)
        xy = np.broadcast_to(np.asarray(placement.position, np.float64), (len(unique), 2))
        heading = np.full(len(unique), float(placement.heading))
    _add_sway(channels, rng, unique)
    if motion == 'pose':
        _add_variety(channels, rng)
    skeleton = pose.solve(body, channels, xy, heading)
    return pose.Skeleton(skeleton.rotations[inverse], skeleton.positions[inverse])


def warped_times(n_frames, fps, pauses):
    """Motion time (T,) in seconds of each frame; constant in each pause, smooth beside it."""
    frames = np.arange(n_frames)
    pace = np.ones(n_frames)
    for start, end in pauses:
        distance = np.maximum(np.maximum(start - frames, frames - (end - 1)), 0)
        ramp = np.clip((distance - (frames <= start)) / (0.2 * fps), 0, 1)
        ramp[(frames > start) & (frames < end)] = 0
        pace = np.minimum(pace, ramp * ramp * (3 - 2 * ramp))
    # The pace of a frame is the time that passed since the frame before.
    return np.concatenate([[0.0], np.cumsum(pace[1:])]) / fps


def _random_pauses(n_frames, fps, rng):
    pauses, frame = [], int(rng.uniform(0.8, 2) * fps)
    while frame < n_frames:
        end = frame + int(rng.uniform(0.5, 1.5) * fps)
        pauses.append((frame, min(end, n_frames)))
        frame = end + int(rng.uniform(0.8, 2.5) * fps)
    return pauses


def _chain(motion, rng, duration):
    """Key poses of movements one after the other, and the time at which the clip begins."""
    if motion == 'still':
        return ((0.0, {}), (1.0, {})), 0.0
    first = gestures.random_gesture(motion, rng)
    begin, end = first.interesting
    start = rng.uniform(begin, max(begin + 1e-6, end - duration))
    if motion == 'pose':
        start = rng.uniform(begin, end)
    keys = list(first.keys)
    while keys[-1][0] < start + duration:
        offset = keys[-1][0] + rng.uniform(0.3, 0.9)
        following = gestures.random_gesture(motion, rng)
        keys += [(offset + time, channels) for time, channels in following.keys]
    return keys, start


def _add_sway(channels, rng, times):
    """Breathing, balance and small idle movements, as slow sines with random phases."""
    extents = {
        'pelvis_fwd': 0.008, 'pelvis_left': 0.01, 'chest_pitch': 0.8, 'chest_yaw': 1.5,
        'head_yaw': 5.0, 'head_pitch': 2.5, 'head_roll': 1.5, 'l_flex': 2.0, 'r_flex': 2.0,
        'l_elbow': 2.5, 'r_elbow': 2.5, 'l_curl': 0.06, 'r_curl': 0.06,
    }  # fmt: skip
    for name, extent in extents.items():
        rates, phases = rng.uniform(0.12, 0.45, 2), rng.uniform(0, 2 * np.pi, 2)
        sway = sum(np.sin(2 * np.pi * f * times + p) for f, p in zip(rates, phases, strict=True))
        channels[name] = channels.get(name, STAND[name]) + extent * rng.uniform(0.5, 1) * sway / 2


def _add_variety(channels, rng):
    """Shifts the joint angles of a still, so that no two people hold quite the same pose."""
    spreads = {'chest_yaw': 10, 'chest_pitch': 5, 'chest_roll': 5, 'head_yaw': 18, 'head_pitch': 8,
               'head_roll': 5}  # fmt: skip
    for side in 'lr':
        spreads |= {f'{side}_flex': 14, f'{side}_abd': 9, f'{side}_twist': 14,
                    f'{side}_elbow': 16, f'{side}_pron': 20, f'{side}_curl': 0.15}  # fmt: skip
    for name, spread in spreads.items():
        channels[name] = channels.get(name, STAND[name]) + rng.normal(0, spread)


def _walk(body, rng, times, placement, speed):
    """Channels, root track and heading of a walk that is at ``placement`` at time 0."""
    speed = 1000 * (rng.normal(1.3, 0.08) if speed is None else speed)
    step = 0.415 * body.stature * np.sqrt(speed / 1300) * rng.uniform(0.96, 1.04)
    period = 2 * step / speed
    # Short clips go almost straight, long ones around a circle, so that people stay in view.
    length = speed * (times[-1] - times[0])
    radius = rng.uniform(1800, 3500) if length > 5000 else rng.uniform(8000, 30000)
    path = _Path(placement, rng.choice([-1, 1]) / radius)
    arc = speed * times
    xy, heading = path.at(arc)
    first_phase = rng.random()

    channels = {}
    phases = {'l': times / period + first_phase, 'r': times / period + first_phase + 0.5}
    swing = rng.uniform(16, 28)
    for side, sign in (('l', 1), ('r', -1)):
        other = 2 * np.pi * phases['r' if side == 'l' else 'l']
        forward = np.cos(other - 0.35)
        channels[f'{side}_flex'] = 2 + swing * forward
        channels[f'{side}_elbow'] = 22 + 10 * forward
        ankle, pitch, direction = _walking_foot(
            body, sign, path, speed * period, phases[side], first_phase + (side == 'r') * 0.5
        )
        local = ankle - np.concatenate([xy, np.zeros((len(xy), 1))], axis=1)
        local = (rotations.about(2, -heading) @ local[..., None])[..., 0]
        leg = body.dims['hip']
        channels[f'{side}_foot_fwd'] = local[:, 0] / leg
        channels[f'{side}_foot_out'] = (sign * local[:, 1] - body.dims['hip_half']) / leg / 0.5
        channels[f'{side}_foot_up'] = (local[:, 2] - body.dims['ankle']) / leg
        channels[f'{side}_foot_pitch'] = pitch
        # A planted foot keeps its direction while the body turns above it.
        channels[f'{side}_foot_yaw'] = 7 + sign * np.degrees(direction - heading)
    cycle = 2 * np.pi * (phases['l'] - _MID_STANCE)
    channels['pelvis_left'] = 0.02 * np.cos(cycle)
    channels['pelvis_roll'] = 2.5 * np.cos(cycle)
    channels['pelvis_yaw'] = 5 * np.sin(cycle)
    channels['chest_yaw'] = -9 * np.sin(cycle)
    channels['pelvis_down'] = np.full(len(times), 0.012)
    channels['chest_pitch'] = np.full(len(times), rng.uniform(1, 6))
    return channels, xy, heading


@dataclasses.dataclass(frozen=True)
class _Path:
    """A circular arc through a placement."""

    placement: Placement
    curvature: float

    def at(self, arc):
        """(T, 2) points and (T,) headings at arc lengths in mm."""
        h0, k = self.placement.heading, self.curvature
        heading = h0 + k * arc
        offset = np.stack(
            [(np.sin(heading) - np.sin(h0)) / k, (np.cos(h0) - np.cos(heading)) / k], axis=-1
        )
        return np.asarray(self.placement.position) + offset, heading


def _walking_foot(body, sign, path, stride, phase, first_phase):
    """World ankle (T, 3), foot pitch in degrees (T,), direction of the foot (T,)."""
    cycle = np.floor(phase)
    part = phase - cycle
    keys = [(time, {'l_foot_pitch': value}) for time, value in _PITCH_KEYS]

    def pitch_at(u):
        return gestures.interpolate(keys, u)['l_foot_pitch']

    def planted(cycle, u):
        """Ankle over the footprint of a cycle, rolling over heel and ball."""
        xy, heading = path.at(stride * (cycle + _MID_STANCE - first_phase))
        angle = np.radians(pitch_at(u))
        pivot = np.where(angle < 0, -body.dims['heel'], body.dims['ball'])
        turned = (
            rotations.about(1, angle)
            @ np.stack(
                [-pivot, np.zeros_like(pivot), np.full_like(pivot, body.dims['ankle'])], axis=-1
            )[..., None]
        )
        local = turned[..., 0] + np.stack([pivot, np.zeros_like(pivot), 0 * pivot], axis=-1)
        local[:, 1] += sign * (body.dims['hip_half'] * 0.75)
        ground = np.concatenate([xy, np.zeros((len(xy), 1))], axis=1)
        return ground + (rotations.about(2, heading) @ local[..., None])[..., 0], heading

    def constant(u):
        return np.full_like(part, u)

    stance, heading = planted(cycle, np.minimum(part, _STANCE))
    h = 1e-3
    off, heading_off = planted(cycle, constant(_STANCE))
    off_speed = (off - planted(cycle, constant(_STANCE - h))[0]) / h
    on, heading_on = planted(cycle + 1, constant(0.0))
    on_speed = (planted(cycle + 1, constant(h))[0] - on) / h
    duration = 1 - _STANCE
    w = np.clip((part - _STANCE) / duration, 0, 1)
    hermite = [
        (1 + 2 * w) * (1 - w) ** 2, w * (1 - w) ** 2 * duration, w * w * (3 - 2 * w),
        w * w * (w - 1) * duration,
    ]  # fmt: skip
    flight = sum(
        f[:, None] * v for f, v in zip(hermite, (off, off_speed, on, on_speed), strict=True)
    )
    swinging = part > _STANCE
    ankle = np.where(swinging[:, None], flight, stance)
    heading = np.where(swinging, heading_off + hermite[2] * (heading_on - heading_off), heading)
    return ankle, pitch_at(part), heading
