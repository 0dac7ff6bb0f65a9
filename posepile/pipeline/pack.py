"""From shards to the finished pair of archives."""

import heapq
import os.path as osp

import simplepyutils as spu

import posepile
from posepile import paths
from posepile.atomic import replacing
from posepile.errors import ArchiveError
from posepile.pipeline import shards
from posepile.pipeline.mask_files import MaskFiles
from posepile.pipeline.recipe import Recipe
from posepile.pipeline.report import Report
from posepile.storage import archive, codec, records
from posepile.util import SPLIT_NAMES, TEST, TRAIN
from posepile.util.bones import MeanBoneLengths


def pack(recipe: Recipe, compact=False, simulated=False) -> Report:
    """Write ``packed/<name>/annotations.barecat`` and ``images.barecat`` from the finished shards.

    Examples stand in the order of their paths, so the archives depend on the raw data only, not
    on how the work was divided. The annotation archive appears last: it means 'complete'.

    Args:
        compact: store coordinates and boxes in the older, lossy types (see
            :mod:`posepile.storage.records`).
        simulated: note in the metadata that the raw release was simulated.

    Returns:
        The sum of all clips' reports; also written to ``packed/<name>/report.json``.

    Raises:
        ArchiveError: if clips are missing, nothing was selected, or the disk is full.
    """
    shard_files = shards.finished_shards(recipe.shards_dir, recipe.fingerprint())
    report = _total_report(recipe, shard_files)
    masks = MaskFiles(recipe)
    annotations_path, images_path = paths.packed_paths(recipe.name)
    with (
        archive.ArchiveWriter(annotations_path) as annotations,
        archive.ArchiveWriter(images_path) as images,
    ):
        for path, shard in _merged(shard_files, 'images'):
            images.add(path.partition('/')[2], archive.read_file(shard, path))
        metadata = _copy_annotations(recipe, shard_files, annotations, masks, compact)
        metadata['posepile']['simulated'] = simulated
        annotations.add('metadata.msgpack', codec.pack(metadata))
        # An earlier annotation archive must not stand beside the new images.
        archive.remove_archive(annotations_path)
    report_path = osp.join(osp.dirname(annotations_path), 'report.json')
    with replacing(report_path) as partial, open(partial, 'w') as f:
        f.write(report.to_json())
    shards.remove_unfinished_shards(recipe.shards_dir)
    return report


def _total_report(recipe, shard_files):
    shard_of_clip = {name: shard for shard in shard_files for name in shards.clips_in(shard)}
    total = Report()
    missing = []
    for name, _ in recipe.list_clips():
        if name in shard_of_clip:
            total.add(shards.clip_report(shard_of_clip[name], name))
        else:
            missing.append(name)
    if missing:
        raise ArchiveError(
            recipe.shards_dir,
            f'{len(missing)} clips have not been cropped yet, among them {missing[0]}',
            f'Finish the crops first: posepile run {recipe.name}; if that takes them for done, '
            f'their shards were deleted: posepile run {recipe.name} --force crops',
        )
    if total.crops == 0:
        reasons = '; '.join(total.skipped[:3]) or 'no frame was selected'
        raise ArchiveError(
            recipe.shards_dir,
            f'not a single crop came out of {total.clips + total.clips_failed} clips ({reasons})',
            'Check the raw files; then: posepile run NAME --force crops',
        )
    return total


def _copy_annotations(recipe, shard_files, annotations, masks, compact) -> dict:
    """Copy the records, with masks attached; returns the metadata that describes them."""
    has_bones = recipe.kind == '3d' and recipe.stores_joints
    train, trainval = (MeanBoneLengths(recipe.joint_info) for _ in range(2))
    n_examples = dict.fromkeys(SPLIT_NAMES, 0)
    entries = _merged(shard_files, 'annotations')
    for path, shard in spu.progressbar(entries, desc='Packing', unit=' examples'):
        record = codec.unpack(archive.read_file(shard, path))
        path = path.partition('/')[2]
        split = path.partition('/')[0]
        n_examples[split] += 1
        example = records.DECODERS[recipe.kind](record, recipe.joint_info.n_joints)
        if has_bones and split == SPLIT_NAMES[TRAIN]:
            train.update(example.world_coords)
        if has_bones and split != SPLIT_NAMES[TEST]:
            trainval.update(example.world_coords)
        if masks and split != SPLIT_NAMES[TEST]:
            example.mask = masks.of(example.image_path, records.number_of(path), example.bbox)
        annotations.add(path, codec.pack(records.ENCODERS[recipe.kind](example, compact)))
    metadata = records.encode_skeleton(recipe.joint_info)
    if has_bones and n_examples['train']:
        metadata['train_bone_lengths'] = train.result()
    if has_bones and n_examples['train'] + n_examples['val']:
        metadata['trainval_bone_lengths'] = trainval.result()
    metadata['posepile'] = dict(
        name=recipe.name,
        kind=recipe.kind,
        version=posepile.__version__,
        options=recipe.options,
        examples=n_examples,
        masks=recipe.mask_of if masks else None,
    )
    return metadata


def _merged(shard_files, folder):
    """(path, shard) of all files below ``folder``, sorted by path, each path once."""
    previous = None
    for path, shard in heapq.merge(*(_listing(shard, folder) for shard in shard_files)):
        if path != previous:
            yield path, shard
        previous = path


def _listing(shard, folder):
    for path in archive.list_files(shard, folder):
        yield path, shard
