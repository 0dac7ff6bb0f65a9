"""Datasets that stay in their archives: an example is read when it is asked for."""

import functools
from collections.abc import Sequence

import numpy as np

from posepile.datasets2d import Pose2DDataset
from posepile.datasets3d import Pose3DDataset
from posepile.errors import ArchiveError, RawDataError
from posepile.raw.images import decode_image
from posepile.storage import archive, codec
from posepile.storage.order import ordered_rows
from posepile.storage.records import (
    RECORD_ERRORS,
    decode_skeleton,
    dict_to_example2d,
    dict_to_example3d,
    image_path_of,
)
from posepile.util import SPLIT_NAMES
from posepile.util.improc import imread


class ExampleSource:
    """Reads examples from a pair of archives; small, so examples that carry it pickle cheaply.

    Args:
        images_path: image archive, or None if the images are files below DATA_ROOT.
        decode_record: (record, number of joints) -> full example.
    """

    def __init__(self, annotations_path, images_path, n_joints, decode_record):
        self.annotations_path = annotations_path
        self.images_path = images_path
        self.n_joints = n_joints
        self._decode_record = decode_record

    def path_of(self, row) -> str:
        """Path of the record in a row of the annotation archive's index."""
        return archive.path_in_row(self.annotations_path, row)

    def read_example(self, row):
        """The full example in a row of the annotation archive's index, without its image."""
        path = f'row {row}'
        try:
            path, data = archive.read_row(self.annotations_path, row)
            return self._decode_record(codec.unpack(data), self.n_joints)
        except RECORD_ERRORS as e:
            raise ArchiveError(
                self.annotations_path, f'the record {path} is damaged or not of this layout ({e!r})'
            ) from e

    def read_image(self, image_path):
        """The decoded image: (H, W, 3) uint8 RGB."""
        return self.decode_image(image_path, self.find_image(image_path))

    def find_image(self, image_path):
        """Where the image lies in the archive; None if it is a file below DATA_ROOT."""
        if self.images_path is None:
            return None
        try:
            return archive.find_file(self.images_path, image_path)
        except KeyError:
            return None

    def decode_image(self, image_path, found):
        """The image that was found there, decoded."""
        if found is None:
            return imread(image_path)
        try:
            return decode_image(found.read(), name=image_path)
        except RawDataError as e:
            raise ArchiveError(self.images_path, f'{image_path} {e.problem}') from e


class PoseExampleBarecat:
    """Stand-in for an example in an archive.

    Attributes:
        path: path of its record in the annotation archive.
        image_path: path of its image; known without reading the record.

    Both are looked up when asked for: a stand-in is no more than a number. Every other attribute
    of the full example (``bbox``, ``camera``, ``mask``, ...; ``image``) is read from the archive at
    the first access and kept. Training code calls :meth:`load` instead, which keeps nothing.
    """

    def __init__(self, row, source):
        self._row = row
        self._source = source

    @functools.cached_property
    def path(self):
        return self._source.path_of(self._row)

    @property
    def n_joints(self):
        return self._source.n_joints

    @property
    def image_path(self):
        return image_path_of(self.path)

    def load(self, load_image=True):
        """Read the full example; two calls give independent objects.

        Args:
            load_image: also read and decode the image (from the image archive, else the file
                below DATA_ROOT) into ``image``.

        Raises:
            ArchiveError: if the record or the image is damaged or missing.
        """
        ex = self._source.read_example(self._row)
        if load_image:
            ex.image = self._source.read_image(ex.image_path)
        return ex

    def get_image(self):
        """(H, W, 3) uint8 RGB image."""
        return self._source.read_image(self.image_path)

    def _find(self):
        """The full example without its image, and a function that decodes this."""
        example = self.load(load_image=False)
        place = self._source.find_image(example.image_path)
        return example, functools.partial(self._source.decode_image, example.image_path, place)

    def __getattr__(self, name):
        if name.startswith('_') or name == 'custom':
            raise AttributeError(name)
        if name == 'image':
            return self.get_image()
        if '_loaded' not in self.__dict__:
            self._loaded = self.load(load_image=False)
        return getattr(self._loaded, name)

    def __repr__(self):
        return f'<{type(self).__name__} {self.path}>'


def load_all(examples, keep_images=True):
    """Yield full examples with their images, of several stand-ins faster than one by one.

    All records are read, and all images found, before the first image is decoded: that displaces
    from the processor's cache what everything else needs.

    Args:
        examples: stand-ins from archives, or examples that are in memory, which stay as they are.
        keep_images: if not, an example from an archive has its image until the next one is asked
            for, whose image then gets the same memory, which is still in the cache.

    Raises:
        ArchiveError: as :meth:`PoseExampleBarecat.load`.
    """
    found = [ex._find() if isinstance(ex, PoseExampleBarecat) else (ex, None) for ex in examples]
    found.reverse()
    while found:  # what has been yielded is not kept here
        example, decode_image = found.pop()
        if decode_image is not None:
            example.image = decode_image()
        yield example
        if decode_image is not None and not keep_images:
            example.image = None


class Pose3DExampleBarecat(PoseExampleBarecat):
    """Stand-in for a :class:`~posepile.datasets3d.Pose3DExample`."""


