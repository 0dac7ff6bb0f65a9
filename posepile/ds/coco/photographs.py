"""Photographs of studio people, annotated as in COCO and COCO-WholeBody."""

from dataclasses import dataclass

import numpy as np

from posepile.simulate import mesh
from posepile.simulate.camera import StudioCamera
from posepile.simulate.markers import draw_markers
from posepile.simulate.scene import Performer, Scene

#: Order of the keypoints in the files, as studio landmarks.
BODY = (
    'nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank'
).split()
FOOT = 'ltoe ltoe2 lhee rtoe rtoe2 rhee'.split()
FACE = (
    'rface1 rface2 rface3 rface4 rface5 rface6 rface7 rface8 chin '
    'lface8 lface7 lface6 lface5 lface4 lface3 lface2 lface1 '
    'rface9 rface10 rface11 rface12 rface13 lface13 lface12 lface11 lface10 lface9 '
    'nose1 nose2 nose3 nose4 rface14 rface15 nose5 lface15 lface14 '
    'reye1 reye2 reye3 reye4 reye5 reye6 leye4 leye3 leye2 leye1 leye6 leye5 '
    'rmouth1 rmouth2 rmouth3 mouth1 lmouth3 lmouth2 lmouth1 lmouth4 lmouth5 mouth2 rmouth5 '
    'rmouth4 rmouth6 rmouth7 mouth3 lmouth7 lmouth6 lmouth8 mouth4 rmouth8'
).split()
PARTS = {
    'foot': FOOT,
    'face': FACE,
    'lefthand': [f'lhan{i}' for i in range(1, 22)],
    'righthand': [f'rhan{i}' for i in range(1, 22)],
}
#: Those joints of BODY that are far enough apart for markers.
MARKED = BODY[5:]

_UPRIGHT = 1250.0  # mm between the lowest and the highest joint
_EYE = np.array([3500.0, 0.0, 1300.0])  # within every room, in front of the furniture


@dataclass(frozen=True)
class PersonPlan:
    """How a person stands and is annotated.

    Attributes:
        labels: 17 digits, the visibility flags of the body of a person who stands upright; by
            default 2 for joints that are seen, 1 for those that are hidden, 0 for those out of
            the picture.
        parts: annotated parts, of ``foot face lefthand righthand``, or ``none``.
        right, behind: place in mm, as seen from the camera.
        whole_box: the box holds the hidden rest of the body, too, and may leave the picture.
        twice: annotated twice.
    """

    labels: str = ''
    parts: str = 'foot face lefthand righthand'
    right: float = 0
    behind: float = 0
    whole_box: bool = False
    twice: bool = False


@dataclass(frozen=True)
class PhotoPlan:
    """What a photograph shows.

    Attributes:
        split: ``train`` or ``val`` of 2014.
        people: the annotated people.
        shape: (height, width).
        span: px between the outermost joints (labelled ones if flags are given) of the first
            person, along the longer side of their box; exact, after rounding.
        raised: mm by which the camera looks above the middle of the people.
        grey: stored without colour.
        pole: whether a pole stands in front of the first person.
        crowd: number of people in the background who are annotated as a crowd.
        split17: its split in 2017.
    """

    split: str
    people: tuple[PersonPlan, ...] = (PersonPlan(),)
    shape: tuple[int, int] = (480, 640)
    span: int = 260
    raised: float = 0
    grey: bool = False
    pole: bool = False
    crowd: int = 0
    split17: str = ''


@dataclass
class PhotographedPerson:
    """One person in a photograph.

    Attributes:
        plan: their :class:`PersonPlan`.
        keypoints: (17, 3) int: x, y, visibility flag.
        parts: name -> (n, 3) x, y (2 decimals) and whether it is in the picture, by part.
        mask: (H, W) bool.
        box: (4,) as annotated.
    """

    plan: PersonPlan
    keypoints: np.ndarray
    parts: dict
    mask: np.ndarray
    box: np.ndarray


@dataclass
class Photograph:
    """A picture and what is annotated in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        people: list of :class:`PhotographedPerson`.
        crowd: (H, W) bool.
        markers: (M, 2) pixels where markers are drawn, or None.
    """

    image: np.ndarray
    people: list
    crowd: np.ndarray
    markers: np.ndarray | None


