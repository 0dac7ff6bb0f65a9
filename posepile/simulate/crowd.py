"""Random scenes for finding people: of any size, beside, behind and in front of one another.

A crowd is laid out as the camera sees it: each person is given a size and a column in the image,
which say where on the ground to stand, so that small and large people are equally common whatever
the lens and the height of the camera.
"""

import numpy as np

from posepile.errors import OptionError
from posepile.simulate.background import KINDS, Background
from posepile.simulate.camera import StudioCamera
from posepile.simulate.motion import MOTIONS
from posepile.simulate.rotations import about
from posepile.simulate.scene import Performer, Scene, random_occluder

MIN_GAP = 450
"""Least distance of two people on the ground in mm, from middle to middle."""

MIN_HEIGHT = 15
"""Height of the smallest people in pixels, roughly."""

_STATURE = 1700  # mm, of an average person; sizes in the image are rough
_NEAREST = 900  # mm from the camera
_ROOM_MARGIN = 700  # mm that people keep from walls
_OCCLUDER_GAPS = {'post': 450, 'bush': 700, 'box': 900}  # mm, least distance from people
_PLACING_ATTEMPTS = 40


def random_crowd(
    rng,
    imshape=(360, 640),
    n_people=None,
    main_height=None,
    kind=None,
    closeness=0.6,
    background=None,
    cast=None,
):
    """A random scene of several people and the camera that watches it.

    People often hide one another and are cut by the border of the image, things may stand in
    front of them, and the camera varies in height, pitch, roll, focal length and lens. Each
    person's pose is a single frame (frame 0) of any of the ``MOTIONS``.

    Args:
        rng: numpy Generator; decides everything.
        imshape: (height, width) of the image in pixels.
        n_people: number of people in the scene, by default 0 (rarely) to 6. All are meant to be
            in the image, but may be hidden or be found beyond its border.
        main_height: height in pixels of the first person, who is then in the middle of the
            image, as in a crop around a person. By default people are anywhere and are from
            ``MIN_HEIGHT`` pixels tall to nearly twice as tall as the image.
        kind: of background, by default a random one.
        closeness: share of the people who are put right in front of or behind somebody, so that
            most of them hide or are hidden; the others are anywhere in the image.
        background: a :class:`~posepile.simulate.background.Background` to use instead of a
            random one, which takes longer to paint than the rest of the scene.
        cast: list of :class:`~posepile.simulate.performer.Performer` around the world's origin,
            of whom different ones appear, turned and moved, instead of new people. At most that
            many are in the scene.

    Returns:
        A :class:`~posepile.simulate.scene.Scene` and a
        :class:`~posepile.simulate.camera.StudioCamera`.

    Raises:
        OptionError: if the number of people is negative or the kind of background is unknown.
    """
    if n_people is None:
        n_people = int(rng.choice(7, p=[0.03, 0.16, 0.22, 0.22, 0.17, 0.12, 0.08]))
    if n_people < 0:
        raise OptionError(f'A crowd of {n_people} people cannot be drawn; 0 is the least.')
    if background is None:
        background = Background.random(rng, kind or KINDS[rng.integers(len(KINDS))])
    if cast is not None:
        n_people = min(n_people, len(cast))
    camera, main_place = _random_camera(rng, imshape, main_height, background)
    places = _random_places(rng, camera, n_people, main_place, background, closeness)
    performers = random_people(rng, places) if cast is None else appearances(rng, cast, places)
    occluders = _random_occluders(rng, camera, places) if rng.random() < 0.5 else []
    return Scene(performers, background, occluders, seed=int(rng.integers(2**31))), camera


def random_people(rng, places):
    """New people at points (x, y) on the ground, each in a single frame of any motion."""
    return [
        Performer.random(
            rng, MOTIONS[rng.integers(len(MOTIONS))], n_frames=1, position=tuple(place),
            heading=rng.uniform(0, 2 * np.pi),
        )
        for place in places
    ]  # fmt: skip


def appearances(rng, cast, places):
    """Different people of a cast, one at each of the points (x, y), facing anywhere."""
    chosen = rng.choice(len(cast), len(places), replace=False)
    return [
        cast[i].moved(about(2, rng.uniform(0, 2 * np.pi)), (*place, 0.0))
        for i, place in zip(chosen, places, strict=True)
    ]


