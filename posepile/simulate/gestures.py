"""Movements on the spot as key poses: (time in seconds, channels that differ from standing).

They begin and end in the standing pose, so that any two can follow each other. Written for
right-handers; :func:`mirrored` makes the others.
"""

import dataclasses

import numpy as np

from posepile.simulate.pose import STAND


@dataclasses.dataclass(frozen=True)
class Gesture:
    """Key poses of one movement; ``interesting`` is the time span in which most happens."""

    name: str
    keys: tuple
    interesting: tuple

    @property
    def duration(self):
        """Length in seconds."""
        return self.keys[-1][0]


_ADDRESS = dict(  # golf: bent over the ball, both hands in front
    pelvis_down=0.06, pelvis_fwd=-0.06, pelvis_pitch=18, chest_pitch=24, head_pitch=10,
    l_flex=46, l_abd=4, l_twist=38, l_elbow=14, r_flex=42, r_abd=4, r_twist=42, r_elbow=18,
    l_curl=0.9, r_curl=0.9, l_foot_out=0.2, r_foot_out=0.2,
)  # fmt: skip
_READY = dict(  # tennis: knees bent, racket hand in front
    pelvis_down=0.1, chest_pitch=15, head_pitch=-8, l_flex=35, l_abd=15, l_elbow=75, l_twist=25,
    r_flex=30, r_abd=18, r_elbow=80, r_twist=20, r_curl=0.9, l_foot_out=0.3, r_foot_out=0.3,
)  # fmt: skip
_SEATED = dict(
    pelvis_down=0.46, pelvis_fwd=-0.44, pelvis_pitch=-6, chest_pitch=8, head_pitch=2,
    l_flex=30, r_flex=30, l_elbow=48, r_elbow=48, l_twist=30, r_twist=30, l_pron=60, r_pron=60,
)  # fmt: skip
_RISING = dict(
    pelvis_down=0.33, pelvis_fwd=-0.32, pelvis_pitch=28, chest_pitch=28, head_pitch=-24,
    l_flex=38, r_flex=38, l_elbow=35, r_elbow=35,
)  # fmt: skip
_STEP_BACK = dict(r_foot_fwd=-0.22, l_foot_fwd=0.14, l_foot_out=0.1, r_foot_out=0.14)


def _golf():
    top = _ADDRESS | dict(
        pelvis_yaw=-38, chest_yaw=-48, head_yaw=60, l_flex=100, l_abd=4, l_twist=50, l_elbow=12,
        r_flex=78, r_abd=38, r_twist=-40, r_elbow=98, l_foot_pitch=12, l_foot_up=0.015,
        pelvis_left=-0.03,
    )  # fmt: skip
    impact = _ADDRESS | dict(
        pelvis_yaw=22, chest_yaw=6, head_yaw=-22, pelvis_left=0.05, l_flex=44, r_flex=46
    )
    finish = dict(
        pelvis_yaw=62, pelvis_left=0.08, chest_yaw=45, chest_pitch=-6, head_yaw=30, l_flex=98,
        l_abd=48, l_elbow=108, l_twist=-45, r_flex=120, r_abd=10, r_elbow=85, r_twist=55,
        l_curl=0.9, r_curl=0.9, l_foot_out=0.2, r_foot_out=0.2, r_foot_pitch=38, r_foot_up=0.06,
    )  # fmt: skip
    keys = ((0, {}), (0.8, _ADDRESS), (1.2, _ADDRESS), (2.1, top), (2.25, top), (2.55, impact),
            (2.95, finish), (3.3, finish), (4.3, {}))  # fmt: skip
    return Gesture('golf', keys, (1.4, 3.1))


def _tennis():
    back = _READY | dict(
        pelvis_yaw=-30, chest_yaw=-42, head_yaw=50, chest_pitch=6, r_flex=18, r_abd=72, r_elbow=48,
        r_twist=-30, l_flex=72, l_abd=18, l_elbow=30,
    )  # fmt: skip
    hit = _READY | dict(
        pelvis_yaw=12, chest_yaw=8, head_yaw=-10, r_flex=52, r_abd=42, r_elbow=22, r_twist=10,
        l_flex=50, l_elbow=88, pelvis_left=0.03,
    )  # fmt: skip
    follow = _READY | dict(
        pelvis_yaw=34, chest_yaw=38, head_yaw=-30, r_flex=98, r_abd=4, r_elbow=112, r_twist=50,
        pelvis_left=0.06, r_foot_pitch=25, r_foot_up=0.035, pelvis_down=0.06,
    )  # fmt: skip
    keys = ((0, {}), (0.5, _READY), (0.8, _READY), (1.35, back), (1.7, hit), (2.05, follow),
            (2.3, follow), (3.0, {}))  # fmt: skip
    return Gesture('tennis', keys, (0.7, 2.2))


