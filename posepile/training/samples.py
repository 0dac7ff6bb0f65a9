"""From an example to the arrays that a network is trained on."""

import numpy as np
import rlemasklib

from posepile.errors import BadFileError
from posepile.training import augmentation
from posepile.training.rendering import render


def make_sample(
    example, random_view, mirror_mapping, joint_map, effects, rng, with_mask=False, out=None
):
    """Draw a view of an example and what else happens to its image.

    Args:
        example: full :class:`~posepile.datasets3d.Pose3DExample` or ``Pose2DExample``.
        random_view: :class:`~posepile.training.augmentation.RandomView`.
        mirror_mapping: of the skeleton that ``joint_map`` leads to.
        joint_map: (J', D) joints of the example to (J, D), see
            :class:`~posepile.training.skeleton.JointMap`.
        effects: called one after the other, see :mod:`posepile.training.appearance`. Of one with a
            method ``for_example(example)``, what that returns is called.
        with_mask: add the person's mask.
        out: (side, side, 3) uint8, into which the image is written.

    Returns:
        A dict of arrays: ``image`` (side, side, 3) uint8 RGB; ``coords3d`` (J, 3) float32 in the
        camera space of the view, mm; ``coords2d`` (J, 2) float32 px; both NaN where unknown;
        ``intrinsics`` (3, 3) and ``extrinsics`` (4, 4) float32; ``box`` (4,) float32 in the view;
        ``is_calibrated`` bool; with ``with_mask`` also ``mask`` (side, side) bool, False
        everywhere if the example has none, and ``has_mask`` bool.

    Raises:
        BadFileError: if the example has no box and no joints to make one of.
    """
    camera = example.camera
    view = augmentation.plan_view(
        camera, _box_of(example), random_view.draw(rng), random_view.side, random_view.margin
    )
    coords3d, coords2d = _joints(example, view, mirror_mapping, joint_map)
    mask = None
    if example.mask is not None and (effects or with_mask):
        mask = render(rlemasklib.decode(example.mask) * np.uint8(255), view)
    image = render(example.get_image(), view, out)
    for effect in effects:
        if hasattr(effect, 'for_example'):
            effect = effect.for_example(example)
        image = effect(image, mask, rng)
    if out is not None and image is not out:
        out[:] = image
        image = out
    sample = dict(
        image=image,
        coords3d=coords3d.astype(np.float32),
        coords2d=coords2d.astype(np.float32),
        intrinsics=view.intrinsics.astype(np.float32),
        extrinsics=view.extrinsics(camera).astype(np.float32),
        box=view.box(_box_of(example)).astype(np.float32),
        is_calibrated=np.bool_(view.is_calibrated),
    )
    if with_mask:
        nothing = np.zeros((view.side, view.side), bool)
        sample.update(mask=nothing if mask is None else mask > 127, has_mask=mask is not None)
    return sample


def _joints(example, view, mirror_mapping, joint_map):
    if not hasattr(example, 'world_coords'):
        coords2d = augmentation.image_coords(view, joint_map(example.coords), mirror_mapping)
        return np.full((len(coords2d), 3), np.nan), coords2d
    world_coords = example.get_world_coords()
    if world_coords is None:  # body-model parameters alone
        unknown = np.full((len(mirror_mapping), 3), np.nan)
        return unknown, unknown[:, :2]
    coords3d = augmentation.camera_coords(
        view, example.camera, joint_map(world_coords), mirror_mapping
    )
    return coords3d, augmentation.project(coords3d, view.intrinsics)


def _box_of(example):
    if example.bbox is not None:
        return np.asarray(example.bbox, np.float64)
    points = np.asarray(getattr(example, 'coords', np.zeros((0, 2))), np.float64)
    points = points[np.all(np.isfinite(points), axis=-1)]
    if len(points) < 2:
        raise BadFileError(
            example.image_path,
            'the example has neither a box nor two joints to make one of',
            'Leave it out of the training, or add a box.',
        )
    first, last = points.min(axis=0), points.max(axis=0)
    # A person reaches beyond the joints; and a stretched arm must not make an empty box.
    size = np.maximum((last - first) * 1.2, 8)
    return np.concatenate([(first + last - size) / 2, size])
