"""Do the contents of a packed dataset decode, and do its records make sense?

What is wrong is added to a :class:`posepile.storage.verify.VerifyReport`. Archives are read from
front to back, and memory stays bounded (8 bytes per image).
"""

import functools
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import simplepyutils as spu

from posepile.errors import PosePileError, RawDataError
from posepile.paths import ensure_absolute_path
from posepile.raw.images import decode_image, image_size, jpeg_size
from posepile.storage import archive, codec, schema
from posepile.storage.records import DECODERS, RECORD_ERRORS, image_path_of

_MOST_PENDING = 256  # images read but not yet decoded


def check_images(path, report):
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


def check_records(report, metadata, size_in_archive):
    """Decode all records and check what they say, also about their images.

    Args:
        metadata: of the annotation archive.
        size_in_archive: what :func:`check_images` returned; None if the images are files.
    """
    n_joints = len(metadata['joint_names'])
    _quick_check(report.annotations_path, report)

    @functools.lru_cache(maxsize=16)  # neighbours often share an image
    def size_of(image_path):
        size = size_in_archive(image_path) if size_in_archive else None
        if size is None and os.path.exists(image_file(image_path)):
            try:
                size = image_size(image_file(image_path))
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


def image_file(image_path):
    """Where an image that is no member of an archive would be."""
    try:
        return ensure_absolute_path(image_path)
    except PosePileError:  # no DATA_ROOT: then there are no files below it
        return ''
