"""Pictures of people in the synthetic studio, with exact masks.

Used by ``train_studio_people.py``. Training pictures come in groups that share a background and
the people to choose from, which take longer to make than a picture of them: in groups, pictures
take a quarter of the time. What a picture shows depends on nothing but its kind, the number of its
group and its place there. Training and held-out pictures have numbers in different ranges.
"""

import dataclasses

import cv2
import numpy as np

from posepile.simulate.background import KINDS as BACKGROUNDS
from posepile.simulate.background import Background
from posepile.simulate.camera import StudioCamera
from posepile.simulate.crowd import appearances, random_crowd, random_people
from posepile.simulate.motion import MOTIONS
from posepile.simulate.performer import Performer
from posepile.simulate.scene import Scene, mask_box, random_occluder

GROUP = 16
"""Number of training pictures that share surroundings and people."""

HELD_OUT_START = 1_000_000
"""Groups of this number and above are never trained on. Held-out groups are single pictures."""

GREY = 114
"""What surrounds a picture that is smaller than the input of the network."""

_SEED = 20261  # the first entry of all seeds here, so that tests of the project use others
_MOST_PEOPLE = 7
_STATURE = 1700  # mm, of an average person
_HEIGHTS = 60, 300  # px, of people at a gathering
_ROOM_MARGIN = 700  # mm that people keep from walls
_ATTEMPTS = 60


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of picture.

    Attributes:
        number: its entry in the seeds.
        imshape: (height, width) in pixels.
        padded: (height, width) of training pictures with grey bars, multiples of 32.
        n_people: range of the number of people, the end excluded.
        closeness: range of the share of people right in front of or behind one another.
        gatherings: share of the pictures that are gatherings, see :func:`random_gathering`.
        main_height: range of the height of the person in the middle, as a part of the height of
            the picture; None if nobody is meant in particular.
    """

    number: int
    imshape: tuple
    padded: tuple
    n_people: tuple
    closeness: tuple = (0.0, 0.6)
    gatherings: float = 0.0
    main_height: tuple | None = None


TRAINING_KINDS = {
    # Whole frames as a detector is given them.
    'frame': Kind(1, (360, 640), (384, 640), (1, 8), gatherings=0.35),
    # Parts of frames, at the scale of the frame, with more people than most frames have.
    'view': Kind(2, (320, 320), (320, 320), (2, 8)),
    # Around one person, as the crops of a dataset.
    'crop': Kind(3, (384, 384), (384, 384), (1, 5), main_height=(0.42, 0.85)),
}
HELD_OUT_KINDS = {
    'gathering': Kind(4, (360, 640), (384, 640), (3, 6), gatherings=1.0),
    'crowd': Kind(5, (360, 640), (384, 640), (1, 7), closeness=(0.6, 0.6)),
    'crop': Kind(6, (640, 640), (640, 640), (1, 5), main_height=(0.5, 0.7)),
}
KINDS = {f'train_{k}': v for k, v in TRAINING_KINDS.items()} | HELD_OUT_KINDS


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """A picture and the people in it.

    Attributes:
        image: (h, w, 3) uint8 RGB, after JPEG compression.
        masks: (n, h, w) bool: visible pixels of the people that are seen at all.
        boxes: (n, 4) tight boxes [left, top, width, height] of the masks.
        visible: (n,) part of what each person would cover in the image that nothing hides.
    """

    image: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    visible: np.ndarray


def held_out_sample(kind_name, number):
    """The :class:`Sample` of one of ``HELD_OUT_KINDS`` and a number from 0."""
    rng, kind, background = _start(kind_name, HELD_OUT_START + number)
    scene, camera = _random_scene(rng, kind, background, None)
    image, ids = _picture(rng, scene, camera)
    masks = [ids == k + 1 for k in range(len(scene.performers))]
    seen = [k for k, mask in enumerate(masks) if mask.any()]
    masks = np.array([masks[k] for k in seen]).reshape(-1, *kind.imshape)
    visible = [
        masks[i].sum() / max(scene.amodal_mask(camera, 0, k).sum(), 1) for i, k in enumerate(seen)
    ]
    boxes = np.array([mask_box(mask) for mask in masks]).reshape(-1, 4)
    return Sample(image, masks, boxes, np.array(visible))


def training_group(kind_name, number):
    """(GROUP, h, w, 4) uint8: RGB of the padded pictures, and who is seen (0: nobody).

    Ids are 1 to 7; there are never more people.
    """
    rng, kind, background = _start(f'train_{kind_name}', number)
    cast = [_random_member(rng) for _ in range(_MOST_PEOPLE + 1)]
    h, w = kind.imshape
    top, left = (kind.padded[0] - h) // 2, (kind.padded[1] - w) // 2
    pictures = np.zeros((GROUP, *kind.padded, 4), np.uint8)
    pictures[..., :3] = GREY
    for i in range(GROUP):
        scene, camera = _random_scene(rng, kind, background, cast)
        image, ids = _picture(rng, scene, camera)
        part = pictures[i, top : top + h, left : left + w]
        part[..., :3], part[..., 3] = image, ids
    return pictures


def _start(kind_name, number):
    kind = KINDS[kind_name]
    rng = np.random.default_rng([_SEED, kind.number, number])
    return rng, kind, Background.random(rng, BACKGROUNDS[rng.integers(len(BACKGROUNDS))])


def _random_member(rng):
    """Somebody at the origin, with the surface built already."""
    performer = Performer.random(rng, MOTIONS[rng.integers(len(MOTIONS))], n_frames=1)
    assert performer.skin is not None
    return performer


def _random_scene(rng, kind, background, cast):
    n_people = int(rng.integers(*kind.n_people))
    if rng.random() < kind.gatherings:
        return random_gathering(rng, max(n_people, 3), background, cast)
    height = kind.main_height and rng.uniform(*kind.main_height) * kind.imshape[0]
    return random_crowd(
        rng, kind.imshape, n_people, height, closeness=rng.uniform(*kind.closeness),
        background=background, cast=cast,
    )  # fmt: skip


def _picture(rng, scene, camera):
    """RGB image after JPEG compression, and instance ids."""
    frame = scene.render(camera, 0)
    quality = int(rng.integers(50, 96))
    _, jpeg = cv2.imencode('.jpg', frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1], frame.instance_ids


def random_gathering(rng, n_people, background, cast=None):
    """People who stand about, all of them within a 640 x 360 frame, and the camera.

    They are 60 to 300 px tall and nobody is put behind anybody on purpose. In half of the scenes
    something stands between the camera and one of them.

    Returns:
        Scene and camera.
    """
    while True:
        camera = _random_eye(rng, background)
        places = _places_in_view(rng, camera, n_people, background)
        if len(places) < n_people:
            continue
        people = random_people(rng, places) if cast is None else appearances(rng, cast, places)
        things = [_thing_in_front(rng, camera, places)] if rng.random() < 0.5 else []
        scene = Scene(people, background, things, seed=int(rng.integers(2**31)))
        boxes = np.array([scene.full_box(camera, 0, k) for k in range(n_people)])
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        heights = boxes[:, 3]
        if (
            np.all(low >= 0) and np.all(high <= np.array(camera.imshape[::-1]) - 1)
            and np.all((heights >= _HEIGHTS[0]) & (heights <= _HEIGHTS[1]))
        ):  # fmt: skip
            return scene, camera


def _random_eye(rng, background):
    """A camera at the height of a person or somewhat more that looks ahead or slightly down."""
    h, w = imshape = KINDS['gathering'].imshape
    focal = w * np.exp(rng.uniform(np.log(0.6), np.log(1.6)))
    angle = rng.uniform(0, 2 * np.pi)
    forward = np.array([np.cos(angle), np.sin(angle), -np.tan(np.radians(rng.uniform(-2, 14)))])
    back = (min(background.room[:2]) - _ROOM_MARGIN) * rng.uniform(0.5, 1)
    eye = np.array([*-back * forward[:2], rng.uniform(900, 2400)])
    return StudioCamera.look_at(eye, eye + forward, imshape, focal=focal, roll=rng.normal(0, 0.02))


def _places_in_view(rng, camera, n_people, background):
    """Points (x, y) of people who are all in view, as many as are found; mostly ``n_people``."""
    focal, (h, w) = camera.K[0, 0], camera.imshape
    forward = camera.R[2, :2] / np.linalg.norm(camera.R[2, :2])
    right = np.array([forward[1], -forward[0]])
    usual = rng.uniform(*np.log([80, 260]))  # they are of similar sizes, mostly
    places = []
    for _ in range(_ATTEMPTS):
        if len(places) == n_people:
            break
        height = np.exp(rng.normal(usual, 0.35))
        depth = focal * _STATURE / height
        column = rng.uniform(-0.46, 0.46) * w
        place = camera.t[:2] + depth * (forward + column / focal * right)
        ends = camera.project([[*place, 0], [*place, _STATURE]])
        inside = np.all((ends > 4) & (ends < [w - 5, h - 5])) and 60 < height < 290
        apart = all(np.linalg.norm(place - other) > 600 for other in places)
        if background.kind == 'room':
            inside &= np.all(np.abs(place) < np.array(background.room[:2]) - _ROOM_MARGIN)
        if inside and apart:
            places.append(place)
    return places


def _thing_in_front(rng, camera, places):
    """An occluder between the camera and one of the places."""
    line = places[rng.integers(len(places))] - camera.t[:2]
    distance = np.linalg.norm(line)
    nearest = min(2500 / distance, 0.5)
    reach = max(rng.uniform(nearest, 1) * distance, 1000.0)
    reach = min(reach, distance - 900)
    across = line[::-1] * [1, -1] / distance
    place = camera.t[:2] + line / distance * reach + rng.normal(0, 250) * across
    return random_occluder(rng, tuple(place))
