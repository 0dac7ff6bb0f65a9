"""Annotation files of COCO and COCO-WholeBody, and instance masks."""

import functools
import os.path as osp
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posepile.ds.coco import selection
from posepile.errors import RawDataError
from posepile.raw.tables import read_json

_N_BODY = 17
#: The further parts of COCO-WholeBody, in the order of its skeleton.
_PARTS = (('foot', 6), ('face', 68), ('lefthand', 21), ('righthand', 21))


class Image(NamedTuple):
    """A photograph; the name has no folder."""

    id: int
    name: str
    height: int
    width: int


class _Annotation(NamedTuple):
    id: int
    image_id: int
    keypoints: np.ndarray  # (J, 3) x, y, visibility
    box: np.ndarray
    segmentation: list | dict


@dataclass(frozen=True)
class People:
    """The N people of an annotation file who have enough joints, in the order of the file.

    Attributes:
        images: all images.
        ids: ids of the annotations.
        i_image: (N,) index of the image.
        number: (N,) of each person within the image.
        joints: (N, J, 2) float32 pixels, NaN where not annotated.
        boxes: (N, 4) float32 [left, top, width, height] in pixels.
        segmentations: as in the file, see :func:`segmentation_to_rle`.
    """

    images: list[Image]
    ids: list[int]
    i_image: np.ndarray
    number: np.ndarray
    joints: np.ndarray
    boxes: np.ndarray
    segmentations: list


@functools.lru_cache(maxsize=4)
def load_people(path, whole_body=False) -> People:
    """Read an annotation file, once per process.

    Every annotation is packed into arrays while the file is being parsed, so that memory holds
    little more than the text of it.

    Args:
        whole_body: whether to read all 133 joints of COCO-WholeBody, not just the 17 of the body.

    Raises:
        RawDataError: naming the file, and the annotation or key that is wrong or missing.
    """
    read_entry = functools.partial(_read_entry, path=path, whole_body=whole_body)
    content = read_json(path, keys=('images', 'annotations'), object_hook=read_entry)
    images, annotations = content['images'], content['annotations']
    _check_entries(path, images, Image, 'image', 'file_name')
    _check_entries(path, annotations, _Annotation, 'annotation', 'image_id')
    index_of_image = {image.id: i for i, image in enumerate(images)}
    for annotation in annotations:
        if annotation.image_id not in index_of_image:
            raise _error(
                path, f'annotation {annotation.id} is of image {annotation.image_id}, '
                'which is not in the list of images'
            )  # fmt: skip

    visibility = _stack([a.keypoints[:_N_BODY, 2] for a in annotations], (_N_BODY,))
    kept = [annotations[i] for i in np.flatnonzero(selection.has_enough_joints(visibility))]
    n_joints = _N_BODY + sum(n for _, n in _PARTS) if whole_body else _N_BODY
    keypoints = _stack([a.keypoints for a in kept], (n_joints, 3))
    i_image = np.array([index_of_image[a.image_id] for a in kept], np.int64)
    return People(
        images=images,
        ids=[a.id for a in kept],
        i_image=i_image,
        number=selection.number_within_image(i_image),
        joints=np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.float32(np.nan)),
        boxes=_stack([a.box for a in kept], (4,)),
        segmentations=[a.segmentation for a in kept],
    )


def _check_entries(path, entries, kind, name, key):
    if not isinstance(entries, list):
        raise _error(path, f'{name}s is no list')
    for i, entry in enumerate(entries):
        if not isinstance(entry, kind):
            raise _error(path, f'{name} {i} in the list of {name}s lacks the key {key!r}')


def _stack(rows, shape):
    return np.array(rows, np.float32).reshape(-1, *shape)


def _read_entry(entry, path, whole_body):
    """What the parser puts in the place of an object of the file."""
    if 'file_name' in entry:
        what, read = 'image', _read_image
    elif 'image_id' in entry:
        what, read = 'annotation', functools.partial(_read_annotation, whole_body=whole_body)
    else:
        return entry
    name = f'{what} {entry.get("id", "without id")}'
    try:
        return read(entry)
    except KeyError as e:
        raise _error(path, f'{name} lacks the key {e}') from e
    except (TypeError, ValueError, OverflowError) as e:
        raise _error(path, f'{name}: {e}') from e


def _read_image(entry):
    name = entry['file_name']
    if osp.basename(name) != name or '\\' in name or name in ('', '.', '..'):
        raise ValueError(f'{name!r} is no name of a file without folder')
    return Image(int(entry['id']), name, int(entry['height']), int(entry['width']))


def _read_annotation(entry, whole_body):
    keypoints = _numbers(entry, 'keypoints', _N_BODY * 3).reshape(-1, 3)
    if whole_body:
        parts = [_read_part(entry, part, n) for part, n in _PARTS]
        keypoints = np.concatenate([keypoints, *parts])
    segmentation = entry['segmentation']
    if isinstance(segmentation, list):
        segmentation = [np.array(polygon, np.float64) for polygon in segmentation]
    box = _numbers(entry, 'bbox', 4)
    return _Annotation(int(entry['id']), int(entry['image_id']), keypoints, box, segmentation)


def _read_part(entry, part, n_joints):
    """(n_joints, 3) x, y and reliability of a part; all 0 if it is not annotated."""
    keypoints = _numbers(entry, f'{part}_kpts', n_joints * 3).reshape(-1, 3)
    return keypoints if entry[f'{part}_valid'] else np.zeros_like(keypoints)


def _numbers(entry, key, n):
    numbers = np.array(entry[key], np.float32)
    if numbers.shape != (n,):
        raise ValueError(f'{key} has shape {numbers.shape}, but is a list of {n} numbers')
    return numbers


def _error(path, problem):
    return RawDataError(path, problem, 'Unpack or download the annotations again.')


def segmentation_to_rle(segmentation, height, width):
    """Run-length encoded mask of an annotation's ``segmentation``, as pycocotools makes it.

    Args:
        segmentation: a list of polygons [x0, y0, x1, y1, ...], whose union is the object; or the
            ``counts`` of the runs of 0 and 1, column by column, and the ``size`` [height, width].

    Returns:
        Dictionary of compressed ``counts`` and ``size``; None for an empty list: no mask.

    Raises:
        ValueError: if it is neither, or its size is not that of the image.
    """
    from pycocotools import mask

    if isinstance(segmentation, list):
        if not segmentation:
            return None
        for polygon in segmentation:
            if np.ndim(polygon) != 1 or len(polygon) < 6 or len(polygon) % 2:
                raise ValueError('a polygon of the segmentation has no three corners of x and y')
        return mask.merge(mask.frPyObjects(segmentation, height, width))
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get('counts'), list):
        raise ValueError('the segmentation is neither polygons nor counts of runs')
    counts, size = segmentation['counts'], segmentation.get('size')
    if size != [height, width] or sum(counts) != height * width or min(counts) < 0:
        raise ValueError(f'the runs of the segmentation do not fill {height} x {width} pixels')
    return mask.frPyObjects(segmentation, height, width)
