"""The takes of the simulated release: who does what, for how long, and what is wrong with it."""

import functools
import itertools
from dataclasses import dataclass, field

import numpy as np

from posepile.ds.h36m.simulate_metadata import base_name
from posepile.simulate.appearance import Appearance
from posepile.simulate.body import LANDMARK_INDEX, Body
from posepile.simulate.scene import Performer

FPS = 50
PUBLIC_SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
TEST_SUBJECTS = (9, 11)

#: The 32 joints of the pose files, in order, as landmarks of the studio. Several coincide.
SOURCE_LANDMARKS = (
    'pelv rhip rkne rank rfoo rtoe lhip lkne lank lfoo ltoe '  # Hips, legs
    'pelv spin neck head htop '  # Spine, Spine1, Neck, Head, Site
    'neck lsho lelb lwri lwri lthu lfin lfin '
    'neck rsho relb rwri rwri rthu rfin rfin'
).split()
PARENTS = (
    -1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 12, 16, 17, 18, 19, 20, 19, 22,
    12, 24, 25, 26, 27, 28, 27, 30,
)  # fmt: skip

#: What the mocap of some of S9's takes is off by in the release, mm in the world.
S9_SHIFT = np.array([200.0, 0.0, 0.0])
_SHIFTED = ('Greeting', 'SittingDown 1', 'Waiting 1')


@dataclass(frozen=True)
class Take:
    """One take, that is, one subaction of an action of a subject.

    Attributes:
        motion: type of motion of the studio's performer.
        n: number of pose rows.
        excess: frames by which the videos are longer.
        place, heading: where the person is (mm), and whereto they look (radians).
        missing_video: index of the camera whose video is not in the release.
        short_video: index of the camera whose video ends before the poses, and its frames.
        box_rows: number of box masks of each camera, where it is not ``n``.
        in_full: whether each frame of the videos is drawn. Otherwise it is done where frames are
            picked by the usual rules, and just behind; in between the picture stands still.
    """

    subject: int
    action: int
    subaction: int
    motion: str
    n: int
    excess: int = 2
    place: tuple[float, float] = (0.0, 0.0)
    heading: float = 0.5
    missing_video: int | None = None
    short_video: tuple[int, int] | None = None
    box_rows: int | None = None
    in_full: bool = field(default=False, compare=False)

    @property
    def key(self):
        return self.subject, self.action, self.subaction

    @property
    def name(self):
        """Base name of the files."""
        return base_name(*self.key)

    @property
    def is_test(self):
        return self.subject in TEST_SUBJECTS

    @property
    def is_shifted(self):
        return self.subject == 9 and self.name in _SHIFTED

    def video_length(self, i_camera) -> int:
        """Number of frames of a video; 0 if there is none."""
        if i_camera == self.missing_video:
            return 0
        if self.short_video is not None and i_camera == self.short_video[0]:
            return self.short_video[1]
        return self.n + self.excess

    def is_drawn(self, i_frame) -> bool:
        """See ``in_full``."""
        if self.in_full or i_frame % 64 in (0, 1):
            return True
        # S9 is trained with in one protocol.
        return i_frame < self.n and self.subject != 11 and i_frame % 5 < 2 - self.is_test


TINY = (
    Take(1, 12, 1, 'swing', 61, box_rows=60),  # its last step-5 frame has no box
    Take(1, 14, 1, 'walk', 36, excess=0, in_full=True),
    Take(1, 14, 2, 'walk', 101, heading=2.2),
    Take(5, 2, 2, 'swing', 61, short_video=(1, 40)),
    Take(6, 13, 1, 'mixed', 66),
    Take(7, 6, 1, 'reach', 61, place=(1600, 1500)),  # at the borders of the images
    Take(8, 16, 2, 'kick', 66, excess=8, missing_video=3),
    Take(9, 5, 1, 'reach', 70),
    Take(9, 5, 2, 'mixed', 70, excess=72),
    Take(9, 10, 2, 'sit', 130, box_rows=127),  # frame 128 has no box
    Take(9, 13, 1, 'mixed', 70, place=(-300, 400)),
    Take(11, 2, 2, 'mixed', 195, excess=4),
)


def takes_of(size) -> tuple[Take, ...]:
    """The takes of a ``tiny`` or ``small`` release."""
    return TINY if size == 'tiny' else TINY + _more_takes()


def _more_takes():
    motions = itertools.cycle(['walk', 'reach', 'sit', 'swing', 'kick', 'mixed'])
    return tuple(
        Take(subject, action, subaction, next(motions), 130, heading=0.4 * action)
        for subject in PUBLIC_SUBJECTS
        for action in (3, 4)
        for subaction in (1, 2)
    )


@functools.lru_cache(maxsize=16)
def performer_of(take, seed=0) -> Performer:
    """Who performs in a take, where they really were: without the shift of S9's takes.

    The same subject has the same body and clothes in all of their takes.
    """
    body = Body.random(np.random.default_rng([seed, take.subject, 0]))
    return Performer.random(
        np.random.default_rng([seed, *take.key]),
        motion=take.motion,
        n_frames=take.n,
        fps=FPS,
        position=take.place,
        heading=take.heading,
        body=body,
        look=Appearance.random(np.random.default_rng([seed, take.subject, 1]), body.female),
    )


def true_joints(take, seed=0) -> np.ndarray:
    """(n, 32, 3) where the joints really were, world mm."""
    return performer_of(take, seed).joints(SOURCE_LANDMARKS)


def recorded_joints(take, seed=0) -> np.ndarray:
    """(n, 32, 3) what the release says about it: in some of S9's takes, they are shifted."""
    joints = true_joints(take, seed)
    return joints + S9_SHIFT if take.is_shifted else joints


@functools.cache
def universal_lengths() -> np.ndarray:
    """(32,) distance of each joint from its parent in the universal skeleton, mm."""
    body = Body.build(1700)
    rest = body.landmark_rest
    joints = np.array([rest[LANDMARK_INDEX[name]] for name in SOURCE_LANDMARKS])
    return np.linalg.norm(joints - joints[list(PARENTS)], axis=1) * (np.array(PARENTS) >= 0)


def with_universal_bones(joints) -> np.ndarray:
    """The poses (n, 32, 3) with the bone lengths of the universal skeleton, the root in place."""
    result = np.array(joints, np.float64)
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            bone = joints[:, j] - joints[:, parent]
            length = np.linalg.norm(bone, axis=1, keepdims=True)
            direction = bone / np.where(length > 0, length, 1)
            result[:, j] = result[:, parent] + direction * universal_lengths()[j]
    return result
