"""Samples to batches of tensors."""

import numpy as np
import torch


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
    batch = {name: _stacked([s[name] for s in samples]) for name in samples[0]}
    batch['image'] = batch['image'].permute(0, 3, 1, 2)
    for n in ('2d', '3d'):
        coords = batch[f'coords{n}']
        is_valid = torch.isfinite(coords).all(dim=-1)
        coords[~is_valid] = 0
        batch[f'is_valid{n}'] = is_valid
    return batch


def _stacked(values):
    return torch.from_numpy(np.stack(values))
