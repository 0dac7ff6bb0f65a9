"""2D pose datasets as training code sees them; the counterpart of ``posepile.datasets3d``."""

import numpy as np

from posepile.datasets3d import _examples_by_split, _image_of
from posepile.util import TEST, TRAIN, VALID


class Pose2DExample:
    """One person in one image, annotated in the image plane.

    Attributes:
        image_path: path relative to DATA_ROOT; it is also the key in the image archive.
        coords: (J, 2) joints in pixels, NaN where missing.
        bbox: (4,) person box [left, top, width, height], pixels, or None.
        mask: run-length encoded mask (pycocotools dictionary) or None.
        camera: :class:`deltacamera.Camera` or None where the image is not calibrated.
        densepose: (points (N, 2) in pixels, faces (N,), barycentric coordinates (N, 3)) or None.
        image: (H, W, 3) uint8 RGB, or None if it has to be read from ``image_path``.
    """

    def __init__(
        self, image_path, coords, bbox=None, mask=None, camera=None, densepose=None, image=None
    ):
        self.image_path = image_path
        self.coords = coords
        self.bbox = None if bbox is None else np.asarray(bbox)
        self.mask = mask
        self.camera = camera
        self.densepose = densepose
        self.image = image

    def get_image(self):
        """(H, W, 3) uint8 RGB image, read from ``image_path`` below DATA_ROOT if need be."""
        return _image_of(self)

    def load(self):
        """Return self: in-memory and archived examples are used alike."""
        return self


class Pose2DDataset:
    """Examples of three splits that share a skeleton: ``joint_info`` and ``examples``."""

    def __init__(self, joint_info, train_examples=None, valid_examples=None, test_examples=None):
        self.joint_info = joint_info
        self.examples = _examples_by_split(train_examples, valid_examples, test_examples)

    @classmethod
    def open(cls, annotations_path, images_path=None):
        """Open a packed dataset, as :meth:`posepile.datasets3d.Pose3DDataset.open` does."""
        from posepile.storage.lazy import Pose2DDatasetBarecat

        return Pose2DDatasetBarecat(annotations_path, images_path)

    def iter_examples(self):
        """All examples: train, then validation, then test."""
        for split in (TRAIN, VALID, TEST):
            yield from self.examples[split]


def get_dataset(name, *args, **kwargs):
    """Like :func:`posepile.datasets3d.get_dataset`, for a 2D dataset.

    Every call gives a dataset of its own, so converting one in place changes no other.
    """
    from posepile.storage.access import get_packed_dataset

    return get_packed_dataset(name, '2d', *args, **kwargs)


def __getattr__(name):
    if name in ('Pose2DDatasetBarecat', 'Pose2DExampleBarecat'):
        from posepile.storage import lazy

        return getattr(lazy, name)
    if name in ('dict_to_example', 'example_to_dict'):
        from posepile.storage import records

        return getattr(records, name.replace('example', 'example2d'))
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
