"""Files of predicted people for the benchmark of MuPoTS-3D, and who of them is whom."""

import logging
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from posepile.ds.mupots.benchmark import Image, parse_image_path
from posepile.ds.tdhp.skeleton import JOINT_INFO, TEST_JOINTS
from posepile.errors import BadFileError
from posepile.metrics.matching import greedy_matches, near_keypoints
from posepile.metrics.predictions import read_predictions, some_of

logger = logging.getLogger(__name__)

#: Joints by which people are recognised: from the neck to the left ankle.
_MATCHED_JOINTS = slice(1, 14)
_NEAR = 40  # px


@dataclass(frozen=True, eq=False)
class PredictedPeople:
    """N people in the order of the file.

    Attributes:
        images: N of :class:`~posepile.ds.mupots.benchmark.Image`.
        poses: (N, 17, 3) mm in camera space, joints as in ``TEST_JOINTS``.
    """

    images: list[Image]
    poses: np.ndarray


def read_people(path, truth, root_last=False) -> PredictedPeople:
    """Read a prediction file. Annotated images that it has nobody in are named in a warning.

    Args:
        path: npz or HDF5 file, see :func:`posepile.metrics.predictions.read_predictions`; any
            number of rows per image.
        truth: the :class:`~posepile.ds.mupots.benchmark.GroundTruth`.
        root_last: whether joints are in the order of the product ``mupots``, which ends with the
            pelvis, and not in that of the annotations.

    Raises:
        BadFileError: if the file is no prediction file, has poses of other images, or other
            joints, or numbers that are not finite.
    """
    image_paths, poses = read_predictions(path)
    if poses.shape[1] != len(TEST_JOINTS):
        problem = f'has {poses.shape[1]} joints; {len(TEST_JOINTS)} were expected'
        raise BadFileError(path, problem, 'Convert them.')
    images = [parse_image_path(image_path) for image_path in image_paths]
    extra = [
        image_path
        for image, image_path in zip(images, image_paths, strict=True)
        if image is None or not truth.has_image(image)
    ]
    if extra:
        problem = f'{len(extra)} of the poses are of other images ({some_of(extra)})'
        remedy = 'Name images as mupots/TS1/img_000000.jpg, and predict those of the release.'
        raise BadFileError(path, problem, remedy)
    is_bad = ~np.isfinite(poses).all(axis=(1, 2))
    if is_bad.any():
        first = image_paths[int(np.argmax(is_bad))]
        problem = f'{is_bad.sum()} of the poses not finite, the first one for {first}'
        raise BadFileError(path, problem, 'Predict all joints of everyone.')
    given = set(images)
    missing = [image for image in dict.fromkeys(truth.images) if image not in given]
    if missing:
        names = some_of(image.image_path for image in missing)
        logger.warning(
            '%s: nobody is predicted in %d annotated images (%s)', path, len(missing), names
        )
    names = JOINT_INFO.names if root_last else TEST_JOINTS
    return PredictedPeople(images, poses[:, [names.index(name) for name in TEST_JOINTS]])


def match_people(people, truth) -> np.ndarray:
    """Which prediction is which annotated person.

    Each annotated person in turn gets, of those predictions of the image that are left, the one
    with most joints less than 40 px away both horizontally and vertically; at least one; of
    equals, the first. Joints at the very corner (0, 0) of the image count as missing.

    Args:
        people: :class:`PredictedPeople`.

    Returns:
        (N,) int: row of ``people`` for each person of ``truth``, or -1.
    """
    pred, true = _project(people, truth.intrinsics), _without_zeros(truth.pixels)
    rows_of = defaultdict(list)
    for row, image in enumerate(people.images):
        rows_of[image].append(row)
    persons_of = defaultdict(list)
    for person, image in enumerate(truth.images):
        persons_of[image].append(person)
    matches = np.full(len(truth.images), -1)
    for image, persons in persons_of.items():
        rows = rows_of.get(image)
        if rows:
            agreement = near_keypoints(
                pred[rows][:, _MATCHED_JOINTS], true[persons][:, _MATCHED_JOINTS], _NEAR
            )
            chosen = greedy_matches(agreement)
            matches[persons] = np.where(chosen >= 0, np.array(rows)[chosen], -1)
    return matches


def _project(people, intrinsics):
    """(N, 17, 2) px; NaN for what is not in front of the camera."""
    no_people = np.full((3, 3), np.nan)  # of sequences in which nobody is annotated
    matrices = [intrinsics.get(image.sequence, no_people) for image in people.images]
    rays = np.einsum('nij,nkj->nki', np.reshape(matrices, (-1, 3, 3)), people.poses)
    depth = np.where(rays[..., 2:] > 0, rays[..., 2:], np.nan)
    return _without_zeros(rays[..., :2] / depth)


def _without_zeros(pixels):
    return np.where((pixels == 0).all(axis=-1, keepdims=True), np.nan, pixels)
