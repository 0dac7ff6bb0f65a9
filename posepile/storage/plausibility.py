"""Does an example agree with itself and its image: joints, camera, box, mask, units?

The functions yield ``(check, message)`` pairs. What cannot be right is a problem; what is rare, but
happens in good data (a person mostly out of view, a box around a hand), is a warning.
"""

import numpy as np
import rlemasklib

_NEAR = 0.5  # joints this share of the box's longer side away are still near it
_LEAST_SPAN, _MOST_SPAN = 20, 20_000  # mm; no five joints of a person are nearer or farther
_USUAL_SPAN = 100, 4000  # mm
_FARTHEST = 1e6  # mm; a person a kilometre away is no crop
_SMALLEST_SIDE = 8  # px
_LEAST_BOX_ON_IMAGE = 0.25  # share of its area
_USUAL_VIEW = 0.01, 20  # longer side of the image, in focal lengths
_PLACEHOLDER = 1  # every coordinate of people whose pose nobody has annotated
_MOST_METRES = 1000  # translation of a body model
#: A bone is implausible if it is shorter than the first factor times the mean length; or longer
#: than the second times it and longer by more than the third in mm.
_IMPLAUSIBLE_BONE = 0.1, 3, 150


class SeenExample:
    """A full 3D or 2D example and what several checks need of it.

    Attributes:
        coords: (V, 3) mm or (V, 2) px, the valid joints; None if it has no joints at all.
        depth: median distance of the joints before the camera in mm; None in 2D, or without any.
        points: (P, 2) px, where the joints appear that are in front of the camera.
    """

    def __init__(self, example):
        self.example = example
        self.is_3d = hasattr(example, 'world_coords')
        self.box = np.asarray(example.bbox, np.float64)
        self.coords = known_coords(example)
        self.depth = None
        self.points = np.zeros((0, 2), np.float32)
        if self.coords is None:
            return
        self.coords = self.coords[np.isfinite(self.coords).all(axis=1)]
        if len(self.coords) == 0:
            return
        self.points = self.coords
        if self.is_3d:
            in_camera = example.camera.world_to_camera(self.coords)
            depths = in_camera[:, 2]
            self.depth = float(np.median(depths))
            self.points = example.camera.camera_to_image(in_camera[depths > 1])
        self.points = self.points[np.isfinite(self.points).all(axis=1)]

    @property
    def span(self):
        """Diagonal in mm of the box around the joints; None for few joints, or in 2D."""
        if not self.is_3d or self.coords is None or len(self.coords) < 5:
            return None
        return float(np.linalg.norm(np.ptp(self.coords, axis=0)))


def known_coords(example):
    """(J, 3) mm or (J, 2) px of an example; None if it has no joints, or placeholders for them."""
    if not hasattr(example, 'world_coords'):
        return example.coords
    coords = example.get_world_coords()
    if coords is None:
        return None
    known = coords[np.isfinite(coords)]
    return None if known.size and np.all(known == _PLACEHOLDER) else coords


def example_problems(seen: SeenExample, image_size):
    """What is wrong with an example on its image.

    Args:
        image_size: (width, height) of the image in px, or None if unknown.
    """
    example = seen.example
    # Annotated by other means, an example may do without joints.
    if seen.coords is not None and len(seen.coords) == 0 and not _has_other_annotation(example):
        yield 'joints', 'not a single joint is valid'
    if seen.span is not None and not _LEAST_SPAN <= seen.span <= _MOST_SPAN:
        yield 'units', f'the joints span {seen.span:.4g} mm: are they in millimetres?'
    # A hand may reach behind a camera close by; a person cannot be behind it.
    if seen.depth is not None and seen.depth <= 0:
        yield 'joints', 'they are behind the camera'
    box_problems = list(_box_problems(seen, image_size))
    yield from box_problems
    if example.mask is not None:
        mask_problems = list(_mask_problems(example, image_size))
        yield from mask_problems
        if not box_problems and not mask_problems:
            yield from _place_problems(seen)


