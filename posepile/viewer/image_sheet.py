"""Occluders and backgrounds at a glance, on one picture."""

import cv2
import numpy as np

from posepile.viewer.contact_sheet import choose_examples
from posepile.viewer.draw import draw_text

_PAPER = (20, 21, 25)
_INK = (236, 238, 242)
_FAINT_INK = (150, 156, 168)
_CHECKS = np.array([70, 96], np.uint8)  # grey levels of the checkerboard
_CHECK_SIDE = 12  # px
_TILE_SIDE = 176  # px, about
_GAP = 12
_CAPTION = 22
_HEADER = 84


def image_sheet(images, n=24, seed=0, width=1920):
    """Picture of images spread over a collection, those of occluders on a checkerboard.

    Args:
        images: :class:`~posepile.storage.image_collection.ImageCollection`.
        n: number of images.
        seed: selects other images; the same seed gives the same picture.
        width: of the picture, px.

    Returns:
        (H, width, 3) uint8 RGB.

    Raises:
        ArchiveError: if an image cannot be read.
    """
    chosen = [i for _, i in choose_examples([len(images)], n, seed)]
    n_columns = max(1, min(len(chosen), round((width - _GAP) / (_TILE_SIDE + _GAP))))
    side = min((width - _GAP) // n_columns - _GAP, 2 * _TILE_SIDE)
    n_rows = -(-len(chosen) // n_columns)
    height = _HEADER + n_rows * (side + _CAPTION + _GAP) + _GAP
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    name = images.metadata['posepile']['name']
    draw_text(sheet, name, (_GAP, 38), 22, _INK, bold=True, max_width=width - 2 * _GAP)
    counts = f'{len(images):,} {images.kind}; {len(chosen)} shown'
    draw_text(sheet, counts, (_GAP, 68), 11, _FAINT_INK, max_width=width - 2 * _GAP)
    for k, i in enumerate(chosen):
        row, column = divmod(k, n_columns)
        x, y = _GAP + column * (side + _GAP), _HEADER + row * (side + _CAPTION + _GAP)
        item = images[i]
        sheet[y : y + side, x : x + side] = image_tile(item, side)
        rows, columns = _rgb(item).shape[:2]
        caption = f'{columns} x {rows}  {images.names[i]}'
        draw_text(sheet, caption, (x + 2, y + side + 15), 9, _FAINT_INK, max_width=side - 4)
    return sheet


def image_tile(item, side):
    """(side, side, 3) an item of a collection, made to fit, but at most twice as large as it is."""
    rgb = _rgb(item)
    scale = min(side / max(rgb.shape[:2]), 2)
    size = [max(1, round(n * scale)) for n in rgb.shape[1::-1]]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    cells = np.arange(side) // _CHECK_SIDE
    tile = np.repeat(_CHECKS[(cells[:, np.newaxis] + cells) % 2][..., np.newaxis], 3, axis=2)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    place = tile[top : top + size[1], left : left + size[0]]
    alpha = np.ones((*size[::-1], 1), np.float32)
    if isinstance(item, tuple):
        alpha = cv2.resize(item[1], size, interpolation=way)[..., np.newaxis] / np.float32(255)
    drawn = cv2.resize(rgb, size, interpolation=way)
    place[:] = np.rint(place + (drawn - place.astype(np.float32)) * alpha).astype(np.uint8)
    return tile


def _rgb(item):
    return item[0] if isinstance(item, tuple) else item
