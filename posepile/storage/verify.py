"""Is a packed dataset whole, and does every record make sense?

Memory stays bounded (8 bytes per image) and archives are read from front to back.
"""

import contextlib
import dataclasses
import functools
import os
import sqlite3
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
import simplepyutils as spu

from posepile.errors import ArchiveError, PosePileError, RawDataError
from posepile.paths import ensure_absolute_path
from posepile.raw.images import decode_image, image_size, jpeg_size
from posepile.storage import archive, codec, schema
from posepile.storage.lazy import dataset_kind, read_metadata
from posepile.storage.records import DECODERS, RECORD_ERRORS, image_path_of
from posepile.util import SPLIT_NAMES

_MOST_NAMED = 5  # instances of a problem that are named; all are counted
_MOST_PENDING = 256  # images read but not yet decoded


@dataclass
class Problem:
    """A check that failed: how often, and the first instances."""

    check: str
    count: int = 0
    instances: list[str] = field(default_factory=list)


@dataclass
class VerifyReport:
    """Outcome of :func:`verify`.

    Attributes:
        examples: number of examples by split name.
        images, bytes: number of images, and size of both archives.
        problems: by check; empty if all is well.
    """

    annotations_path: str
    images_path: str | None
    deep: bool
    kind: str | None = None
    examples: dict[str, int] = field(default_factory=dict)
    images: int = 0
    bytes: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.problems

    def add(self, check, where, message):
        """Count an instance of a problem."""
        problem = self.problems.setdefault(check, Problem(check))
        problem.count += 1
        if len(problem.instances) < _MOST_NAMED:
            problem.instances.append(f'{where}: {message}' if where else message)

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        problems = [dataclasses.asdict(p) for p in self.problems.values()]
        return {**dataclasses.asdict(self), 'ok': self.ok, 'problems': problems}


def verify(annotations_path, images_path=None, deep=False) -> VerifyReport:
    """Check a packed dataset.

    By default: the archives open, the metadata are complete, no file extends beyond its shard,
    every annotation has an image, and the counts are those in the metadata.

    Args:
        images_path: None if the images are files below DATA_ROOT.
        deep: also compare all checksums, decode every image and every record, and check what the
            records say (see :mod:`posepile.storage.schema`).

    Returns:
        All problems, whatever they are: damaged archives do not raise.
    """
    report = VerifyReport(os.fspath(annotations_path), images_path, deep)
    metadata = None
    with _noting(report, 'archive'):
        archive.open_reader(annotations_path)
        report.bytes = archive.archive_size(annotations_path)
        metadata = read_metadata(annotations_path)
        report.kind = dataset_kind(annotations_path)
    has_images = images_path is None
    if images_path is not None:
        with _noting(report, 'archive'):
            report.bytes += archive.archive_size(images_path)
            report.images = len(archive.open_reader(images_path).index)
            has_images = True
            _check_shards(images_path, report)
    if metadata is None:
        return report
    with _noting(report, 'metadata'):
        for check, message in schema.metadata_problems(metadata):
            report.add(check, 'metadata.msgpack', message)
    with _noting(report, 'archive'):
        _check_shards(annotations_path, report)
        _check_paths(annotations_path, report)
        _check_counts(metadata, report)
        if has_images:
            _check_images_exist(report)
    if deep and report.kind is not None:
        with _noting(report, 'archive'):
            sizes = _check_images(images_path, report) if has_images and images_path else None
            _check_records(report, metadata, sizes)
    return report


@contextlib.contextmanager
def _noting(report, check):
    """Turn an archive's being damaged into a problem of the report."""
    try:
        yield
    except (ArchiveError, sqlite3.Error, FileNotFoundError) as e:
        report.add(check, '', str(e))
    except (TypeError, ValueError, AttributeError, LookupError) as e:
        if check != 'metadata':
            raise
        report.add(check, 'metadata.msgpack', f'not of this layout ({e!r})')


def _check_shards(path, report):
    """No file may extend beyond its shard."""
    reader = archive.open_reader(path)
    ends = reader.index.conn.execute(
        'SELECT shard, MAX(offset + size), MIN(offset), MIN(size) FROM files GROUP BY shard'
    )
    for i_shard, end, first_offset, smallest_size in ends.fetchall():
        shard_path = reader.sharder.get_shard_path(i_shard)
        if not os.path.exists(shard_path):
            report.add('shards', shard_path, 'the file is missing')
        elif os.path.getsize(shard_path) < end:
            missing = end - os.path.getsize(shard_path)
            report.add('shards', shard_path, f'the file is {missing} bytes too short')
        elif first_offset < 0 or smallest_size < 0:
            report.add('shards', shard_path, 'the index gives negative positions in it')


def _check_paths(path, report):
    """Every file must be the metadata or a record with a proper name; count the records."""
    pattern = ' OR '.join(
        f"path GLOB '{split}/?*_{digits}.msgpack'"
        for split in SPLIT_NAMES
        for digits in ('[0-9][0-9]', '[0-9][0-9][0-9]')
    )
    cursor = archive.open_reader(path).index.conn.execute(
        f"SELECT path FROM files WHERE path != 'metadata.msgpack' AND NOT ({pattern})"
    )
    for (key,) in cursor:
        report.add('paths', key, 'an annotation is called SPLIT/IMAGE_PATH_NN.msgpack')
    for split in SPLIT_NAMES:
        report.examples[split] = archive.count_files(path, split)


