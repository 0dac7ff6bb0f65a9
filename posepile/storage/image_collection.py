"""Packed images that training mixes into others: cut-out objects, and backgrounds without people.

A product of these is one Barecat archive, ``packed/<name>/images.barecat``: ``metadata.msgpack``,
and below ``images/`` a PNG file with transparency for each occluder, or a JPEG file for each
background.
"""

import os
import os.path as osp
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

import posepile
from posepile import paths
from posepile.errors import ArchiveError, OptionError, RawDataError
from posepile.raw.images import decode_image
from posepile.registry import IMAGE_KINDS, find_dataset
from posepile.storage import archive, codec

METADATA = 'metadata.msgpack'
FOLDER = 'images'


class ImageCollection(Sequence):
    """The images of a packed product, decoded when they are asked for.

    Opening it reads the list of contents alone. It may be pickled, and be used by forked processes
    and threads, which share what the system keeps of the file in memory and hold nothing else.

    Args:
        path: of the archive.

    Attributes:
        kind: ``'occluders'`` or ``'backgrounds'``.
        names: paths of the images in the archive, sorted, without the folder that holds them all.

    An item is a pair of RGB (H, W, 3) uint8 and opacity (H, W) uint8, 255 where opaque, for
    occluders, and RGB (H, W, 3) uint8 for backgrounds.

    Raises:
        ArchiveError: if the archive is missing, damaged, or something else; also when an image is
            read that is damaged.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.metadata = read_metadata(self.path)
        self.kind = self.metadata['posepile']['kind']
        self.names = [
            key.removeprefix(f'{FOLDER}/') for key in archive.list_files(self.path, FOLDER)
        ]
        self._rows = np.fromiter(archive.list_rows(self.path, FOLDER), np.int64)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        key, data = archive.read_row(self.path, self._rows[index])
        try:
            return decode(data, self.kind, f'{self.path}: {key}')
        except RawDataError as e:
            raise ArchiveError(self.path, f'{key} {e.problem}', 'Pack it again.') from e

    def __repr__(self):
        return f'<{len(self)} {self.kind} in {self.path}>'


def open_images(name_or_path, kind=None) -> ImageCollection:
    """Open a packed product of images.

    Args:
        name_or_path: name of a product, or path of an archive (``*.barecat``).
        kind: what is wanted, ``'occluders'`` or ``'backgrounds'``; None: either.

    Raises:
        UnknownDatasetError: if there is no dataset of that name.
        OptionError: if it is of another kind.
        ArchiveError: if it has not been packed (the text says how to), or is damaged.
    """
    path = os.fspath(name_or_path)
    if not path.endswith('.barecat'):
        info = find_dataset(path)
        if info.has_poses or kind not in (None, info.kind):
            raise OptionError(f'{path} is of the kind {info.kind}, not {kind or "images"}.')
        path = packed_path(path)
        if not osp.exists(path):
            raise ArchiveError(
                path,
                f'{info.name} has not been packed yet',
                f'Make it with: posepile run {info.name}',
            )
    images = ImageCollection(path)
    if kind not in (None, images.kind):
        raise OptionError(f'{path} holds {images.kind}, not {kind}.')
    return images


def packed_path(name) -> str:
    """Path of the archive of the product ``name``."""
    return paths.packed_paths(name)[1]


def read_metadata(path) -> dict:
    """What was noted about a collection when it was packed: ``{'posepile': {'name', 'kind',
    'version', 'options', 'images', 'simulated'}}``.

    Raises:
        ArchiveError: if the archive is missing or damaged, or is no collection of images.
    """
    try:
        metadata = codec.unpack(archive.read_file(path, METADATA))
        if metadata['posepile']['kind'] in IMAGE_KINDS:
            return metadata
    except (KeyError, TypeError, ValueError) as e:
        raise ArchiveError(path, f'is no collection of images ({e!r})') from e
    raise ArchiveError(path, 'is no collection of images')


def write_images(info, images: Iterable[tuple[str, bytes]], simulated=False) -> int:
    """Pack encoded images as the product ``info.name``; it appears when it is complete.

    Args:
        info: :class:`~posepile.registry.DatasetInfo`.
        images: (name, PNG or JPEG file), sorted by name.
        simulated: whether the raw release was simulated.

    Returns:
        The number of images.

    Raises:
        ArchiveError: if there is no image, or the disk is full.
    """
    path = packed_path(info.name)
    n = 0
    with archive.ArchiveWriter(path) as writer:
        for name, data in images:
            writer.add(f'{FOLDER}/{name}', data)
            n += 1
        if n == 0:
            raise ArchiveError(path, 'there is not a single image to pack', 'Check the raw files.')
        about = dict(
            name=info.name,
            kind=info.kind,
            version=posepile.__version__,
            options=info.options,
            images=n,
            simulated=simulated,
        )
        writer.add(METADATA, codec.pack({'posepile': about}))
    return n


def encode_cutout(rgb, opacity) -> bytes:
    """PNG file of an object: RGB (H, W, 3) uint8, also where it is transparent, and opacity (H, W)
    from 0 to 1, stored in 255ths."""
    alpha = np.rint(np.asarray(opacity, np.float64) * 255).astype(np.uint8)
    _, data = cv2.imencode('.png', np.dstack([rgb[..., ::-1], alpha]))
    return data.tobytes()


def decode(data, kind, name='<bytes>'):
    """An item of an :class:`ImageCollection` from the content of its file.

    Raises:
        RawDataError: if it is damaged, or has no transparency although it is an occluder.
    """
    return decode_cutout(data, name) if kind == 'occluders' else decode_image(data, name=name)


def decode_cutout(data, name='<bytes>'):
    """RGB (H, W, 3) uint8 and opacity (H, W) uint8 of a PNG file with transparency.

    Raises:
        RawDataError: if it is anything else.
    """
    try:
        bgra = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        bgra = None
    if bgra is None or bgra.dtype != np.uint8 or bgra.ndim != 3 or bgra.shape[2] != 4:
        raise RawDataError(name, 'is no PNG with 8 bits per channel and transparency')
    return np.ascontiguousarray(bgra[..., 2::-1]), np.ascontiguousarray(bgra[..., 3])
