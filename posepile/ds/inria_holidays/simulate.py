"""A miniature of INRIA Holidays: photographs turned in all ways, some of them with people.

In the corners of the middle square of each are marks of different colours, which tell how it was
turned and cut.
"""

import io
import os
import pickle
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from posepile.simulate.background import Background
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer, Scene
from posepile.simulate.true_images import TrueImage

RAW_FOLDERS = ('inria_holidays',)

MARKS = ((230, 30, 30), (30, 200, 40), (40, 60, 230), (235, 220, 40))
#: Detections as another tool leaves them. They count once they lie in the folder above.
OTHER_DETECTIONS = 'of_another_tool/yolov4_person_detections.pkl'


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes:
        size: width and height as stored.
        orientation: EXIF orientation; 'broken': EXIF of no sense; None: no EXIF.
        byte_order: of the EXIF data, '<' or '>'.
        mode: 'RGB', 'L' or 'CMYK'.
        people: how many are in it.
        is_damaged: whether its file ends early.
    """

    size: tuple[int, int]
    orientation: int | str | None = None
    byte_order: str = '>'
    mode: str = 'RGB'
    people: int = 0
    is_damaged: bool = False


TINY = (
    Photo((640, 480)),
    Photo((480, 640), orientation=6),
    Photo((640, 480), orientation=3, byte_order='<'),
    Photo((500, 640), mode='L'),
    Photo((480, 641), orientation=8),
    Photo((643, 480), orientation=2),  # mirrored, which is not undone
    Photo((640, 480), orientation='broken'),
    Photo((600, 450), mode='CMYK'),
    Photo((1283, 961), orientation=1),
    Photo((640, 480), is_damaged=True),
    Photo((640, 480), people=1),
    Photo((480, 640), people=2),
)


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/inria_holidays`` and return the truth: all photographs without people.

    Args:
        size: ``tiny`` (the photographs of :data:`TINY`) or ``small`` (30 more).
        markers: without meaning, as there are no joints.
    """
    release = f'{root}/inria_holidays'
    os.makedirs(f'{release}/jpg')
    os.makedirs(os.path.dirname(f'{release}/{OTHER_DETECTIONS}'))
    photos = TINY + tuple(Photo((640, 480), people=i % 2) for i in range(30 * (size == 'small')))
    truth, detections = [], {}
    for i, photo in enumerate(photos):
        name = f'{100000 + 100 * (i // 3) + i % 3}.jpg'  # the first of a group, then its queries
        image, boxes = _photographed(np.random.default_rng([seed, i]), photo)
        data = _encoded(_marked(image), photo)
        with open(f'{release}/jpg/{name}', 'wb') as f:
            f.write(data[: len(data) // 2] if photo.is_damaged else data)
        if photo.is_damaged:
            continue
        detections[name] = boxes
        if photo.people == 0:
            upright = _turned(np.array(Image.open(io.BytesIO(data)).convert('RGB')), photo)
            truth.append(TrueImage(name, _middle_square(upright), tolerance=3.0))
    with open(f'{release}/{OTHER_DETECTIONS}', 'wb') as f:
        pickle.dump(detections, f)
    return {'inria_holidays': truth}


def _photographed(rng, photo):
    """(h, w, 3) picture as stored, and (n, 5) boxes and confidences of the people in its square."""
    width, height = photo.size
    background = Background.random(rng, ('field', 'street', 'room')[rng.integers(3)])
    eye = [*rng.uniform(-300, 300, 2), 1500.0]
    camera = StudioCamera.look_at(eye, [0, 4000, 1000], imshape=(height, width), fov=60)
    if photo.people == 0:
        return background.render(camera)[0], np.zeros((0, 5), np.float32)
    people = []
    for i in range(photo.people):
        x = 900 * (i - (photo.people - 1) / 2)
        people.append(Performer.random(rng, motion='walk', n_frames=1, fps=25, position=(x, 3800)))
    frame = Scene(people, background).render(camera, 0)
    boxes = np.array([frame.box(k) for k in range(photo.people)])
    side = min(photo.size)
    boxes[:, :2] -= [(width - side) // 2, (height - side) // 2]
    confidences = np.linspace(0.9, 0.6, photo.people)
    return frame.image, np.float32(np.column_stack([boxes * 512 / side, confidences]))


def _marked(image):
    """With marks in the corners of the middle square: red, green; blue, yellow."""
    image = image.copy()
    height, width = image.shape[:2]
    side = min(height, width)
    top, left, n = (height - side) // 2, (width - side) // 2, side // 8
    for k, colour in enumerate(MARKS):
        y, x = top + (k // 2) * (side - n), left + (k % 2) * (side - n)
        image[y : y + n, x : x + n] = colour
    return image


def _encoded(image, photo):
    """JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).convert(photo.mode).save(buffer, 'JPEG', quality=95)
    data = buffer.getvalue()
    if photo.orientation is None:
        return data
    if photo.orientation == 'broken':
        content = b'Exif\0\0XX*\0' + bytes(range(100))
    else:
        letters = b'II' if photo.byte_order == '<' else b'MM'
        entry = struct.pack(f'{photo.byte_order}HHIHH', 0x0112, 3, 1, photo.orientation, 0)
        header = letters + struct.pack(f'{photo.byte_order}HI', 42, 8)
        content = b'Exif\0\0' + header + struct.pack(f'{photo.byte_order}H', 1) + entry + bytes(4)
    return data[:2] + b'\xff\xe1' + struct.pack('>H', len(content) + 2) + content + data[2:]


# What follows says again what a square is: no line is the reader's.


def _turned(image, photo):
    """Upright: 3 upside down; 6 the left edge is the top one; 8 the right edge is."""
    if photo.orientation == 3:
        return image[::-1, ::-1]
    if photo.orientation == 6:
        return image.transpose(1, 0, 2)[:, ::-1]
    if photo.orientation == 8:
        return image.transpose(1, 0, 2)[::-1]
    return image


def _middle_square(image):
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    areas = _areas(side, 512)
    square = image[top : top + side, left : left + side].astype(float)
    small = np.stack([areas @ square[..., c] @ areas.T for c in range(3)], axis=2)
    return np.rint(small).astype(np.uint8)


def _areas(n, n_new):
    """(n_new, n) share of each pixel in each new one."""
    scale = n / n_new
    starts = np.arange(n_new)[:, np.newaxis] * scale
    overlap = np.minimum(starts + scale, np.arange(n) + 1) - np.maximum(starts, np.arange(n))
    return np.maximum(overlap, 0) / scale