def example_warnings(seen: SeenExample, image_size, edges, mean_bones):
    """What is unusual about an example without problems.

    Args:
        edges: (E, 2) pairs of joint indices.
        mean_bones: (E,) mean lengths of these bones in mm, zero where unknown; or None.
    """
    example = seen.example
    if seen.span is not None and not _USUAL_SPAN[0] <= seen.span <= _USUAL_SPAN[1]:
        yield 'units', f'the joints span {seen.span:.0f} mm'
    if seen.depth is not None and seen.depth > _FARTHEST:
        yield 'units', f'the person is {seen.depth / 1e3:.0f} m from the camera'
    if seen.is_3d and seen.coords is not None and mean_bones is not None:
        yield from _bone_warnings(example.get_world_coords(), edges, mean_bones)
    yield from _projection_warnings(seen, image_size)
    _, _, width, height = seen.box
    if min(width, height) < _SMALLEST_SIDE:
        yield 'box', f'it has {width:.1f} x {height:.1f} px'
    if image_size is not None:
        start = np.maximum(seen.box[:2], -0.5)
        end = np.minimum(seen.box[:2] + seen.box[2:], np.array(image_size) - 0.5)
        share = np.prod(end - start) / (width * height)
        if share < _LEAST_BOX_ON_IMAGE:
            yield 'box', f'only {share:.0%} of it lies on the image'
    if example.mask is not None and rlemasklib.area(example.mask) == 0:
        yield 'mask', 'it is empty'
    if image_size is not None and example.camera is not None:
        view = max(image_size) / np.diag(example.camera.intrinsic_matrix)[:2].min()
        if not _USUAL_VIEW[0] <= view <= _USUAL_VIEW[1]:
            yield 'camera', f'the image is {view:.3g} focal lengths wide'
    trans = (getattr(example, 'parameters', None) or {}).get('trans')
    if trans is not None and np.max(np.abs(trans), initial=0) > _MOST_METRES:
        yield 'units', 'the translation of the body model is kilometres long: not in metres?'


def _has_other_annotation(example):
    return getattr(example, 'parameters', None) or getattr(example, 'densepose', None)


def _is_near_box(points, box):
    """Which points (P, 2) lie in the box [left, top, width, height] or not far from it."""
    margin = _NEAR * max(box[2:])
    start, end = box[:2] - margin, box[:2] + box[2:] + margin
    return ((points >= start) & (points <= end)).all(axis=1)


def _box_problems(seen, image_size):
    left, top, width, height = seen.box.tolist()
    if not (width > 0 and height > 0):
        yield 'box', f'it is empty: {width:.1f} x {height:.1f} px'
        return
    if image_size is not None and not (
        left < image_size[0] and top < image_size[1] and left + width > 0 and top + height > 0
    ):
        yield 'box', f'it lies off the image of {image_size[0]} x {image_size[1]} px'
        return
    n_points = len(seen.points)
    if n_points and not np.any(_is_near_box(seen.points, seen.box)):
        yield 'projection', f'none of {n_points} joints appears in the box or near it'


def _projection_warnings(seen, image_size):
    points = seen.points
    if image_size is not None:
        points = points[((points >= -0.5) & (points < np.array(image_size) - 0.5)).all(axis=1)]
    n_near = np.count_nonzero(_is_near_box(points, seen.box))
    if n_near < len(points) / 2:
        yield 'projection', f'only {n_near} of {len(points)} joints appear in the box or near it'


def _bone_warnings(coords, edges, mean_bones):
    lengths = np.linalg.norm(coords[edges[:, 0]] - coords[edges[:, 1]], axis=1)
    small, big, by = _IMPLAUSIBLE_BONE
    with np.errstate(invalid='ignore'):
        is_long = (lengths > big * mean_bones) & (lengths > mean_bones + by)
        is_odd = (mean_bones > 0) & ((lengths < small * mean_bones) | is_long)
    for i in np.flatnonzero(is_odd)[:1]:
        start, end = edges[i]
        message = f'{np.count_nonzero(is_odd)} bones of odd lengths, the first from joint {start} '
        yield 'bones', f'{message}to {end}: {lengths[i]:.0f} mm, on average {mean_bones[i]:.0f} mm'


def _mask_problems(example, image_size):
    height, width = example.mask['size']
    if image_size is not None and (width, height) != tuple(image_size):
        yield 'mask', f'it has {width} x {height} px, the image {image_size[0]} x {image_size[1]}'
    try:
        rlemasklib.decompress(example.mask)
    except ValueError as e:
        yield 'mask', f'it does not decode ({e})'


def _place_problems(seen):
    if rlemasklib.area(seen.example.mask) == 0:
        return
    mask_box = rlemasklib.to_bbox(seen.example.mask)
    start = np.maximum(seen.box[:2], mask_box[:2])
    end = np.minimum(seen.box[:2] + seen.box[2:], mask_box[:2] + mask_box[2:])
    if np.any(start >= end):
        yield 'mask', 'it lies outside of the box'