def _random_camera(rng, imshape, main_height, background):
    """The camera, and where on the ground the first person stands that it looks at."""
    h, w = imshape
    focal = max(h, w) * np.exp(rng.uniform(np.log(0.6), np.log(1.8)))
    height_px = main_height or _random_height(rng, h)
    distance = max(focal * _STATURE / height_px, _NEAREST)
    if background.kind == 'room':  # where nobody is far away
        distance = min(distance, rng.uniform(3500, 9000))
        if main_height:
            focal = distance * height_px / _STATURE
    angle = rng.uniform(0, 2 * np.pi)
    forward = np.array([np.cos(angle), np.sin(angle)])
    right = np.array([forward[1], -forward[0]])
    place = rng.normal(0, 400, 2)
    eye_height = rng.uniform(400, 2600) if rng.random() < 0.8 else rng.uniform(2600, 5500)
    if distance < 3000:  # near the camera, a high one would see the top of the head alone
        eye_height = min(eye_height, 2000)
    elif background.kind == 'room':
        eye_height = min(eye_height, background.room[2] - 200)
    eye = np.array([*(place - distance * forward), eye_height])
    # The camera aims at the person, or so that the person is found elsewhere in the image.
    spread = 0.06 if main_height else 0.45
    mm_per_px = distance / focal
    aside = rng.uniform(-spread, spread) * w * mm_per_px
    above = rng.uniform(-spread, spread) * h * mm_per_px * 0.7
    target = np.array([*(place + aside * right), 0.5 * _STATURE + above])
    camera = StudioCamera.look_at(
        eye, target, imshape, focal=focal, roll=rng.normal(0, 0.03), distortion=_random_lens(rng)
    )
    return camera, place


def _random_height(rng, image_height):
    """Height of a person in pixels: small, middling or cut by the border of the image."""
    edges = [MIN_HEIGHT, 0.16 * image_height, 0.85 * image_height, 1.8 * image_height]
    part = rng.choice(3, p=[0.25, 0.55, 0.2])
    low, high = np.log(max(edges[part], MIN_HEIGHT)), np.log(max(edges[part + 1], MIN_HEIGHT))
    return np.exp(rng.uniform(low, high))


def _random_lens(rng):
    """None (mostly), or five coefficients: barrel distortion, or a slight pincushion."""
    if rng.random() < 0.7:
        return None
    strength = rng.uniform(-0.25, 1)
    return (-0.25 * strength, 0.08 * strength, *rng.normal(0, 0.001, 2), 0.0)


def _random_places(rng, camera, n_people, main_place, background, closeness):
    """Points (x, y) on the ground, at least ``MIN_GAP`` apart; fewer if they do not fit."""
    focal, (h, w) = camera.K[0, 0], camera.imshape
    eye = camera.t[:2]
    forward = camera.R[2, :2] / np.linalg.norm(camera.R[2, :2])
    right = np.array([forward[1], -forward[0]])
    places = [main_place][:n_people]
    for _ in range(_PLACING_ATTEMPTS * n_people):
        if len(places) == n_people:
            break
        if rng.random() < closeness:  # close in front of somebody or behind, and a bit aside
            other = places[rng.integers(len(places))]
            depth = rng.choice([-1, 1]) * rng.uniform(300, 1500)
            place = other + depth * _direction(other - eye) + rng.normal(0, 280) * right
        else:
            depth = focal * _STATURE / _random_height(rng, h)
            if rng.random() < 0.5:  # as far away as somebody else, about
                other = places[rng.integers(len(places))]
                depth = (other - eye) @ forward * rng.uniform(0.6, 1.6)
            column = rng.uniform(-0.04, 1.04) * w - w / 2
            place = eye + depth * (forward + column / focal * right)
        gaps = [np.linalg.norm(place - other) for other in places]
        is_inside = background.kind != 'room' or np.all(
            np.abs(place) < np.array(background.room[:2]) - _ROOM_MARGIN
        )
        if min(gaps) >= MIN_GAP and (place - eye) @ forward > _NEAREST and is_inside:
            places.append(place)
    return places


def _random_occluders(rng, camera, places):
    """One or two things between the camera and somebody, or nothing where there is no room."""
    things = []
    for _ in range(rng.integers(1, 3) if places else 0):
        kind = list(_OCCLUDER_GAPS)[rng.integers(len(_OCCLUDER_GAPS))]
        line = places[rng.integers(len(places))] - camera.t[:2]
        distance = np.linalg.norm(line)
        along, across = _direction(line), _direction(line)[::-1] * [1, -1]
        place = camera.t[:2] + rng.uniform(0.4, 0.92) * distance * along
        place = place + rng.normal(0, 0.01 * distance + 150) * across
        is_clear = min(np.linalg.norm(place - p) for p in places) > _OCCLUDER_GAPS[kind]
        if is_clear and (place - camera.t[:2]) @ along > _NEAREST:
            things.append(random_occluder(rng, tuple(place), kind))
    return things


def _direction(vector):
    return vector / np.linalg.norm(vector)
