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
_USUAL_VIEW = 0.01, 20  # longer side of the image, in focal lengths
_MOST_METRES = 1000  # translation of a body model
#: A bone is implausible if it is shorter than the first factor times the mean length; or longer
#: than the second times it and longer by more than the third in mm.
_IMPLAUSIBLE_BONE = 0.1, 3, 150


def example_problems(example, image_size):
    """What is wrong with an example on its image.

    Args:
        example: a full 3D or 2D example.
        image_size: (width, height) of the image in px, or None if unknown.
    """
    coords, is_3d = _coords_of(example)
    if coords is not None:
        # Annotated by other means, an example may do without joints.
        if len(coords) == 0 and not _has_other_annotation(example):
            yield 'joints', 'not a single joint is valid'
        if is_3d and len(coords) >= 5:
            span = _span(coords)
            if not _LEAST_SPAN <= span <= _MOST_SPAN:
                yield 'units', f'the joints span {span:.4g} mm: are they in millimetres?'
        # A hand may reach behind a camera close by; a person cannot be behind it.
        if is_3d and len(coords) and np.median(_depths(example, coords)) <= 0:
            yield 'joints', 'they are behind the camera'
    box_problems = list(_box_problems(example, image_size))
    yield from box_problems
    if example.mask is not None:
        mask_problems = list(_mask_problems(example, image_size))
        yield from mask_problems
        if not box_problems and not mask_problems:
            yield from _place_problems(example)


def example_warnings(example, image_size, edges, mean_bones):
    """What is unusual about an example without problems.

    Args:
        edges: (E, 2) pairs of joint indices.
        mean_bones: (E,) mean lengths of these bones in mm, zero where unknown; or None.
    """
    coords, is_3d = _coords_of(example)
    if is_3d and coords is not None and len(coords):
        if len(coords) >= 5 and not _USUAL_SPAN[0] <= (span := _span(coords)) <= _USUAL_SPAN[1]:
            yield 'units', f'the joints span {span:.0f} mm'
        distance = np.median(_depths(example, coords))
        if distance > _FARTHEST:
            yield 'units', f'the person is {distance / 1e3:.0f} m from the camera'
        if mean_bones is not None:
            yield from _bone_warnings(example.get_world_coords(), edges, mean_bones)
    yield from _projection_warnings(example, image_size)
    _, _, width, height = example.bbox
    if min(width, height) < _SMALLEST_SIDE:
        yield 'box', f'it has {width:.1f} x {height:.1f} px'
    if example.mask is not None and rlemasklib.area(example.mask) == 0:
        yield 'mask', 'it is empty'
    if image_size is not None and example.camera is not None:
        view = max(image_size) / np.diag(example.camera.intrinsic_matrix)[:2].min()
        if not _USUAL_VIEW[0] <= view <= _USUAL_VIEW[1]:
            yield 'camera', f'the image is {view:.3g} focal lengths wide'
    trans = (getattr(example, 'parameters', None) or {}).get('trans')
    if trans is not None and np.max(np.abs(trans), initial=0) > _MOST_METRES:
        yield 'units', 'the translation of the body model is kilometres long: not in metres?'


def _coords_of(example):
    """Valid joints (V, 3) or (V, 2), None if the example has no joints at all; and which."""
    is_3d = hasattr(example, 'world_coords')
    coords = example.get_world_coords() if is_3d else example.coords
    if coords is None:
        return None, is_3d
    return coords[np.all(np.isfinite(coords), axis=1)], is_3d


def _has_other_annotation(example):
    return getattr(example, 'parameters', None) or getattr(example, 'densepose', None)


def _span(coords):
    return float(np.linalg.norm(np.ptp(coords, axis=0)))


def _depths(example, coords):
    return example.camera.world_to_camera(coords)[:, 2]


def image_points(example):
    """(P, 2) px: where those valid joints appear that are in front of the camera."""
    coords, is_3d = _coords_of(example)
    if coords is None or len(coords) == 0:
        return np.zeros((0, 2), np.float32)
    if is_3d:
        coords = example.camera.world_to_image(coords[_depths(example, coords) > 1])
    return coords[np.all(np.isfinite(coords), axis=1)]


def _is_near_box(points, box):
    """Which points (P, 2) lie in the box or not far from it."""
    margin = _NEAR * max(box[2:])
    start, end = box[:2] - margin, box[:2] + box[2:] + margin
    return np.all((points >= start) & (points <= end), axis=1)


def _box_problems(example, image_size):
    left, top, width, height = (float(x) for x in example.bbox)
    if not (width > 0 and height > 0):
        yield 'box', f'it is empty: {width:.1f} x {height:.1f} px'
        return
    if image_size is not None and not (
        left < image_size[0] and top < image_size[1] and left + width > 0 and top + height > 0
    ):
        yield 'box', f'it lies off the image of {image_size[0]} x {image_size[1]} px'
        return
    points = image_points(example)
    if len(points) and not np.any(_is_near_box(points, np.asarray(example.bbox, np.float64))):
        yield 'projection', f'none of {len(points)} joints appears in the box or near it'


def _projection_warnings(example, image_size):
    points = image_points(example)
    if image_size is not None:
        points = points[np.all((points >= -0.5) & (points < np.array(image_size) - 0.5), axis=1)]
    n_near = np.count_nonzero(_is_near_box(points, np.asarray(example.bbox, np.float64)))
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


def _place_problems(example):
    if rlemasklib.area(example.mask) == 0:
        return
    box, mask_box = np.asarray(example.bbox, np.float64), rlemasklib.to_bbox(example.mask)
    start = np.maximum(box[:2], mask_box[:2])
    end = np.minimum(box[:2] + box[2:], mask_box[:2] + mask_box[2:])
    if np.any(start >= end):
        yield 'mask', 'it lies outside of the box'