def _throw():
    cocked = _STEP_BACK | dict(
        pelvis_yaw=-35, chest_yaw=-40, chest_pitch=-10, head_yaw=60, r_flex=8, r_abd=88,
        r_elbow=100, r_twist=-60, l_flex=70, l_abd=25, l_elbow=18, r_curl=0.6, pelvis_fwd=-0.08,
    )  # fmt: skip
    release = _STEP_BACK | dict(
        pelvis_yaw=15, chest_yaw=20, chest_pitch=18, r_flex=125, r_abd=30, r_elbow=28,
        r_twist=-20, l_flex=10, l_elbow=85, pelvis_fwd=0.08, r_foot_pitch=35, r_foot_up=0.05,
    )  # fmt: skip
    follow = release | dict(
        chest_yaw=45, chest_pitch=38, r_flex=40, r_abd=4, r_elbow=32, r_twist=40, pelvis_down=0.08
    )
    keys = ((0, {}), (0.5, _STEP_BACK), (1.1, cocked), (1.45, release), (1.7, follow),
            (1.9, follow), (2.7, {}))  # fmt: skip
    return Gesture('throw', keys, (0.6, 1.9))


def _kick():
    wind_up = dict(
        r_foot_fwd=-0.42, r_foot_up=0.30, r_foot_pitch=60, pelvis_yaw=-14, chest_yaw=12,
        pelvis_fwd=0.02, pelvis_left=0.055, l_flex=40, l_abd=45, r_flex=-30, r_abd=20,
        pelvis_down=0.06,
    )  # fmt: skip
    strike = dict(
        r_foot_fwd=0.25, r_foot_up=0.06, r_foot_pitch=30, pelvis_yaw=14, chest_pitch=12,
        pelvis_left=0.055, l_flex=-18, l_abd=40, r_flex=20, r_abd=35, pelvis_down=0.07,
    )  # fmt: skip
    high = strike | dict(
        r_foot_fwd=0.84, r_foot_up=0.50, r_foot_pitch=20, pelvis_pitch=-16, chest_pitch=22,
        l_flex=65, l_abd=20, r_flex=-25,
    )  # fmt: skip
    land = dict(r_foot_fwd=0.22, pelvis_fwd=0.07, pelvis_down=0.05, l_flex=20)
    keys = ((0, {}), (0.35, dict(pelvis_left=0.055)), (0.75, wind_up), (1.0, strike),
            (1.25, high), (1.75, land), (1.95, land), (2.5, {}))  # fmt: skip
    return Gesture('kick', keys, (0.45, 1.7))


def _sit():
    keys = ((0, {}), (0.55, _RISING), (1.2, _SEATED), (2.6, _SEATED), (3.1, _RISING),
            (3.8, {}), (4.0, {}))  # fmt: skip
    return Gesture('sit', keys, (0.2, 3.6))


def _wave():
    out = dict(r_flex=30, r_abd=95, r_elbow=70, r_twist=-65, r_pron=40, r_curl=0.05, head_roll=-4)
    into = out | dict(r_elbow=105, r_abd=88)
    keys = ((0, {}), (0.6, out), (0.9, into), (1.2, out), (1.5, into), (1.8, out), (2.5, {}))
    return Gesture('wave', keys, (0.2, 2.2))


def _squat():
    low = dict(
        pelvis_down=0.42, pelvis_fwd=-0.2, pelvis_pitch=22, chest_pitch=14, head_pitch=-20,
        l_flex=85, r_flex=85, l_elbow=12, r_elbow=12, l_foot_out=0.2, r_foot_out=0.2,
    )  # fmt: skip
    apart = dict(l_foot_out=0.2, r_foot_out=0.2)
    return Gesture('squat', ((0, {}), (0.3, apart), (1.2, low), (2.1, apart), (2.5, {})), (0.3, 2))


