"""Who does what in the simulated MPI-INF-3DHP release, and what is wrong with it."""

from dataclasses import dataclass

import numpy as np

from posepile.ds.tdhp.simulate_cameras import TO_RELEASE
from posepile.simulate.appearance import Appearance
from posepile.simulate.body import Body
from posepile.simulate.scene import Performer

FPS = 25

#: The 28 joints of the training annotations as landmarks of the studio; of several, the mean.
SOURCE_LANDMARKS = (
    'thor thor+neck spin bell pelv neck head htop '
    'lcla lsho lelb lwri lhan rcla rsho relb rwri rhan '
    'lhip lkne lank lfoo ltoe rhip rkne rank rfoo rtoe'
).split()
#: The 17 joints of the test annotations.
TEST_LANDMARKS = (
    'htop neck rsho relb rwri lsho lelb lwri rhip rkne rank lhip lkne lank pelv bell head'
).split()
_UNIVERSAL_HEIGHT = 1600  # mm


@dataclass(frozen=True)
class Sequence:
    """One of the training sequences.

    Attributes:
        motion: type of motion of the studio's performer.
        n: number of video frames; the annotations have one row more.
        videos: the cameras of which there are videos.
        short_video: a camera whose video has fewer frames, and their number.
        short_masks: the same for its mask video.
        without_masks: a camera that has no mask video.
        place, heading: where the person is in the studio (mm, radians).
        pauses: frame ranges in which nothing moves.
        is_mask_in_two: whether something else in the studio is taken for the person, too.
    """

    subject: int
    sequence: int
    motion: str
    n: int
    videos: tuple[int, ...]
    short_video: tuple[int, int] | None = None
    short_masks: tuple[int, int] | None = None
    without_masks: int | None = None
    place: tuple[float, float] = (0.0, 0.0)
    heading: float = 0.5
    pauses: tuple[tuple[int, int], ...] = ()
    is_mask_in_two: bool = False

    @property
    def folder(self):
        return f'S{self.subject}/Seq{self.sequence}'

    @property
    def is_validation(self):
        return self.subject == 8

    def video_length(self, i_camera) -> int:
        """Number of frames of a video; 0 if there is none."""
        return self._length(i_camera, self.short_video)

    def mask_length(self, i_camera) -> int:
        """Number of frames of a mask video; 0 if there is none."""
        return 0 if i_camera == self.without_masks else self._length(i_camera, self.short_masks)

    def _length(self, i_camera, exception):
        if i_camera not in self.videos:
            return 0
        return exception[1] if exception and exception[0] == i_camera else self.n


@dataclass(frozen=True)
class TestSequence:
    """One of the test sequences.

    Attributes:
        number: 1..6.
        activities: of each annotated frame, 1..7; 0 for frames that are not valid.
        excess: images behind the last annotated one.
    """

    __test__ = False  # pytest

    number: int
    motion: str
    activities: tuple[int, ...]
    excess: int = 0
    place: tuple[float, float] = (0.0, -260.0)
    heading: float = 0.3

    @property
    def folder(self):
        return f'TS{self.number}'


TINY = (
    # Walks through, in and out of the pictures of some cameras.
    Sequence(1, 1, 'walk', 50, (0, 2, 9, 11), place=(1300, 700), short_masks=(9, 30)),
    Sequence(6, 2, 'sit', 60, (2, 5), short_video=(2, 37), is_mask_in_two=True),
    Sequence(8, 1, 'mixed', 60, (1, 4), pauses=((10, 30),), without_masks=4),
)
TINY_TEST = (
    TestSequence(1, 'walk', (1, 0, 1, 2, 2), place=(-1500, -260)),
    TestSequence(3, 'reach', (3, 4, 0, 5), excess=1, place=(-1500, -100)),
    TestSequence(5, 'kick', (6, 7, 7, 0, 6), place=(-570, 390), heading=1.2),
)


def takes_of(size) -> tuple[Sequence | TestSequence, ...]:
    """The sequences of a ``tiny`` or ``small`` release."""
    return TINY + TINY_TEST if size == 'tiny' else TINY + TINY_TEST + _more_takes()


def _more_takes():
    cameras = (0, 1, 4, 7, 10, 12)
    motions = iter(('reach', 'swing', 'kick', 'walk', 'mixed', 'reach', 'swing', 'sit'))
    more = [
        Sequence(subject, sequence, next(motions), 120, cameras, heading=0.7 * subject)
        for subject in (2, 3, 4, 5)
        for sequence in (1, 2)
    ]
    tests = [
        TestSequence(2, 'mixed', (1, 2, 3, 4, 5, 6, 7, 0)),
        TestSequence(4, 'swing', (7, 6, 5, 4, 3, 2, 1), excess=2),
        TestSequence(6, 'walk', (0, 1, 2, 4, 6), place=(-570, 390)),
    ]
    return (*more, *tests)


def performer_of(take, seed=0) -> Performer:
    """Who performs; the same subject has the same body and clothes in all sequences."""
    is_test = isinstance(take, TestSequence)
    who = [seed, 3, is_test, take.number if is_test else take.subject]
    rng = np.random.default_rng(who)
    body = Body.random(rng)
    return Performer.random(
        np.random.default_rng([*who, 0 if is_test else take.sequence]),
        motion=take.motion,
        # Test frames are seconds apart.
        n_frames=len(take.activities) + take.excess if is_test else take.n + 1,
        fps=4 if is_test else FPS,
        position=take.place,
        heading=take.heading,
        pauses=() if is_test else take.pauses,
        body=body,
        look=Appearance.random(rng, body.female),
    )


def release_joints(performer, landmarks) -> np.ndarray:
    """(T, J, 3) in the release's world, mm."""
    parts = [performer.joints(name.split('+')).mean(axis=1) for name in landmarks]
    return np.stack(parts, axis=1) @ TO_RELEASE.T


def universal(joints_cam, i_root, stature) -> np.ndarray:
    """(T, J, 3) in camera space, scaled about the root to the universal height."""
    root = joints_cam[:, [i_root]]
    return root + (joints_cam - root) * (_UNIVERSAL_HEIGHT / stature)
