"""A miniature of PASCAL VOC 2012: photographs of painted things, annotations and label images.

Each photograph shows what a rule of the release, or of its reader, hinges on: :data:`TINY` says
which.
"""

import os
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from posepile.simulate import textures
from posepile.simulate.true_images import TrueImage
from posepile.simulate.writers import write_jpeg

RAW_FOLDERS = ('pascal_voc',)

VOID = 255


@dataclass(frozen=True)
class Thing:
    """An object to be painted.

    Attributes:
        name: its class.
        box: left, top, width, height of its pixels, from 0.
        shape: 'ellipse', 'block' (all of the box) or 'none' (listed, but without a pixel).
        pixels: number of its pixels, if not all that the shape has.
        stray: pixels of it that lie outside of the box, which are not counted.
        decimals: what is added to the coordinates in the file, which then have a point.
    """

    name: str
    box: tuple[int, int, int, int]
    shape: str = 'ellipse'
    pixels: int | None = None
    stray: int = 0
    truncated: bool = False
    difficult: bool = False
    decimals: float = 0.0


@dataclass(frozen=True)
class Photo:
    """A photograph of things, the later ones in front."""

    things: tuple[Thing, ...]
    segmented: bool = True
    size: tuple[int, int] = (320, 240)


TINY = (
    # A person does not become an occluder, but counts; the parts of one have boxes as well.
    Photo((Thing('person', (20, 30, 90, 190)), Thing('chair', (180, 60, 101, 143)))),
    Photo((Thing('sofa', (40, 40, 120, 90)),), segmented=False),
    Photo((Thing('car', (0, 90, 140, 80), truncated=True), Thing('dog', (200, 100, 71, 68)),
           Thing('boat', (160, 10, 90, 60), difficult=True))),
    Photo((Thing('bottle', (50, 40, 25, 20), 'block', 499),
           Thing('bottle', (150, 100, 25, 20), 'block', 500),
           Thing('cat', (220, 160, 30, 20), 'block', 499, stray=4))),
    Photo((Thing('bird', (90, 70, 99, 60), decimals=0.70000076293945),)),
    # Listed without a pixel, before one that has some.
    Photo((Thing('tvmonitor', (30, 30, 60, 60), 'none'), Thing('train', (100, 80, 150, 77)))),
    # At the edges of the photograph, where nothing is taken off as a rim.
    Photo((Thing('bus', (0, 0, 110, 121)), Thing('horse', (219, 120, 101, 120)))),
    Photo((Thing('bicycle', (60, 60, 133, 97)), Thing('motorbike', (120, 90, 121, 99)))),
    Photo((Thing('aeroplane', (10, 150, 300, 5), 'block'),), size=(321, 243)),
    Photo((Thing('pottedplant', (30, 100, 1, 130), 'block'), Thing('cow', (90, 40, 75, 75)))),
    Photo(()),
)  # fmt: skip


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/pascal_voc`` and return the truth about both products.

    Args:
        size: ``tiny`` (the photographs of :data:`TINY`) or ``small`` (60 more).
        markers: without meaning, as there are no joints.
    """
    release = f'{root}/pascal_voc'
    for folder in ('Annotations', 'JPEGImages', 'SegmentationObject', 'SegmentationClass'):
        os.makedirs(f'{release}/{folder}')
    os.makedirs(f'{release}/ImageSets/Segmentation')
    rng = np.random.default_rng(seed)
    photos = list(TINY) + [_random_photo(rng) for _ in range(60 if size == 'small' else 0)]
    truth = {'pascal_voc': [], 'pascal_voc_0based': []}
    for i, photo in enumerate(photos):
        stem = f'{2007 + i % 5}_{i * 37 + 32:06d}'
        image, labels = _painted(rng, photo)
        write_jpeg(f'{release}/JPEGImages/{stem}.jpg', image)
        with open(f'{release}/Annotations/{stem}.xml', 'w') as f:
            f.write(_xml(stem, photo))
        if not photo.segmented:
            continue
        _write_palette_image(f'{release}/SegmentationObject/{stem}.png', labels)
        classes = np.where(labels == VOID, VOID, np.minimum(labels, 1) * 9)
        _write_palette_image(f'{release}/SegmentationClass/{stem}.png', classes.astype(np.uint8))
        stored = np.array(Image.open(f'{release}/JPEGImages/{stem}.jpg').convert('RGB'))
        for product, first in (('pascal_voc', 1), ('pascal_voc_0based', 0)):
            truth[product] += _true_cutouts(stem, photo, stored, labels, first)
    stems = [name[:-4] for name in sorted(os.listdir(f'{release}/SegmentationObject'))]
    with open(f'{release}/ImageSets/Segmentation/trainval.txt', 'w') as f:
        f.write('\n'.join(stems) + '\n')
    return truth


def _random_photo(rng):
    things = []
    for _ in range(rng.integers(1, 5)):
        width, height = rng.integers(25, 140, 2)
        left, top = rng.integers(0, (320 - width, 240 - height))
        name = ('person', 'chair', 'sheep', 'diningtable')[rng.integers(4)]
        things.append(Thing(name, (int(left), int(top), int(width), int(height))))
    return Photo(tuple(things))


def _painted(rng, photo):
    """The photograph and its label image."""
    width, height = photo.size
    ground = textures.random_ground(rng, 'field').levels[0][:height, :width]
    image, labels = ground.copy(), np.zeros((height, width), np.uint8)
    for number, thing in enumerate(photo.things, start=1):
        mask = _mask(thing, (height, width))
        colour = rng.uniform(40, 220, 3)
        pattern = textures.noise(rng, (height, width), 1.4)[..., np.newaxis]
        image = np.where(mask[..., np.newaxis], colour + 18 * pattern, image)
        labels[mask] = number
        # Annotators leave a border around things, outside of those whose pixels are counted here.
        around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        labels[around & ~mask & (labels == 0)] = VOID
    return np.clip(image, 0, 255).astype(np.uint8), labels


def _mask(thing, imshape):
    left, top, width, height = thing.box
    y, x = np.mgrid[: imshape[0], : imshape[1]]
    inside = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
    if thing.shape == 'none':
        return np.zeros(imshape, bool)
    if thing.shape == 'ellipse':
        u, v = (x - left + 0.5) / width * 2 - 1, (y - top + 0.5) / height * 2 - 1
        inside &= u**2 + v**2 <= 1.3  # flat where it meets the box
    if thing.pixels is not None:
        rows, columns = np.nonzero(inside)
        inside[rows[thing.pixels :], columns[thing.pixels :]] = False
    inside[top : top + thing.stray, left - 3] |= thing.stray > 0
    return inside


def _xml(stem, photo):
    width, height = photo.size
    text = (
        f'<annotation>\n\t<folder>VOC2012</folder>\n\t<filename>{stem}.jpg</filename>\n'
        '\t<source>\n\t\t<database>The VOC2007 Database</database>\n\t\t<image>flickr</image>\n'
        f'\t</source>\n\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n'
        f'\t\t<depth>3</depth>\n\t</size>\n\t<segmented>{photo.segmented:d}</segmented>\n'
    )
    for thing in photo.things:
        left, top, width, height = thing.box
        text += f'\t<object>\n\t\t<name>{thing.name}</name>\n\t\t<pose>Unspecified</pose>\n'
        text += f'\t\t<truncated>{thing.truncated:d}</truncated>\n'
        text += f'\t\t<difficult>{thing.difficult:d}</difficult>\n'
        if thing.name == 'person':
            text += '\t\t<part>\n\t\t\t<name>head</name>\n'
            text += _xml_box((left, top, width // 2, height // 5), 0.0, '\t\t\t') + '\t\t</part>\n'
        text += _xml_box(thing.box, thing.decimals, '\t\t') + '\t</object>\n'
    return text + '</annotation>\n'


def _xml_box(box, decimals, indent):
    """Pixels count from 1, and the last ones belong to the box."""
    left, top, width, height = box
    text = f'{indent}<bndbox>\n'
    for key, value in (
        ('xmax', left + width),
        ('xmin', left + 1),
        ('ymax', top + height),
        ('ymin', top + 1),
    ):
        text += f'{indent}\t<{key}>{value + decimals if decimals else value}</{key}>\n'
    return text + f'{indent}</bndbox>\n'


def _write_palette_image(path, labels):
    image = Image.frombytes('P', labels.shape[::-1], labels.tobytes())
    image.putpalette(_palette())
    image.save(path)


def _palette():
    """Colours of VOC: the bits of the number, spread over the high bits of the channels."""
    colours = []
    for number in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
        colours += channels
    return colours


# What follows says again, pixel by pixel, what an occluder is: no line is the reader's.

#: The ellipse of 8 x 8, by (row, column) relative to its anchor at (4, 4).
ELEMENT = [
    (i - 4, j - 4)
    for i, row in enumerate(
        ['....#...', '.#######', '.#######', '########', '########', '########', '.#######',
         '.#######']
    )
    for j, character in enumerate(row)
    if character == '#'
]  # fmt: skip


def _true_cutouts(stem, photo, image, labels, first):
    for number, thing in enumerate(photo.things, start=1):
        if thing.name == 'person' or thing.difficult or thing.truncated:
            continue
        left, top, width, height = thing.box
        rows = slice(top + 1 - first, top + height)
        columns = slice(left + 1 - first, left + width)
        mask = labels[rows, columns] == number
        if mask.sum() >= 500:
            opacity = _halved(_soft(mask))
            window = _halved(image[rows, columns].astype(float))
            yield TrueImage(
                f'{stem}_{number:02d}.png', np.rint(window).astype(np.uint8), opacity, 1.0
            )


def _soft(mask):
    """0.75 where the element reaches a pixel of the window that is not the object's."""
    height, width = mask.shape
    padded = np.pad(mask, 4, constant_values=True)
    touches = np.zeros(mask.shape, bool)
    for i, j in ELEMENT:
        touches |= ~padded[4 + i : 4 + i + height, 4 + j : 4 + j + width]
    return np.where(mask, np.where(touches, 0.75, 1.0), 0.0)


def _halved(image):
    """Means over the areas of the pixels of an image of half the size."""
    rows, columns = (_areas(n, max(1, round(n * 0.5))) for n in image.shape[:2])
    if image.ndim == 2:
        return rows @ image @ columns.T
    return np.stack([rows @ image[..., c] @ columns.T for c in range(3)], axis=2)


def _areas(n, n_new):
    """(n_new, n) share of each pixel in each new one."""
    scale = n / n_new
    starts = np.arange(n_new)[:, np.newaxis] * scale
    overlap = np.minimum(starts + scale, np.arange(n) + 1) - np.maximum(starts, np.arange(n))
    return np.maximum(overlap, 0) / scale
