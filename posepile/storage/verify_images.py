"""Is a packed collection of images whole? As :mod:`posepile.storage.verify` is for poses."""

import os

from posepile.errors import ArchiveError, RawDataError
from posepile.storage import archive, image_collection
from posepile.storage.contents import size_of_intact
from posepile.storage.findings import VerifyReport
from posepile.storage.index_check import check_archive_file, check_index
from posepile.storage.stored_files import INDEX_ERRORS, ShardReader, reading_index, stored_files


def verify_images(path, deep=False) -> VerifyReport:
    """Check a collection of images: index, shards, metadata and count; and if ``deep``, compare all
    checksums and decode every image.

    Returns:
        All problems, whatever they are: a damaged archive does not raise.
    """
    report = VerifyReport('', os.fspath(path), deep)
    if not check_archive_file(report.images_path, report):
        return report
    report.readable.add('images')
    try:
        report.bytes = archive.archive_size(path)
        check_index(report.images_path, 'images', report, deep)
        report.images = archive.count_files(path, image_collection.FOLDER)
        about = image_collection.read_metadata(path)['posepile']
        report.kind = about['kind']
        if report.images != about.get('images'):
            message = f'{report.images} images, but {about.get("images")} were packed'
            report.add('counts', '', message)
        if deep:
            _check_contents(report)
    except (ArchiveError, *INDEX_ERRORS, OSError, MemoryError, OverflowError) as e:
        report.add('archive', '', str(e) or repr(e))
    return report


def _check_contents(report):
    prefix = f'{image_collection.FOLDER}/'
    with reading_index(report.images_path) as db, ShardReader(report.images_path) as shards:
        for file in stored_files(db):
            try:
                data = shards.read(file)
            except ValueError as e:
                report.add_file('images', 'contents', file.key, str(e))
                continue
            if file.key == image_collection.METADATA:
                continue
            if not file.key.startswith(prefix):
                message = f'neither {image_collection.METADATA} nor below {prefix}'
                report.add_file('images', 'paths', file.key, message)
                continue
            size = size_of_intact(data)  # before it is decoded in full: sizes may be made up
            try:
                if isinstance(size, RawDataError):
                    raise size
                image_collection.decode(data, report.kind)
            except RawDataError as e:
                report.add_file('images', 'image', file.key, e.problem)
