"""Is a packed dataset whole? The parts of the answer come from the modules imported here."""

import contextlib
import itertools
import os
from urllib.parse import quote

import numpy as np

from posepile.errors import ArchiveError
from posepile.storage import archive, schema
from posepile.storage.contents import check_contents, image_file
from posepile.storage.findings import VerifyReport
from posepile.storage.index_check import check_archive_file, check_index
from posepile.storage.lazy import dataset_kind, read_metadata
from posepile.storage.records import decode_skeleton, encode_skeleton
from posepile.storage.stored_files import INDEX_ERRORS, reading_index
from posepile.util import SPLIT_NAMES

#: Mean bone lengths of the metadata may differ from those found by this much: coordinates may
#: have been stored with an error of up to 1 mm.
_BONE_TOLERANCE = 1.0, 0.005  # mm, share


def verify(annotations_path, images_path=None, deep=False, n_processes=1) -> VerifyReport:
    """Check a packed dataset.

    By default: the indexes are those that were packed and account for the lengths of the shards,
    the metadata are complete, every annotation has an image, and the counts are those in the
    metadata.

    Args:
        images_path: None if the images are files below DATA_ROOT.
        deep: also have SQLite check its pages, compare all checksums, decode every image and every
            record, check what the records say (see :mod:`posepile.storage.schema` and
            :mod:`posepile.storage.plausibility`), and take statistics. Every changed byte in the
            files of sealed archives is found (see :mod:`posepile.storage.seal`).
        n_processes: the most that may work at the same time.

    Returns:
        All problems, whatever they are: damaged archives do not raise.

    Raises:
        WorkerDiedError: if one of the processes is killed.
    """
    report = VerifyReport(os.fspath(annotations_path), images_path, deep)
    is_safe = check_archive_file(report.annotations_path, report)
    has_images = images_path is None
    if images_path is not None and check_archive_file(images_path, report):
        report.readable.add('images')
        with _noting(report, 'archive'):
            report.bytes += archive.archive_size(images_path)
            with reading_index(images_path) as db:
                ((report.images,),) = db.execute('SELECT COUNT(*) FROM files')
            has_images = True
            check_index(images_path, 'images', report, deep)
    metadata = None
    if is_safe:
        report.readable.add('annotations')
        with _noting(report, 'archive'):
            report.bytes += archive.archive_size(annotations_path)
            check_index(report.annotations_path, 'annotations', report, deep)
        with _noting(report, 'metadata'):
            metadata = read_metadata(annotations_path)
            report.kind = dataset_kind(annotations_path)
    if report.kind is None:
        return report
    skeleton, is_sound = None, False
    with _noting(report, 'metadata'):
        skeleton = decode_skeleton({**metadata, 'joint_edges': []})
        problems = list(schema.metadata_problems(metadata))
        is_sound = not problems
        for check, message in problems:
            report.add(check, 'metadata.msgpack', message)
    with _noting(report, 'archive'):
        _check_paths(report)
        _check_counts(metadata, report)
        if has_images:
            _check_images_exist(report)
    if deep and skeleton is not None:
        with _noting(report, 'archive'):
            if not is_sound:  # the names suffice to check the records
                metadata = encode_skeleton(skeleton)
            statistics = check_contents(
                report, metadata, has_images and images_path is not None, n_processes
            )
            _check_statistics(statistics, metadata, report)
    return report


@contextlib.contextmanager
def _noting(report, check):
    """Turn an archive's being damaged, or metadata's being odd, into a problem of the report."""
    try:
        yield
    # A size in the index may be more than there is memory for.
    except (ArchiveError, *INDEX_ERRORS, OSError, MemoryError, OverflowError) as e:
        report.add('archive', '', str(e) or repr(e))
    except (TypeError, ValueError, AttributeError, LookupError) as e:
        if check != 'metadata':
            raise
        report.add(check, 'metadata.msgpack', f'not of this layout ({e!r})')


def _check_paths(report):
    """Every file must be the metadata or a record with a proper name; count the records."""
    pattern = ' OR '.join(
        f"path GLOB '{split}/?*_{digits}.msgpack'"
        for split in SPLIT_NAMES
        for digits in ('[0-9][0-9]', '[0-9][0-9][0-9]')
    )
    with reading_index(report.annotations_path) as db:
        cursor = db.execute(
            f"SELECT path FROM files WHERE path != 'metadata.msgpack' AND NOT ({pattern})"
        )
        for (key,) in cursor:
            message = 'an annotation is called SPLIT/IMAGE_PATH_NN.msgpack'
            report.add_file('annotations', 'paths', key, message)
    for split in SPLIT_NAMES:
        report.examples[split] = archive.count_files(report.annotations_path, split)


def _packed_counts(metadata):
    posepile = metadata.get('posepile')
    counts = posepile.get('examples') if isinstance(posepile, dict) else None
    return counts if isinstance(counts, dict) else {}


def _check_counts(metadata, report):
    for split, expected in _packed_counts(metadata).items():
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
    with reading_index(report.annotations_path) as db:
        if report.images_path is not None:
            uri = quote(os.path.abspath(archive.index_path(report.images_path)))
            db.execute('ATTACH ? AS images', (f'file:{uri}?mode=ro&immutable=1',))
            query = (
                f'SELECT * FROM ({query}) AS wanted WHERE NOT EXISTS '
                '(SELECT 1 FROM images.files WHERE images.files.path = wanted.image)'
            )
        for key, image_path in db.execute(query):
            file = image_file(image_path)
            if not file or not os.path.exists(file):
                report.add_file('annotations', 'images', key, 'its image is missing')


def _check_statistics(statistics, metadata, report):
    report.statistics = {split: found.as_dict() for split, found in statistics.items()}
    for split, found in statistics.items():
        for check, message in found.warnings():
            report.warn(check, split, message)
    for (split, found), (other_split, other) in itertools.combinations(statistics.items(), 2):
        for check, message in found.differences(other):
            report.warn(check, f'{split} and {other_split}', message)
    _check_mean_bones(statistics, metadata, report)


def _check_mean_bones(statistics, metadata, report):
    """The mean bone lengths of the metadata must be those of the examples."""
    counts = _packed_counts(metadata)
    for key, splits in (
        ('train_bone_lengths', ['train']),
        ('trainval_bone_lengths', ['train', 'val']),
    ):
        found = [statistics[split].bones for split in splits if split in statistics]
        n_good = sum(statistics[split].n for split in splits if split in statistics)
        stored = np.asarray(metadata.get(key, []), np.float64)
        # Of other examples than those that were packed, it could not be told.
        if len(stored) == 0 or not found or n_good != sum(counts.get(s, -1) for s in splits):
            continue
        n = sum(bones.n for bones in found)
        total = sum(np.where(bones.n > 0, bones.mean() * bones.n, 0) for bones in found)
        expected = total / np.maximum(n, 1)
        atol, rtol = _BONE_TOLERANCE
        n_wrong = np.count_nonzero(~np.isclose(stored, expected, rtol=rtol, atol=atol))
        if n_wrong:
            message = f'{n_wrong} of {len(stored)} {key} are not those of the examples'
            report.add('metadata', 'metadata.msgpack', message)
