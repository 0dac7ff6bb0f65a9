"""WebDataset: tar shards in which the files of a sample share a name and follow each other.

``<split>-NNNNNN.tar`` holds ``000000123.jpg``, the image file as it is stored, and
``000000123.json``, the annotation as :mod:`posepile.export.plain` has it, with its ``key``. The
skeleton is in ``skeleton.json`` beside the shards.
"""

import io
import json
import tarfile
from collections import Counter

from posepile.export.folder import ExportFolder, shards
from posepile.export.plain import to_json, to_plain
from posepile.export.source import image_extension
from posepile.storage.records import encode_skeleton
from posepile.util import SPLIT_NAMES

#: Crops of 20 to 30 kB make shards of about 250 MB.
SHARD_SIZE = 10_000


def write(source, out, images=True, shard_size=SHARD_SIZE):
    """Export to the folder ``out``; see :func:`posepile.export.export`."""
    folder = ExportFolder(out, 'webdataset', source, images=images, shard_size=shard_size)
    _write_skeleton(folder, source)
    with source.progress('webdataset') as progress:
        for split, i_shard, _, start, stop in shards(source, shard_size):
            name = f'{SPLIT_NAMES[split]}-{i_shard:06d}.tar'
            if not folder.is_done(name):
                with folder.write(name, SPLIT_NAMES[split]) as (partial, count):
                    _write_shard(partial, count, source, split, start, stop, images)
            progress.update(stop - start)
    return folder.report()


def _write_shard(path, count, source, split, start, stop, images):
    lost = Counter()
    # PAX headers only where a name or a size needs them; no times, no owners.
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as tar:
        for i, sample in enumerate(source.samples(split, start, stop), start):
            if images:
                data = source.image_bytes(sample.example.image_path)
                _add(tar, f'{i:09d}.{image_extension(data)}', data)
                count['images'] += 1
            plain = dict(key=sample.key, **to_plain(sample.example, lost))
            _add(tar, f'{i:09d}.json', to_json(plain, sample.key).encode())
            count['examples'] += 1
    count['lost'] = dict(lost)


def _add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))


def _write_skeleton(folder, source):
    skeleton = dict(kind=source.kind, name=source.name, **encode_skeleton(source.joint_info))
    folder.write_text('skeleton.json', json.dumps(skeleton, indent=1, ensure_ascii=False))
