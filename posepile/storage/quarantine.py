"""A repaired copy of a packed dataset: all that is good, and a list of what is not and why."""

import contextlib
import json
import os
from array import array
from dataclasses import asdict, dataclass, field

import numpy as np

from posepile.atomic import replacing
from posepile.errors import ArchiveError, OptionError
from posepile.storage import codec
from posepile.storage.archive import ArchiveWriter
from posepile.storage.findings import BadFile, VerifyReport
from posepile.storage.image_sizes import path_digest
from posepile.storage.lazy import read_metadata
from posepile.storage.records import DECODERS, decode_skeleton, image_path_of
from posepile.storage.stored_files import (
    COLUMNS,
    INDEX_ERRORS,
    WELL_TYPED,
    ShardReader,
    StoredFile,
    reading_index,
)
from posepile.util import SPLIT_NAMES
from posepile.util.bones import MeanBoneLengths

LEFT_OUT = 'left_out.jsonl'
#: Splits whose examples the mean bone lengths of the metadata are those of.
_SPLITS_OF_BONES = {'train_bone_lengths': ('train',), 'trainval_bone_lengths': ('train', 'val')}


@dataclass
class Quarantine:
    """What became of a dataset: files by archive."""

    folder: str
    kept: dict[str, int] = field(default_factory=lambda: dict(annotations=0, images=0))
    left_out: dict[str, int] = field(default_factory=lambda: dict(annotations=0, images=0))


def quarantine(report: VerifyReport, folder) -> Quarantine:
    """Write the good part of a verified dataset as a new one.

    ``folder`` gets ``annotations.barecat``, ``images.barecat`` (if the dataset has one) and
    ``left_out.jsonl``: one JSON object per reason, with the keys archive, key, check, problem.
    Records whose image is bad are left out, and images that no record that is left belongs to.
    Counts and mean bone lengths in the metadata become those of the copy. Equal datasets give
    equal bytes.

    Args:
        report: of a deep verification; the archives have not changed since.
        folder: is made; must not exist, or be empty.

    Raises:
        OptionError: if there is something in the folder already.
        ArchiveError: if the indexes or the metadata are too damaged, or nothing is good.
    """
    folder = os.fspath(folder)
    if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise OptionError(f'{folder} exists and is not an empty folder; name another one')
    metadata = _usable_metadata(report)
    os.makedirs(folder, exist_ok=True)
    result = Quarantine(folder)
    try:
        with (
            ArchiveWriter(os.path.join(folder, 'annotations.barecat')) as annotations,
            replacing(os.path.join(folder, LEFT_OUT)) as partial,
            open(partial, 'w', encoding='utf-8') as left_out,
        ):
            copier = _Copier(report, result, left_out)
            used_images = copier.copy_records(metadata, annotations)
            if report.images_path is not None:
                with ArchiveWriter(os.path.join(folder, 'images.barecat')) as images:
                    copier.copy_images(used_images, images)
    except INDEX_ERRORS as e:
        raise ArchiveError(
            report.annotations_path,
            f'the index of an archive cannot be read to its end ({e})',
            'Copy it anew from where it was packed, or pack it again.',
        ) from e
    finally:
        with contextlib.suppress(OSError):  # it stays unless nothing was written
            os.rmdir(folder)
    return result


def _usable_metadata(report):
    if not report.deep:
        raise OptionError('only what has been verified with --deep can be repaired')
    archives = {'annotations'} if report.images_path is None else {'annotations', 'images'}
    if not archives <= report.readable or report.kind is None:
        raise ArchiveError(
            report.annotations_path,
            'the index of an archive, or the metadata, are too damaged for a repaired copy',
            'Copy it anew from where it was packed, or pack it again.',
        )
    metadata = read_metadata(report.annotations_path)
    try:
        skeleton = decode_skeleton(metadata)
        if not all(0 <= i < skeleton.n_joints for e in skeleton.stick_figure_edges for i in e):
            raise ValueError('joint_edges are not pairs of joint indices')
    except (ValueError, TypeError) as e:
        raise ArchiveError(
            report.annotations_path, f'the skeleton in its metadata.msgpack is damaged ({e})'
        ) from e
    return metadata


class _Copier:
    def __init__(self, report, result, left_out):
        self._report = report
        self._result = result
        self._left_out = left_out
        digests = {name: array('Q') for name in result.left_out}
        for bad in report.bad_files:
            digests[bad.archive].append(path_digest(bad.key))
            self._list(bad)
        self._bad = {
            name: np.unique(np.frombuffer(found, np.uint64)) for name, found in digests.items()
        }

    def copy_records(self, metadata, writer) -> np.ndarray:
        """Copy the good records and then the metadata; returns digests of their images' paths."""
        skeleton = decode_skeleton(metadata)
        bones = {key: MeanBoneLengths(skeleton) for key in _SPLITS_OF_BONES if key in metadata}
        counts = dict.fromkeys(SPLIT_NAMES, 0)
        used_images = array('Q')
        for key, data in self._good_files(self._report.annotations_path, 'annotations'):
            if key == 'metadata.msgpack':
                continue
            image_digest = path_digest(image_path_of(key))
            if _contains(self._bad['images'], image_digest):
                self._leave_out('annotations', key, 'image', 'its image is left out')
                continue
            writer.add(key, data)
            self._result.kept['annotations'] += 1
            used_images.append(image_digest)
            split = key.partition('/')[0]
            counts[split] += 1
            example = DECODERS[self._report.kind](codec.unpack(data), skeleton.n_joints)
            for name, mean in bones.items():
                if split in _SPLITS_OF_BONES[name] and example.get_world_coords() is not None:
                    mean.update(example.get_world_coords())
        if not used_images:
            raise ArchiveError(
                self._report.annotations_path, 'there is not a single good example in it'
            )
        metadata = {**metadata, **{name: mean.result() for name, mean in bones.items()}}
        if isinstance(metadata.get('posepile'), dict):
            metadata['posepile'] = {**metadata['posepile'], 'examples': counts}
        writer.add('metadata.msgpack', codec.pack(metadata))
        return np.unique(np.frombuffer(used_images, np.uint64))

    def copy_images(self, used, writer):
        """Copy the good images among those with these digests of their paths."""
        for key, data in self._good_files(self._report.images_path, 'images'):
            if _contains(used, path_digest(key)):
                writer.add(key, data)
                self._result.kept['images'] += 1
            else:
                message = 'no annotation that is left belongs to it'
                self._leave_out('images', key, 'images', message)

    def _good_files(self, path, archive):
        """(key, contents) of files without problems, sorted by key."""
        # Not through the table's own index, which may be what is damaged.
        query = (
            f'SELECT {", ".join(COLUMNS)} FROM files NOT INDEXED WHERE {WELL_TYPED} ORDER BY path'
        )
        with reading_index(path) as db, ShardReader(path) as shards:
            previous = None
            for row in db.execute(query):
                file = StoredFile._make(row)
                if _contains(self._bad[archive], path_digest(file.key)):
                    if file.key != previous:
                        self._result.left_out[archive] += 1
                elif file.key != previous:
                    yield file.key, shards.read(file)
                previous = file.key

    def _leave_out(self, archive, key, check, problem):
        self._list(BadFile(archive, key, check, problem))
        self._result.left_out[archive] += 1

    def _list(self, bad):
        self._left_out.write(json.dumps(asdict(bad), ensure_ascii=False) + '\n')


def _contains(digests, digest):
    """Whether a sorted array of 64-bit digests has one of them."""
    i = np.searchsorted(digests, np.uint64(digest))
    return i < len(digests) and digests[i] == digest
