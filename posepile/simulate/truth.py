"""What a simulated release really shows: the measure of every reader."""

import dataclasses
import os
from dataclasses import dataclass

import numpy as np

from posepile import paths
from posepile.atomic import replacing
from posepile.errors import BadFileError
from posepile.storage import codec


@dataclass
class TruePerson:
    """One person in one frame who must come out as one example of a product.

    Attributes:
        crop_path: where the crop belongs, relative to DATA_ROOT.
        split: TRAIN, VALID or TEST.
        joints: (J, 3) world coordinates in mm, or (J, 2) source pixels, float64; NaN: missing.
            In the order of the product's skeleton.
        box: (4,) person box in source pixels, as the dataset's rule derives it.
        imshape: (height, width) of the source image.
        camera: the source's calibration as a dictionary ``K``, ``R`` (world to camera), ``t``
            (optical centre, mm), ``distortion`` (coefficients or None), ``world_up``; None if
            uncalibrated.
        mask: run-length encoded mask in source pixels, or None.
        markers: (M, 2) source pixels of markers drawn into the frame, or None.
        expansion: by how much wider than usual the product's crops are.
        turns, box_side, max_enlargement: how the crop is laid out; see
            :func:`posepile.simulate.reference_crop.reference_crop`.
        has_joints: whether the example has ``joints``; False where ``parameters`` stand for them.
        parameters: body-model parameters of the example as a dictionary, or None.
        is_cropped: whether the image is a crop, and not the source as it is.
        is_mask_estimated: whether the product's mask is found by a network, which cannot be exact.
    """

    crop_path: str
    split: int
    joints: np.ndarray
    box: np.ndarray
    imshape: tuple[int, int]
    camera: dict | None = None
    mask: dict | None = None
    markers: np.ndarray | None = None
    is_mask_estimated: bool = False
    expansion: float = 1.0
    is_cropped: bool = True
    has_joints: bool = True
    parameters: dict | None = None
    turns: bool = True
    box_side: float = 1.5 * 256
    max_enlargement: float = 1.2


def camera_dict(camera) -> dict:
    """A :class:`~posepile.simulate.camera.StudioCamera` as ``TruePerson.camera``."""
    return {name: getattr(camera, name) for name in ('K', 'R', 't', 'distortion', 'world_up')}


def truth_path(product):
    return os.path.join(paths.state_dir(product), 'truth.msgpack')


def save_truth(product, people):
    """Store the truth about all examples that ``product`` must have."""
    write_truth(product, [dict(vars(p), imshape=list(p.imshape)) for p in people])


def load_truth(product) -> list[TruePerson]:
    """The truth about a product made from a simulated release.

    Raises:
        BadFileError: if there is none: the release is real, or was simulated elsewhere.
    """
    names = {f.name for f in dataclasses.fields(TruePerson)}
    people = read_truth(product)
    return [TruePerson(**{k: v for k, v in p.items() if k in names}) for p in people]


def write_truth(product, content):
    """Store what is true of a product: dicts, lists, numbers and arrays."""
    path = truth_path(product)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with replacing(path) as partial, open(partial, 'wb') as f:
        f.write(codec.pack(content))


def read_truth(product):
    """What :func:`write_truth` has stored. Raises BadFileError if there is nothing."""
    path = truth_path(product)
    try:
        with open(path, 'rb') as f:
            return codec.unpack(f.read())
    except FileNotFoundError:
        raise BadFileError(
            path,
            'there is no truth to compare with',
            f'Only simulated data has one: posepile simulate {product}',
        ) from None
