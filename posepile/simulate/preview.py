"""A contact sheet of varied scenes, to look at what the studio makes."""

import cv2
import numpy as np

from posepile.simulate.background import KINDS
from posepile.simulate.body import LANDMARKS
from posepile.simulate.camera import StudioCamera
from posepile.simulate.motion import MOTIONS
from posepile.simulate.scene import Performer, Scene, random_occluder

_LENSES = (None, None, (-0.25, 0.08, 0.001, -0.001, 0.0), (0.02, -0.01, 0.003, -0.001))


def random_scene(rng, n_people=None, n_frames=1, motion=None, kind=None, fps=30):
    """A random scene around the origin: one to four people and perhaps something in front."""
    n_people = n_people or int(rng.integers(1, 5))
    places = [np.zeros(2)]
    while len(places) < n_people:  # people stand apart, but may hide one another
        place = rng.normal(0, 900, 2)
        if min(np.linalg.norm(place - other) for other in places) > 550:
            places.append(place)
    performers = []
    for place in places:
        name = motion or MOTIONS[rng.integers(len(MOTIONS))]
        performers.append(
            Performer.random(rng, name, n_frames, fps, tuple(place), rng.uniform(0, 2 * np.pi))
        )
    occluders = []
    if rng.random() < 0.4:
        angle = rng.uniform(0, 2 * np.pi)
        place = (1300 * np.cos(angle), 1300 * np.sin(angle))
        occluders.append(random_occluder(rng, place))
    return Scene(performers, kind, occluders, seed=int(rng.integers(2**31)))


def random_camera(rng, imshape=(360, 640), lens=None):
    """A camera a few metres away that looks at the origin at chest height."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(3500, 6500)
    eye = (distance * np.cos(angle), distance * np.sin(angle), rng.uniform(900, 2600))
    fov = 95 if lens is not None and len(lens) == 4 else rng.uniform(35, 60)
    return StudioCamera.look_at(eye, (0, 0, 900), imshape, fov=fov, distortion=lens)


def contact_sheet(seed=0, rows=5, columns=3, with_truth=False):
    """(rows * 360, columns * 640, 3) uint8 picture of random scenes.

    Args:
        seed: decides everything.
        rows, columns: number of scenes.
        with_truth: draw mask outlines, boxes and visible landmarks into the pictures.
    """
    rng = np.random.default_rng(seed)
    tiles = []
    for i in range(rows * columns):
        scene = random_scene(rng, kind=KINDS[i % len(KINDS)])
        camera = random_camera(rng, lens=_LENSES[(i // 3) % len(_LENSES)])
        frame = scene.render(camera, 0)
        tiles.append(truth_overlay(scene, camera, 0, frame) if with_truth else frame.image)
    return np.concatenate(
        [np.concatenate(tiles[r * columns : (r + 1) * columns], axis=1) for r in range(rows)]
    )


def truth_overlay(scene, camera, i_frame, frame):
    """The picture with outlines of the masks, boxes, and landmarks (filled where visible)."""
    image = frame.image.copy()
    colours = [(255, 60, 60), (60, 220, 60), (80, 120, 255), (250, 220, 40)]
    for k, performer in enumerate(scene.performers):
        colour = colours[k % len(colours)]
        outlines, _ = cv2.findContours(
            frame.mask(k).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(image, outlines, -1, colour, 1)
        box = frame.box(k)
        if np.isfinite(box).all():
            cv2.rectangle(image, [int(v) for v in box], colour, 1)
        names = LANDMARKS[:41]
        points = camera.project(performer.joints(names, 0))
        seen = scene.visible_landmarks(camera, i_frame, k, names)
        for (x, y), visible in zip(points, seen, strict=True):
            if np.isfinite(x) and abs(x) < 1e4 and abs(y) < 1e4:
                cv2.circle(image, (round(x), round(y)), 2, colour, -1 if visible else 1)
    return image