def photograph(plan, rng, markers=False):
    """Take the picture of a plan.

    Args:
        markers: draw a marker on each annotated joint of MARKED.

    Returns:
        :class:`Photograph`.
    """
    performers = [_performer(rng, p.right, p.behind, p.labels != '') for p in plan.people]
    n_people = len(performers)
    spread = np.linspace(-1800, 1800, plan.crowd) if plan.crowd else ()
    performers += [_performer(rng, x, rng.uniform(3200, 4000)) for x in spread]
    occluders = []
    if plan.pole:
        person = plan.people[0]
        wood = mesh.Material((150, 120, 80), mesh.STRIPES_ALONG, (120, 90, 60), 200.0)
        occluders = [mesh.post((700 - person.behind, 0.8 * person.right), 45, 2600, wood)]
    scene = Scene(performers, occluders=occluders, seed=int(rng.integers(2**31)))
    camera = _camera(plan, performers[:n_people])
    frame = scene.render(camera, 0)
    people = [
        _annotated(scene, frame, camera, k, performers[k], person)
        for k, person in enumerate(plan.people)
    ]
    points = None
    if markers:
        rows = [BODY.index(name) for name in MARKED]
        keypoints = np.concatenate([np.zeros((0, 3)), *(p.keypoints[rows] for p in people)])
        points = keypoints[keypoints[:, 2] > 0, :2]
        draw_markers(frame.image, points)
    return Photograph(
        image=frame.image,
        people=people,
        crowd=frame.instance_ids > n_people,
        markers=points,
    )


def _performer(rng, right, behind, upright=False):
    for _ in range(100):
        performer = Performer.random(
            rng,
            motion='pose',
            n_frames=1,
            position=(-behind, right),
            heading=rng.uniform(-0.5, 0.5),
        )
        if not upright or np.ptp(performer.joints(BODY, 0)[:, 2]) > _UPRIGHT:
            break
    return performer


def _camera(plan, performers):
    """A camera that looks at the middle of the people, zoomed to the planned span."""
    if not performers:
        return StudioCamera.look_at(_EYE, (0, 0, 900), plan.shape)
    points = np.concatenate([p.joints(BODY, 0) for p in performers])
    target = (points.min(axis=0) + points.max(axis=0)) / 2 + [0, 0, plan.raised]
    labels = plan.people[0].labels or '2' * len(BODY)
    names = [name for name, label in zip(BODY, labels, strict=True) if label != '0']
    joints = performers[0].joints(names, 0)

    def at(focal, aside=0.0):
        camera = StudioCamera.look_at(_EYE, target + [0, aside, aside], plan.shape, focal=focal)
        return camera, np.ptp(np.rint(camera.project(joints)), axis=0).max()

    focal = 500.0
    for _ in range(10):
        focal *= plan.span / at(focal)[1]
    # Steps of less than a tenth of a pixel. From the very middle, two ends that lie symmetrically
    # would be rounded in the same step, and the span would jump by 2.
    for i in range(500):
        camera, span = at(focal * (1 + (-1) ** i * (i // 2) * 1e-4), aside=0.7 * (i % 7))
        if span == plan.span:
            return camera
    raise AssertionError(f'no zoom gives a span of {plan.span} px')


def _annotated(scene, frame, camera, k, performer, plan):
    pixels = camera.project(performer.joints(BODY, 0))
    keypoints = np.rint(pixels).astype(int)
    if plan.labels:
        flags = np.array([int(label) for label in plan.labels])
    else:
        seen = scene.visible_landmarks(camera, 0, k, BODY)
        flags = np.where(_is_inside(keypoints, camera.imshape), np.where(seen, 2, 1), 0)
    keypoints[flags == 0] = 0
    parts = {}
    for part, names in PARTS.items():
        points = np.round(camera.project(performer.joints(names, 0)), 2)
        parts[part] = np.column_stack([points, _is_inside(points, camera.imshape)])
    mask = frame.mask(k)
    box = scene.full_box(camera, 0, k) if plan.whole_box else frame.box(k)
    return PhotographedPerson(
        plan, np.column_stack([keypoints, flags]), parts, mask, np.round(box, 2)
    )


def _is_inside(points, imshape):
    return np.all((points >= 0) & (points <= np.array(imshape[::-1]) - 1), axis=1)