def _reach(rng):
    """Both random: where the hand goes, and how far the trunk follows."""
    flex, abd, elbow = rng.uniform(40, 150), rng.uniform(5, 60), rng.uniform(8, 35)
    yaw, low = rng.uniform(-35, 25), max(0.0, 80 - flex) / 80
    far = dict(
        r_flex=flex, r_abd=abd, r_elbow=elbow, r_curl=0.1, r_pron=rng.uniform(-30, 50),
        chest_yaw=-0.6 * yaw, pelvis_yaw=-0.3 * yaw, chest_pitch=8 + 30 * low,
        pelvis_pitch=25 * low, pelvis_down=0.04 + 0.12 * low, pelvis_fwd=0.03 - 0.1 * low,
        head_yaw=-0.4 * yaw, head_pitch=30 * low - 0.15 * max(0, flex - 90), l_abd=16,
    )  # fmt: skip
    grasp = far | dict(r_curl=0.75)
    keys = ((0, {}), (0.9, far), (1.3, grasp), (1.6, grasp), (2.4, {}))
    return Gesture('reach', keys, (0.1, 2.2))


def _lift():
    down = dict(
        pelvis_down=0.3, pelvis_fwd=-0.16, pelvis_pitch=42, chest_pitch=38, head_pitch=-20,
        l_flex=62, r_flex=62, l_elbow=8, r_elbow=8, l_twist=25, r_twist=25, l_curl=0.6, r_curl=0.6,
        l_foot_out=0.16, r_foot_out=0.16,
    )  # fmt: skip
    held = dict(l_flex=32, r_flex=32, l_elbow=85, r_elbow=85, l_twist=28, r_twist=28, l_curl=0.6,
                r_curl=0.6, l_foot_out=0.16, r_foot_out=0.16, chest_pitch=-4)  # fmt: skip
    keys = ((0, {}), (1.0, down), (1.3, down), (2.1, held), (2.7, held), (3.4, {}))
    return Gesture('lift', keys, (0.2, 3.2))


def _jumping_jack():
    wide = dict(l_abd=118, r_abd=118, l_flex=45, r_flex=45, l_elbow=25, r_elbow=25, l_twist=-40,
                r_twist=-40, l_foot_out=0.5, r_foot_out=0.5)  # fmt: skip
    keys = ((0, {}), (0.5, wide), (1.0, {}), (1.5, wide), (2.0, {}))
    return Gesture('arms', keys, (0.0, 2.0))


_BY_MOTION = {
    'reach': (_reach,),
    'sit': (_sit,),
    'swing': (_golf, _tennis, _throw),
    'kick': (_kick,),
    'mixed': (
        _reach, _reach, _golf, _tennis, _throw, _kick, _wave, _squat, _lift, _jumping_jack, _sit
    ),
    'pose': (
        _reach, _reach, _golf, _tennis, _throw, _kick, _wave, _squat, _lift, _jumping_jack
    ),
}  # fmt: skip


def random_gesture(motion, rng):
    """A random variant of a movement that belongs to ``motion``, with its own tempo and extent."""
    makers = _BY_MOTION[motion]
    maker = makers[rng.integers(len(makers))]
    gesture = maker(rng) if maker is _reach else maker()
    if rng.random() < 0.3 or (maker is _reach and rng.random() < 0.5):
        gesture = mirrored(gesture)
    tempo, extent = rng.uniform(0.85, 1.2), rng.uniform(0.85, 1.08)
    if maker is _sit:
        extent = 1.0  # the seat has a given height
    keys = tuple(
        (time * tempo, {n: STAND[n] + extent * (v - STAND[n]) for n, v in pose.items()})
        for time, pose in gesture.keys
    )
    return Gesture(gesture.name, keys, tuple(tempo * t for t in gesture.interesting))


def mirrored(gesture):
    """The same movement with left and right exchanged."""
    return dataclasses.replace(
        gesture,
        keys=tuple(
            (time, dict(_mirrored_channel(n, v) for n, v in pose.items()))
            for time, pose in gesture.keys
        ),
    )


def _mirrored_channel(name, value):
    if name.startswith(('l_', 'r_')):
        return {'l': 'r', 'r': 'l'}[name[0]] + name[1:], value
    if name.endswith(('_yaw', '_roll', '_left')):
        return name, -value
    return name, value


def interpolate(keys, times):
    """Channels (T,) at ``times``: monotone cubic through the key poses, constant outside.

    Channels that no key pose changes are left out.
    """
    from scipy.interpolate import PchipInterpolator

    key_times = np.array([k[0] for k in keys], np.float64)
    names = sorted({name for _, pose in keys for name in pose})
    if not names:
        return {}
    table = np.array([[pose.get(n, STAND[n]) for n in names] for _, pose in keys])
    values = PchipInterpolator(key_times, table)(np.clip(times, key_times[0], key_times[-1]))
    return dict(zip(names, values.T, strict=True))
