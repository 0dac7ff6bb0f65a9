"""Do the contents of a packed dataset decode, and do its records make sense?

Archives are read from front to back, in batches that any number of processes check. What they
find comes back in the order of storage, so a report does not depend on how many they are.
"""

import contextlib
import functools
import os
import struct
import tempfile
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from posepile.errors import PosePileError, RawDataError
from posepile.paths import ensure_absolute_path
from posepile.raw.images import decode_image, jpeg_size
from posepile.storage import codec, plausibility, schema
from posepile.storage.image_sizes import ImageSizes, path_digest, size_entries, write_sizes
from posepile.storage.in_processes import map_in_processes
from posepile.storage.records import DECODERS, RECORD_ERRORS, decode_skeleton, image_path_of
from posepile.storage.statistics import ExampleNumbers, SplitStatistics, bone_lengths
from posepile.storage.stored_files import (
    ShardReader,
    StoredFile,
    in_batches,
    reading_index,
    stored_files,
)

_MOST_PIXELS = 1 << 27  # a few bytes can declare gigabytes of pixels
_FILES_PER_PROCESS = 1000  # for fewer, starting a process takes longer than the work


@dataclass(frozen=True)
class RecordsToCheck:
    """What a process has to know to check records."""

    annotations_path: str
    kind: str
    n_joints: int
    edges: np.ndarray  # (E, 2)
    mean_bones: np.ndarray | None  # (E,) mm
    sizes_path: str | None


@dataclass
class Found:
    """What was found in a batch: (check, key, message), and what the statistics need."""

    problems: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    sizes: np.ndarray | None = None
    numbers: list[ExampleNumbers] = field(default_factory=list)
    used_images: np.ndarray | None = None


def check_contents(report, metadata, has_image_archive, n_processes):
    """Read everything in both archives and check it; fills the report.

    Args:
        metadata: of the annotation archive, checked before.
        has_image_archive: whether images are to be read from ``report.images_path``.

    Returns:
        Statistics by split name.
    """
    with tempfile.TemporaryDirectory(prefix='posepile-verify-') as folder:
        sizes_path = None
        if has_image_archive:
            sizes_path = os.path.join(folder, 'sizes.npy')
            entries = []
            found = _in_batches(
                _images_of, report.images_path, n_processes, _start_images, (report.images_path,)
            )
            for batch in found:
                _note(batch, 'images', report)
                entries.append(batch.sizes)
            write_sizes(sizes_path, entries)
        return _check_records(report, metadata, sizes_path, n_processes)


def _check_records(report, metadata, sizes_path, n_processes):
    skeleton = decode_skeleton(metadata)
    edges = np.array(skeleton.stick_figure_edges, np.int64).reshape(-1, 2)
    bones = metadata.get('trainval_bone_lengths', metadata.get('train_bone_lengths'))
    bones = None if bones is None or len(bones) != len(edges) else np.asarray(bones, np.float64)
    setup = RecordsToCheck(
        report.annotations_path, report.kind, skeleton.n_joints, edges, bones, sizes_path
    )
    sizes = None if sizes_path is None else ImageSizes(sizes_path)
    statistics = {}
    found = _in_batches(_records_of, report.annotations_path, n_processes, _start_records, (setup,))
    for batch in found:
        _note(batch, 'annotations', report)
        for split in dict.fromkeys(example.split for example in batch.numbers):
            of_split = [example for example in batch.numbers if example.split == split]
            statistics.setdefault(split, SplitStatistics(skeleton)).add(of_split)
        if sizes is not None:
            sizes.mark_used(batch.used_images)
    if sizes is not None and not np.all(sizes.is_used):
        _name_unused_images(report, sizes)
    return statistics


def _note(batch, archive, report):
    for check, key, message in batch.problems:
        report.add_file(archive, check, key, message)
    for check, key, message in batch.warnings:
        report.warn(check, key, message)


def _name_unused_images(report, sizes):
    with reading_index(report.images_path) as db:
        for file in stored_files(db):
            if not sizes.was_used(file.key):
                report.warn('images', file.key, 'no annotation belongs to it')


