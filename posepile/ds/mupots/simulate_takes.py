"""Who does what in the simulated MuPoTS-3D release, and what is wrong with it."""

from dataclasses import dataclass

import numpy as np

from posepile.ds.tdhp.simulate_takes import TEST_LANDMARKS, universal
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer

_CAST = ('reach', 'swing', 'kick', 'walk', 'still', 'mixed')
_LONGEST = 12
_SQUARE, _WIDE = (800, 800), (560, 996)  # (height, width), half of the real ones or less
_ROOT = 14


@dataclass(frozen=True)
class Take:
    """One of the sequences.

    Attributes:
        number: 1..20; indoors up to 5.
        n_people: columns of the annotations.
        n_frames: rows of the annotations, and images.
        distance: between neighbours, mm.
        absent: (frame, person) who are not valid, and have zeros for coordinates.
        impostors: (frame, person, other): who is not valid, and has the pose of another person,
            moved to where that person's detection is.
        detections: (frame, person) -> what is special about the detection: ``'missed'``,
            ``'elsewhere'``, ``'unsure'`` (below 0.2, but it counts) or ``'doubtful'`` (below 0.1).
        false_alarms: frames in which nobody is detected somewhere, too.
        unlisted: frames that the detections say nothing about.
    """

    number: int
    n_people: int = 2
    n_frames: int = 3
    distance: float = 1100
    absent: tuple[tuple[int, int], ...] = ()
    impostors: tuple[tuple[int, int, int], ...] = ()
    detections: tuple[tuple[tuple[int, int], str], ...] = ()
    false_alarms: tuple[int, ...] = ()
    unlisted: tuple[int, ...] = ()

    @property
    def imshape(self):
        return _SQUARE if self.number <= 5 else _WIDE

    @property
    def is_indoors(self):
        return self.number <= 5


TINY = (
    Take(1, 3, 4, absent=((1, 2), (2, 0))),
    Take(2, absent=((1, 0), (1, 1))),  # a frame without any valid person
    Take(3, 1),  # a single column
    Take(4, 3, 1),  # a single row
    Take(5, impostors=((1, 0, 1),)),
    Take(6, n_frames=4, distance=420),
    Take(7, 3, detections=(((0, 1), 'missed'), ((1, 0), 'missed'), ((1, 1), 'missed'))),
    Take(8, false_alarms=(0, 2)),
    Take(9, detections=(((0, 0), 'unsure'), ((1, 1), 'doubtful'), ((2, 0), 'elsewhere'))),
    Take(10, unlisted=(1,)),
    Take(11, 1, 1),
    Take(12, 3, 2, distance=380),
    *(Take(number, n_frames=2) for number in range(13, 20)),
    Take(20, 3, 2, distance=2800),  # partly out of the picture
)


def takes_of(size) -> tuple[Take, ...]:
    """The sequences of a ``tiny`` or ``small`` release; both have all 20."""
    if size == 'tiny':
        return TINY
    return tuple(t if t.n_frames == 1 else Take(**{**vars(t), 'n_frames': _LONGEST}) for t in TINY)


def cast_of(seed) -> list[Performer]:
    """People whom all sequences share."""
    return [
        Performer.random(
            np.random.default_rng([seed, 5, i]), motion=motion, n_frames=_LONGEST, fps=2
        )
        for i, motion in enumerate(_CAST)
    ]


def performers_of(take, cast, rng) -> list[Performer]:
    """The people of a sequence, side by side, facing the camera more or less."""
    chosen = rng.permutation(len(cast))[: take.n_people]
    performers = []
    for i, who in enumerate(chosen):
        heading = -np.pi / 2 + rng.uniform(-0.9, 0.9)
        c, s = np.cos(heading), np.sin(heading)
        rotation = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
        middle = cast[who].joints(['pelv'])[: take.n_frames, 0].mean(axis=0) * [1, 1, 0]
        place = [(i - (take.n_people - 1) / 2) * take.distance, rng.uniform(-250, 250), 0]
        performers.append(cast[who].moved(rotation, place - rotation @ middle))
    return performers


def camera_of(take, rng) -> StudioCamera:
    """A camera in the studio, with pixels that are not square and a centre of its own."""
    height, width = take.imshape
    eye = [rng.uniform(-600, 600), -rng.uniform(4300, 4700), rng.uniform(1100, 1600)]
    looking = StudioCamera.look_at(eye, [0, 0, 950], take.imshape, focal=0.78 * width)
    K = looking.K.copy()
    K[:2, 2] += rng.uniform(-15, 15, 2)
    K[1, 1] *= rng.uniform(0.99, 1.01)
    return StudioCamera(K, looking.R, looking.t, looking.imshape)


@dataclass(frozen=True, eq=False)
class TakePoses:
    """What the people of a sequence really do, in camera space: (F, P, 17, 2 or 3)."""

    pixels: np.ndarray
    joints: np.ndarray
    univ_joints: np.ndarray

    @classmethod
    def of(cls, take, performers, camera):
        """As a camera sees them."""
        joints, univ_joints = [], []
        for performer in performers:
            own = camera.world_to_camera(performer.joints(TEST_LANDMARKS)[: take.n_frames])
            joints.append(own)
            univ_joints.append(universal(own, _ROOT, performer.body.stature))
        joints, univ_joints = np.stack(joints, axis=1), np.stack(univ_joints, axis=1)
        return cls(camera.camera_to_image(joints), joints, univ_joints)