def _check_counts(metadata, report):
    posepile = metadata.get('posepile')
    counts = posepile.get('examples') if isinstance(posepile, dict) else None
    for split, expected in (counts or {}).items():
        found = report.examples.get(split, 0)
        if found != expected:
            report.add('counts', split, f'{found} examples, but {expected} were packed')
    if not any(report.examples.values()):
        report.add('counts', '', 'there is not a single example')


def _check_images_exist(report):
    """Every annotation must have its image, in the image archive or as a file."""
    # Up to the last underscore; then without it, and without the split.
    stem = "rtrim(path, replace(path, '_', ''))"
    image = f"substr({stem}, instr(path, '/') + 1, length({stem}) - instr(path, '/') - 1)"
    query = f"SELECT path, {image} AS image FROM main.files WHERE path LIKE '%/%'"
    with contextlib.closing(_connect(report.annotations_path)) as db:
        if report.images_path is not None:
            db.execute('ATTACH ? AS images', (_uri(report.images_path),))
            query = (
                f'SELECT * FROM ({query}) AS wanted WHERE NOT EXISTS '
                '(SELECT 1 FROM images.files WHERE images.files.path = wanted.image)'
            )
        for key, image_path in db.execute(query):
            if not os.path.exists(_as_file(image_path)):
                report.add('images', key, 'its image is missing')


def _check_images(path, report):
    """Decode all images; returns a function from image path to (width, height) or None."""
    _quick_check(path, report)
    connection = archive.open_reader(path).index.conn
    (last_row,) = connection.execute('SELECT MAX(rowid) FROM files').fetchone()
    sizes = np.zeros(((last_row or 0) + 1, 2), np.int32)
    files = _stored_files(path, report, 'Images')
    for key, row, size in _in_threads(_size_of_intact, files):
        if isinstance(size, RawDataError):
            report.add('image', key, size.problem)
        else:
            sizes[row] = size

    def size_of(image_path):
        found = connection.execute('SELECT rowid FROM files WHERE path = ?', (image_path,))
        row = found.fetchone()
        if row is None:
            return None
        size = tuple(sizes[row[0]].tolist())
        return size if size[0] > 0 else None

    return size_of


def _size_of_intact(data):
    """(width, height) of an image that decodes from end to end; the RawDataError if not."""
    try:
        size = jpeg_size(data)
        # An eighth of the size takes reading all data of a JPEG file, but little more.
        image = decode_image(data, scale=1 / 8 if size else 1)
        return size or image.shape[1::-1]
    except RawDataError as e:
        return e


def _check_records(report, metadata, size_in_archive):
    n_joints = len(metadata['joint_names'])
    _quick_check(report.annotations_path, report)

    @functools.lru_cache(maxsize=16)  # neighbours often share an image
    def size_of(image_path):
        size = size_in_archive(image_path) if size_in_archive else None
        if size is None and os.path.exists(_as_file(image_path)):
            try:
                size = image_size(_as_file(image_path))
            except RawDataError as e:
                report.add('image', image_path, e.problem)
        return size

    for key, _, data in _stored_files(report.annotations_path, report, 'Records'):
        if '/' not in key:
            continue
        for check, message in _problems_of(data, key, report.kind, n_joints, size_of):
            report.add(check, key, message)


def _problems_of(data, key, kind, n_joints, size_of):
    image_path = image_path_of(key)
    try:
        record = codec.unpack(data)
        problems = list(schema.record_problems(record, kind, n_joints, image_path))
        if not problems:
            example = DECODERS[kind](record, n_joints)
            problems = list(schema.example_problems(example, size_of(image_path)))
    except RECORD_ERRORS as e:
        problems = [('record', f'it is damaged or not of this layout ({e!r})')]
    return problems


def _stored_files(path, report, title):
    """Yield (key, row id, contents) in the order of storage; what is damaged is reported."""
    reader = archive.open_reader(path)
    rows = reader.index.conn.execute(
        'SELECT path, rowid, shard, offset, size, crc32c FROM files ORDER BY shard, offset'
    )
    progress = spu.progressbar(rows, total=len(reader.index), desc=title, unit=' files')
    for key, row_id, shard, offset, size, checksum in progress:
        try:
            data = reader.sharder.read_from_address(shard, offset, size, checksum)
        except (ValueError, OSError, IndexError) as e:
            report.add('contents', key, str(e))
            continue
        if len(data) < size:
            report.add('contents', key, f'only {len(data)} of {size} bytes are there')
            continue
        yield key, row_id, data


def _quick_check(path, report):
    for (message,) in archive.open_reader(path).index.conn.execute('PRAGMA quick_check(5)'):
        if message != 'ok':
            report.add('archive', path, f'the index is damaged: {message}')


def _in_threads(function, items):
    """Yield items with ``function`` applied to their last entry, in order, computed in threads."""
    pending = deque()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for *head, last in items:
            pending.append((head, pool.submit(function, last)))
            if len(pending) >= _MOST_PENDING:
                head, future = pending.popleft()
                yield *head, future.result()
        for head, future in pending:
            yield *head, future.result()


def _connect(path):
    return sqlite3.connect(_uri(path), uri=True)


def _uri(path):
    return f'file:{quote(os.path.abspath(archive.index_path(path)))}?mode=ro'


def _as_file(image_path):
    """Where an image that is no member of an archive would be."""
    try:
        return ensure_absolute_path(image_path)
    except PosePileError:  # no DATA_ROOT: then there are no files below it
        return ''
