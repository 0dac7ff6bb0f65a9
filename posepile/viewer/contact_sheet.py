"""Many examples of a dataset at a glance, on one picture."""

import os.path as osp

import cv2
import numpy as np

from posepile.datasets2d import Pose2DDataset
from posepile.storage.plausibility import known_coords
from posepile.util import SPLIT_NAMES
from posepile.viewer import view3d
from posepile.viewer.draw import draw_box, draw_mask, draw_skeleton, draw_text

_PAPER = (20, 21, 25)
_INK = (236, 238, 242)
_FAINT_INK = (150, 156, 168)
_TILE_SIDE = 264  # px, about; tiles are stretched to fill the width of the sheet
_VIEW_SHARE = 0.72  # width of the 3D view relative to the photo's
_GAP = 12
_CAPTION = 24
_HEADER = 92
_OVERSAMPLING = 2


def contact_sheet(dataset, n=24, seed=0, splits=(0, 1, 2), width=1920, title=None):
    """Picture of examples spread over a dataset.

    Each tile has the image with skeleton, box and mask and, in 3D, a three-quarter view of the
    pose. Left limbs are blue, right ones red.

    Args:
        dataset: a Pose3DDataset or Pose2DDataset, in memory or packed.
        n: number of examples, divided evenly among the splits that have that many.
        seed: selects other examples; the same seed gives the same picture.
        splits: the splits to choose from.
        width: of the picture, px.
        title: headline; by default the name under which the dataset was packed.

    Returns:
        (H, width, 3) uint8 RGB.

    Raises:
        ValueError: if the chosen splits have no examples.
        ArchiveError: if an example cannot be read.
    """
    chosen = choose_examples([len(dataset.examples[s]) for s in splits], n, seed)
    chosen = [(splits[k], i) for k, i in chosen]
    if not chosen:
        names = ', '.join(SPLIT_NAMES[s] for s in splits)
        raise ValueError(f'there are no examples in the split {names}')
    is_2d = isinstance(dataset, Pose2DDataset)
    aspect = 1 if is_2d else 1 + _VIEW_SHARE
    n_columns = max(1, min(len(chosen), round((width - _GAP) / (_TILE_SIDE * aspect + _GAP))))
    tile_width = (width - _GAP) // n_columns - _GAP
    side = min(round(tile_width / aspect), 2 * _TILE_SIDE)
    tile_width = round(side * aspect)
    n_rows = -(-len(chosen) // n_columns)
    height = _HEADER + n_rows * (side + _CAPTION + _GAP) + _GAP
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    _draw_header(sheet, dataset, title or _name_of(dataset), len(chosen))
    for k, (split, i_example) in enumerate(chosen):
        row, column = divmod(k, n_columns)
        x = _GAP + column * (tile_width + _GAP)
        y = _HEADER + row * (side + _CAPTION + _GAP)
        example = dataset.examples[split][i_example].load()
        tile = np.full((side, tile_width, 3), view3d.BACKGROUND, np.uint8)
        tile[:, :side] = photo_tile(example, dataset.joint_info, side)
        if not is_2d:
            tile[:, side:] = _view_tile(example, dataset.joint_info, (tile_width - side, side))
        sheet[y : y + side, x : x + tile_width] = tile
        _draw_caption(sheet, x, y + side, tile_width, example.image_path, SPLIT_NAMES[split])
    return sheet


def choose_examples(n_available, n, seed) -> list[tuple[int, int]]:
    """(group, index) of ``n`` examples, shared evenly among groups and spread out within each.

    Args:
        n_available: number of examples of each group; small groups give all they have.
    """
    shares = [0] * len(n_available)
    remaining = min(n, sum(n_available))
    while remaining > 0:
        for group, available in enumerate(n_available):
            if shares[group] < available and remaining > 0:
                shares[group] += 1
                remaining -= 1
    rng = np.random.default_rng(seed)
    chosen = []
    for group, (available, share) in enumerate(zip(n_available, shares, strict=True)):
        # One from each of as many equal stretches as examples are wanted.
        bounds = np.linspace(0, available, share + 1).astype(int)
        chosen += [
            (group, int(rng.integers(a, b))) for a, b in zip(bounds, bounds[1:], strict=False)
        ]
    return chosen


def photo_tile(example, joint_info, side):
    """(side, side, 3) the image of a loaded example, fitted in, with its annotations."""
    image = example.get_image()
    canvas_side = side * _OVERSAMPLING
    scale = canvas_side / max(image.shape[:2])
    new_size = [max(1, round(s * scale)) for s in image.shape[1::-1]]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    photo = cv2.resize(image, new_size, interpolation=interpolation)
    scale = np.array(new_size) / image.shape[1::-1]
    if example.mask is not None:
        draw_mask(photo, example.mask, thickness=_OVERSAMPLING)
    if example.bbox is not None:
        start = (example.bbox[:2] + 0.5) * scale - 0.5
        draw_box(photo, [*start, *(example.bbox[2:] * scale)], thickness=_OVERSAMPLING)
    points = _image_points(example)
    if points is not None:
        thickness = _OVERSAMPLING * side / 110
        draw_skeleton(photo, (points + 0.5) * scale - 0.5, joint_info, thickness)
    canvas = np.full((canvas_side, canvas_side, 3), view3d.BACKGROUND, np.uint8)
    left, top = (canvas_side - new_size[0]) // 2, (canvas_side - new_size[1]) // 2
    canvas[top : top + new_size[1], left : left + new_size[0]] = photo
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)