def _in_batches(function, path, n_processes, initializer, arguments):
    """Yield what ``function`` finds in each batch of the files of an archive."""
    with reading_index(path) as db:
        ((n_files,),) = db.execute('SELECT COUNT(*) FROM files')
        n_processes = min(n_processes, n_files // _FILES_PER_PROCESS)
        title = 'Images' if function is _images_of else 'Records'
        with tqdm(total=n_files, desc=title, unit=' files', disable=None) as progress:
            batches = in_batches(stored_files(db))
            for batch, found in map_in_processes(
                function, batches, n_processes, initializer, arguments
            ):
                progress.update(len(batch))
                yield found


_process = {}  # what the initializers leave for the batches of this process


def _start_images(path):
    _process['shards'] = ShardReader(path)


def _images_of(batch: list[StoredFile]) -> Found:
    found = Found()
    sizes = {}
    for file, data in _contents(batch, found):
        size = size_of_intact(data)
        if isinstance(size, RawDataError):
            found.problems.append(('image', file.key, size.problem))
            size = None
        sizes[file.key] = size
    for file in batch:
        sizes.setdefault(file.key, None)
    found.sizes = size_entries(sizes)
    return found


def size_of_intact(data):
    """(width, height) of an image that decodes from end to end; the RawDataError if not."""
    try:
        size = jpeg_size(data)
        declared = size or _png_size(data)
        if declared and declared[0] * declared[1] > _MOST_PIXELS:
            return RawDataError('<bytes>', f'claims to have {declared[0]} x {declared[1]} px')
        # An eighth of the size takes reading all data of a JPEG file, but little more.
        image = decode_image(data, scale=1 / 8 if size else 1)
        return size or image.shape[1::-1]
    except RawDataError as e:
        return e


def _png_size(data):
    if data[:4] == b'\x89PNG' and len(data) >= 24:
        return struct.unpack('>II', data[16:24])
    return None


def _start_records(setup: RecordsToCheck):
    _process['shards'] = ShardReader(setup.annotations_path)
    _process['setup'] = setup
    _process['sizes'] = None if setup.sizes_path is None else ImageSizes(setup.sizes_path)
    _size_of_file.cache_clear()


def _records_of(batch: list[StoredFile]) -> Found:
    found = Found()
    digests = []
    for file, data in _contents(batch, found):
        if '/' not in file.key:
            continue  # the metadata
        digests.append(path_digest(image_path_of(file.key)))
        try:
            found.problems += [(c, file.key, m) for c, m in _check_record(file.key, data, found)]
        except RECORD_ERRORS as e:
            message = f'it is damaged or not of this layout ({e!r})'
            found.problems.append(('record', file.key, message))
    found.used_images = np.array(digests, np.uint64)
    return found


def _check_record(key, data, found):
    """Problems of a record; warnings and numbers of a good one are added to ``found``."""
    setup = _process['setup']
    image_path = image_path_of(key)
    record = codec.unpack(data)
    if problems := list(schema.record_problems(record, setup.kind, setup.n_joints, image_path)):
        return problems
    example = DECODERS[setup.kind](record, setup.n_joints)
    image_size, problem = _size_of(image_path)
    if problem:
        return [('image', problem)]
    seen = plausibility.SeenExample(example)
    if problems := list(plausibility.example_problems(seen, image_size)):
        return problems
    found.warnings += [
        (check, key, message)
        for check, message in plausibility.example_warnings(
            seen, image_size, setup.edges, setup.mean_bones
        )
    ]
    found.numbers.append(_numbers(key, example, setup))
    return []


def _numbers(key, example, setup):
    is_3d = setup.kind == '3d'
    coords = plausibility.known_coords(example)
    if coords is None:
        coords = np.full((setup.n_joints, 3 if is_3d else 2), np.nan, np.float32)
    return ExampleNumbers(
        split=key.partition('/')[0],
        is_valid=np.all(np.isfinite(coords), axis=1),
        bones=bone_lengths(coords, setup.edges) if is_3d else np.zeros(0, np.float32),
        box_sides=np.asarray(example.bbox[2:], np.float32),
        has_mask=example.mask is not None,
    )


def _size_of(image_path):
    """(width, height) of an image or None, and what is wrong with it as a file."""
    if _process['sizes'] is not None:
        is_there, size = _process['sizes'].find(image_path)
        if is_there:
            return size, ''
    return _size_of_file(image_path)


@functools.lru_cache(maxsize=16)  # neighbours often share an image
def _size_of_file(image_path):
    file = image_file(image_path)
    if not file or not os.path.exists(file):
        return None, ''  # counted as missing elsewhere
    with open(file, 'rb') as f:
        size = size_of_intact(f.read())
    if isinstance(size, RawDataError):
        return None, f'its image {file} {size.problem}'
    return size, ''


def _contents(batch, found):
    """Yield (file, bytes) of what can be read; the rest is added to the problems."""
    for file in batch:
        try:
            yield file, _process['shards'].read(file)
        except ValueError as e:
            found.problems.append(('contents', file.key, str(e)))


def image_file(image_path) -> str:
    """Where an image that is no member of an archive would be; '' if nowhere below DATA_ROOT."""
    if os.path.isabs(image_path) or '..' in image_path.split('/') or '\0' in image_path:
        return ''
    with contextlib.suppress(PosePileError):  # no DATA_ROOT: then there are no files below it
        return ensure_absolute_path(image_path)
    return ''
