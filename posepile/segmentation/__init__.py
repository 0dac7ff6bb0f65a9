"""Masks of people in crops, images and videos, found by Ultralytics' YOLO networks.

``segment_people`` finds them, ``open_masks`` reads what was found, by this program or by others.
"""

__all__ = ['open_masks', 'segment_people']


def __getattr__(name):  # importing the package must not import torch
    if name == 'segment_people':
        from posepile.segmentation.stage import segment_people

        return segment_people
    if name == 'open_masks':
        from posepile.segmentation.stored import open_masks

        return open_masks
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