class Pose2DExampleBarecat(PoseExampleBarecat):
    """Stand-in for a :class:`~posepile.datasets2d.Pose2DExample`."""


class LazyExamples(Sequence):
    """The examples of one split, in the order of their paths: a sequence that holds none of them.

    Indexing takes integers, slices and integer arrays; the latter two give lists, as does ``+``.

    Args:
        n_examples: how many there are, if the archive says so.
    """

    def __init__(self, source, split, example_class, n_examples=None):
        self._source = source
        self._example_class = example_class
        self._rows = ordered_rows(source.annotations_path, SPLIT_NAMES[split], n_examples)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not isinstance(index, (int, np.integer)):
            return [self[i] for i in np.arange(len(self))[index]]
        if not -len(self) <= index < len(self):
            raise IndexError(f'example {index} of {len(self)}')
        return self._example_class(int(self._rows[index]), self._source)

    def __add__(self, other):
        return [*self, *other]

    def __radd__(self, other):
        return [*other, *self]


class _BarecatDataset:
    """What archive-backed 3D and 2D datasets share."""

    def _open(self, annotations_path, images_path, decode_record, example_class):
        self.annotations_path = annotations_path
        self.images_path = images_path
        self.metadata = read_metadata(annotations_path)
        self.joint_info = _skeleton_in(self.metadata, annotations_path)
        if images_path is not None:
            archive.open_reader(images_path)  # a missing archive is told now, not in training
        source = ExampleSource(
            annotations_path, images_path, self.joint_info.n_joints, decode_record
        )
        n_examples = _examples_per_split(self.metadata)
        self.examples = {
            split: LazyExamples(source, split, example_class, n_examples.get(name))
            for split, name in enumerate(SPLIT_NAMES)
        }


class Pose3DDatasetBarecat(_BarecatDataset, Pose3DDataset):
    """A :class:`~posepile.datasets3d.Pose3DDataset` in a pair of archives."""

    def __init__(self, annotations_path, images_path=None):
        self._open(annotations_path, images_path, dict_to_example3d, Pose3DExampleBarecat)
        self.train_bones = self._bones('train_bone_lengths')
        self.trainval_bones = self._bones('trainval_bone_lengths')

    def _bones(self, key):
        bones = self.metadata.get(key)
        return None if bones is None else np.asarray(bones, np.float32)


class Pose2DDatasetBarecat(_BarecatDataset, Pose2DDataset):
    """A :class:`~posepile.datasets2d.Pose2DDataset` in a pair of archives."""

    def __init__(self, annotations_path, images_path=None):
        self._open(annotations_path, images_path, dict_to_example2d, Pose2DExampleBarecat)


def _examples_per_split(metadata) -> dict:
    """What the metadata say about the numbers of examples; only this program says it."""
    posepile = metadata.get('posepile')
    counts = posepile.get('examples') if isinstance(posepile, dict) else None
    return counts if isinstance(counts, dict) else {}


def read_metadata(annotations_path) -> dict:
    """The ``metadata.msgpack`` record of an annotation archive.

    Raises:
        ArchiveError: if it is missing, damaged or lacks the skeleton.
    """
    try:
        metadata = codec.unpack(archive.read_file(annotations_path, 'metadata.msgpack'))
        missing = {'joint_names', 'joint_edges'} - set(metadata)
    except (KeyError, ValueError, TypeError) as e:
        raise ArchiveError(
            annotations_path,
            f'no readable metadata.msgpack in it ({e})',
            'Is it an annotation archive?',
        ) from e
    if missing:
        raise ArchiveError(annotations_path, f'metadata.msgpack lacks {", ".join(sorted(missing))}')
    return metadata


def read_skeleton(annotations_path):
    """The :class:`~posepile.joint_info.JointInfo` of an annotation archive of any size, at once.

    Raises:
        ArchiveError: if its metadata are missing or damaged.
    """
    return _skeleton_in(read_metadata(annotations_path), annotations_path)


def _skeleton_in(metadata, annotations_path):
    try:
        return decode_skeleton(metadata)
    except (ValueError, TypeError) as e:
        raise ArchiveError(
            annotations_path, f'the skeleton in its metadata.msgpack is damaged ({e})'
        ) from e


def dataset_kind(annotations_path) -> str:
    """``'3d'`` or ``'2d'``: what the records of an annotation archive hold.

    Raises:
        ArchiveError: if it is damaged.
    """
    posepile = read_metadata(annotations_path).get('posepile')
    if isinstance(posepile, dict) and posepile.get('kind') in ('2d', '3d'):
        return posepile['kind']
    for split in SPLIT_NAMES:  # archives made by other programs do not say it
        for path in archive.list_files(annotations_path, split):
            try:
                record = codec.unpack(archive.read_file(annotations_path, path))
                return '2d' if 'joints2d' in record else '3d'
            except (ValueError, TypeError) as e:
                raise ArchiveError(annotations_path, f'the record {path} is damaged ({e})') from e
    return '3d'


def open_dataset(annotations_path, images_path=None):
    """Open a packed dataset as a 3D or 2D one, whichever it is.

    Raises:
        ArchiveError: if an archive is missing, damaged, or not of this layout.
    """
    is_2d = dataset_kind(annotations_path) == '2d'
    return (Pose2DDatasetBarecat if is_2d else Pose3DDatasetBarecat)(annotations_path, images_path)
