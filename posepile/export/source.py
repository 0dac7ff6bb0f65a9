"""The examples of a dataset in a fixed order, one at a time, and their images as stored."""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplepyutils as spu

from posepile.datasets2d import Pose2DDataset
from posepile.errors import OptionError, RawDataError
from posepile.paths import ensure_absolute_path
from posepile.raw.images import decode_image, jpeg_size
from posepile.storage import archive, codec
from posepile.storage.records import ENCODERS, record_path
from posepile.util import SPLIT_NAMES


@dataclass
class Sample:
    """An example on its way to another format.

    Attributes:
        key: ``<split>/<image path>_<NN>``, unique in the dataset.
        example: the full Pose3DExample or Pose2DExample, without its image.
    """

    key: str
    example: object


class ExportSource:
    """What an export reads from.

    Args:
        dataset: a Pose3DDataset or Pose2DDataset, packed or in memory.
        splits: numbers of the splits to export.

    Attributes:
        kind: ``'3d'`` or ``'2d'``.
        name: of the product, or ``'dataset'`` where it has none.
        splits: list of split numbers that have examples, ascending.

    Raises:
        OptionError: if none of the splits has an example.
    """

    def __init__(self, dataset, splits=(0, 1, 2)):
        self.dataset = dataset
        self.kind = '2d' if isinstance(dataset, Pose2DDataset) else '3d'
        self.joint_info = dataset.joint_info
        posepile = getattr(dataset, 'metadata', {}).get('posepile')
        name = posepile.get('name') if isinstance(posepile, dict) else None
        # It becomes part of file names, and archives may come from anyone.
        is_usable = isinstance(name, str) and re.fullmatch(r'\w[\w.-]*', name)
        self.name = name if is_usable else 'dataset'
        self.splits = [s for s in sorted(set(splits)) if len(dataset.examples[s])]
        if not self.splits:
            names = ', '.join(SPLIT_NAMES[s] for s in sorted(set(splits)))
            raise OptionError(f'There is no example to export in {names}.')
        self._is_packed = hasattr(dataset, 'annotations_path')
        self._images_path = getattr(dataset, 'images_path', None)

    def count(self, split) -> int:
        return len(self.dataset.examples[split])

    def progress(self, title):
        """A progress bar over all examples; a context manager with ``update(n)``."""
        total = sum(self.count(split) for split in self.splits)
        return contextlib.closing(spu.progressbar(total=total, desc=title, unit=' examples'))

    def samples(self, split, start=0, stop=None) -> Iterator[Sample]:
        """The examples of a split from ``start`` (inclusive) to ``stop`` (exclusive), in order.

        Raises:
            ArchiveError: if a record is damaged.
        """
        examples = self.dataset.examples[split]
        stop = len(examples) if stop is None else stop
        if self._is_packed:
            for i in range(start, min(stop, len(examples))):
                light = examples[i]
                yield Sample(light.path.removesuffix('.msgpack'), light.load(load_image=False))
            return
        numbers = {}  # of the examples of one image, which are counted from the first one on
        for i, example in enumerate(examples[:stop]):
            path = example.image_path
            number = numbers[path] = numbers.get(path, -1) + 1
            if i >= start:
                key = record_path(split, path, number)
                yield Sample(key.removesuffix('.msgpack'), example)

    def image_bytes(self, image_path) -> bytes:
        """Contents of an image file, from the image archive, else from below DATA_ROOT.

        Raises:
            RawDataError: if it is in neither, or no JPEG or PNG (other files stay private,
                whatever an archive says that its images are).
            ArchiveError: if it is damaged.
        """
        data = self._stored_bytes(image_path)
        if image_extension(data) is None:
            raise RawDataError(image_path, 'is neither a JPEG nor a PNG file')
        return data

    def _stored_bytes(self, image_path):
        if self._images_path is not None:
            try:
                return archive.read_file(self._images_path, image_path)
            except KeyError:  # images may also be files below DATA_ROOT
                pass
        file = ensure_absolute_path(image_path)
        try:
            with open(file, 'rb') as f:
                return f.read()
        except FileNotFoundError as e:
            raise RawDataError(
                file,
                'there is no such image, nor is it in an image archive',
                'Set DATA_ROOT to where the images lie, or put images.barecat in place.',
            ) from e

    def image_size(self, example) -> tuple[int, int]:
        """(width, height) in px, from the mask where there is one, else from the image."""
        if getattr(example, 'mask', None) is not None:
            height, width = example.mask['size']
            return int(width), int(height)
        data = self.image_bytes(example.image_path)
        size = jpeg_size(data)
        if size is None:
            height, width = decode_image(data, name=example.image_path).shape[:2]
            return width, height
        return size

    def fingerprint(self) -> str:
        """Stands for all contents; of archives by their checksums, in memory without images."""
        digest = hashlib.sha256()
        if not self._is_packed:
            for split in self.splits:
                for sample in self.samples(split):
                    record = ENCODERS[self.kind](sample.example)
                    digest.update(sample.key.encode() + codec.pack(record))
            return digest.hexdigest()
        for path in (self.dataset.annotations_path, self._images_path):
            if path is not None:
                rows = archive.open_reader(path).index.conn.execute(
                    'SELECT path, size, crc32c FROM files ORDER BY path'
                )
                for row in rows:
                    digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()


def image_extension(data: bytes):
    """``jpg`` or ``png``, by the contents; None for other files."""
    if data[:3] == b'\xff\xd8\xff':
        return 'jpg'
    return 'png' if data[:8] == b'\x89PNG\r\n\x1a\n' else None


def box_of(example):
    """(4,) float32 box [left, top, width, height], or None."""
    if example.bbox is None or np.ndim(example.bbox) == 0:
        return None
    return np.asarray(example.bbox, np.float32)


def coords_of(example):
    """(J, 3) mm or (J, 2) px float32 joints, NaN where missing; None for parametric data."""
    get_world_coords = getattr(example, 'get_world_coords', None)
    return _dense(example.coords if get_world_coords is None else get_world_coords())


def univ_coords_of(example):
    """(J, 3) float32 joints of the skeleton with normalised bones, or None."""
    return _dense(getattr(example, 'univ_coords', None))


def _dense(coords):
    """An array also of SparseCoords, which datasets in memory may have."""
    if coords is None:
        return None
    to_array = getattr(coords, 'to_array', None)
    return np.asarray(coords if to_array is None else to_array(), np.float32)


def image_points_of(example):
    """(J, 2) float32 joints in px: annotated, or projected; NaN where missing or behind the camera.

    None for parametric data.
    """
    coords = coords_of(example)
    if coords is None or coords.shape[1] == 2:
        return coords
    return np.asarray(example.camera.world_to_image(coords), np.float32)