def _image_points(example):
    """(J, 2) joints in the image, NaN where missing or behind the camera; None without joints."""
    if hasattr(example, 'coords'):
        return np.asarray(example.coords, np.float64)
    coords = known_coords(example)
    if coords is None:
        return None
    in_camera = example.camera.world_to_camera(coords)
    is_visible = in_camera[:, 2] > 1  # mm; false for NaN
    points = np.full((len(coords), 2), np.nan)
    if np.any(is_visible):
        points[is_visible] = example.camera.camera_to_image(in_camera[is_visible])
    return points


def _view_tile(example, joint_info, size):
    coords = known_coords(example)
    if coords is None:
        return _parameter_tile(example.parameters or {}, size)
    view = view3d.draw_pose3d(
        [s * _OVERSAMPLING for s in size],
        coords,
        joint_info,
        example.camera,
        thickness=_OVERSAMPLING * size[1] / 90,
    )
    return cv2.resize(view, size, interpolation=cv2.INTER_AREA)


def _parameter_tile(parameters, size):
    """What there is of a body model, in words, where there are no joints."""
    width, height = size
    tile = np.full((height, width, 3), view3d.BACKGROUND, np.uint8)
    lines = ['no joints', 'body model:' if parameters else 'no parameters']
    for key, value in parameters.items():
        if isinstance(value, str) or np.ndim(value) == 0:
            lines.append(f'{key}: {value}')
        else:
            lines.append(f'{key}: {" x ".join(map(str, np.shape(value)))} numbers')
    for k, line in enumerate(lines):
        draw_text(tile, line, (14, 34 + 24 * k), 10, _FAINT_INK, max_width=width - 28)
    return tile


def _draw_header(sheet, dataset, title, n_shown):
    width = sheet.shape[1] - 2 * _GAP
    draw_text(sheet, title, (_GAP, 38), 22, _INK, bold=True, max_width=width)
    counts = ', '.join(
        f'{len(dataset.examples[split]):,} {name}' for split, name in enumerate(SPLIT_NAMES)
    )
    joint_info = dataset.joint_info
    skeleton = f'{joint_info.n_joints} joints ({", ".join(joint_info.names)})'
    line = f'{counts} examples; {n_shown} shown.  {skeleton}'
    draw_text(sheet, line, (_GAP, 70), 11, _FAINT_INK, max_width=width)


def _draw_caption(sheet, x, y, width, image_path, split_name):
    split_width = draw_text(sheet, split_name, (x + 2, y + 16), 9, _INK)
    draw_text(
        sheet,
        image_path,
        (x + 2 + split_width + 10, y + 16),
        9,
        _FAINT_INK,
        max_width=width - split_width - 14,
        keep_end=True,
    )


def _name_of(dataset):
    metadata = getattr(dataset, 'metadata', {})
    name = metadata.get('posepile', {}).get('name')
    return name or osp.basename(getattr(dataset, 'annotations_path', 'dataset'))
