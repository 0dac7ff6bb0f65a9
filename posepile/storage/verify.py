"""Is a packed dataset whole? What is in its files is checked by ``posepile.storage.contents``."""

import contextlib
import dataclasses
import os
import sqlite3
from dataclasses import dataclass, field
from urllib.parse import quote

from posepile.errors import ArchiveError
from posepile.storage import archive, schema
from posepile.storage.contents import check_images, check_records, image_file
from posepile.storage.lazy import dataset_kind, read_metadata
from posepile.util import SPLIT_NAMES

_MOST_NAMED = 5  # instances of a problem that are named; all are counted


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
            sizes = check_images(images_path, report) if has_images and images_path else None
            check_records(report, metadata, sizes)
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
            if not os.path.exists(image_file(image_path)):
                report.add('images', key, 'its image is missing')


def _connect(path):
    return sqlite3.connect(_uri(path), uri=True)


def _uri(path):
    return f'file:{quote(os.path.abspath(archive.index_path(path)))}?mode=ro'
