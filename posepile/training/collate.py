"""Samples to batches of tensors."""

import numpy as np
import torch
from torch.utils.data import default_collate


def collate(samples) -> dict:
    """Stack samples of :class:`~posepile.training.PoseDataset`.

    Coordinates that are not known become zeros, with a mask that says so: a NaN, even times zero,
    makes every gradient NaN.

    Returns:
        The entries of the samples with a leading batch axis, and

        * ``image`` as (B, 3, H, W) uint8, in the memory format channels_last, which is how
          networks are fastest; divide by 255 on the device: a byte is moved faster than a float;
        * ``is_valid3d``, ``is_valid2d`` (B, J) bool: where ``coords3d`` and ``coords2d`` are known.
    """
    images = default_collate([sample['image'] for sample in samples])
    arrays = {name: torch.from_numpy(array) for name, array in stack_annotations(samples).items()}
    return {'image': images.permute(0, 3, 1, 2)} | arrays


def stack_annotations(samples) -> dict:
    """What :func:`collate` makes of everything but the images, as NumPy arrays."""
    batch = {n: np.stack([s[n] for s in samples]) for n in samples[0] if n != 'image'}
    for n in {'2d', '3d'} & {name.removeprefix('coords') for name in batch}:
        coords = batch[f'coords{n}']
        is_valid = np.isfinite(coords).all(axis=-1)
        coords[~is_valid] = 0
        batch[f'is_valid{n}'] = is_valid
    return batch
