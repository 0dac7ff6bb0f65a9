"""The commands of a dataset's ``main.py``: ``download``, ``crops`` and ``pack``."""

import argparse
import dataclasses
import os
import sys

import cv2

from posepile import paths
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.pipeline import shards
from posepile.pipeline.crops import crops_of
from posepile.pipeline.pack import pack
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import array_task, run_program
from posepile.registry import read_dataset
from posepile.simulate.origin import is_simulated
from posepile.storage import codec, records


def main(make_recipe, argv=None):
    """Run a stage of a dataset folder from the command line.

    Args:
        make_recipe: (name=product name) -> :class:`~posepile.pipeline.recipe.Recipe`.

    The product is named by ``--name`` or, in a pipeline, by the environment variable
    POSEPILE_DATASET; the part of the work by SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT.
    """
    module = sys.modules[make_recipe.__module__]
    folder = os.path.dirname(os.path.abspath(module.__file__))
    parser = argparse.ArgumentParser(
        prog=f'python -m posepile.ds.{os.path.basename(folder)}.main', description=module.__doc__
    )
    parser.add_argument('stage', choices=['download', 'crops', 'pack'])
    parser.add_argument('--name', help='product to make, where the folder has several')
    parser.add_argument('--compact', action='store_true', help='pack with float16 and int16')
    args = parser.parse_args(argv)
    status = run_program(_run, make_recipe, folder, args)
    if status:
        sys.exit(status)


def _run(make_recipe, folder, args):
    paths.check_data_root()
    info = _product(args.name or os.environ.get('POSEPILE_DATASET'), folder)
    if args.stage == 'download':
        from posepile.pipeline.fetch import fetch_dataset  # nothing else needs the network

        fetch_dataset(info)
        report = Report()
    elif args.stage == 'crops':
        report = make_crops(make_recipe(name=info.name), *array_task())
    else:
        raw_folder = os.path.join(paths.data_root(), info.raw)
        report = pack(make_recipe(name=info.name), args.compact, is_simulated(raw_folder))
    print_report(report)
    if args.stage == 'pack':  # the crops step has told what was left out
        report = dataclasses.replace(report, skipped=[], notes=[])
    leave_task_report(report)


def _product(name, folder):
    """Description of the product ``name`` (None: the main one) of a dataset folder."""
    infos = {info.name: info for info in read_dataset(folder)}
    if name is None:
        return next(iter(infos.values()))
    if name not in infos:
        raise UnknownDatasetError(f'{folder} does not make {name!r}; it makes {", ".join(infos)}.')
    return infos[name]


def make_crops(recipe, i_task=0, n_tasks=1) -> Report:
    """Crop the clips ``i_task::n_tasks`` of a dataset into this task's shard.

    Clips that a complete shard holds already are not made again, whichever task made them.

    Returns:
        The sum of the reports of this task's clips.

    Raises:
        PosePileError: if the raw release is not there, or the crops cannot be stored. A clip
            that cannot be read is reported instead, and the others go on.
    """
    if n_tasks > 1:
        cv2.setNumThreads(1)  # the other cores belong to the other tasks
    finished = shards.finished_shards(recipe.shards_dir, recipe.fingerprint())
    shard_of_clip = {name: shard for shard in finished for name in shards.clips_in(shard)}
    total = Report()
    writer = None
    for name, argument in recipe.list_clips()[i_task::n_tasks]:
        if name in shard_of_clip:
            total.add(shards.clip_report(shard_of_clip[name], name))
            continue
        if writer is None:
            path = shards.shard_path(recipe.shards_dir, i_task, n_tasks)
            writer = shards.ShardWriter(path, recipe.fingerprint())
        total.add(writer.report_of(name) or _crop_clip(recipe, name, argument, writer))
    if writer is not None:
        writer.finish()
    return total


def _crop_clip(recipe, name, argument, writer) -> Report:
    """Write the crops of one clip, or why there are none."""
    report = Report()
    try:
        with writer.clip():
            numbers = {}  # examples so far of each image, where several share one
            for crop in crops_of(name, recipe.read_clip(argument), recipe, report):
                image_path = crop.example.image_path
                number = numbers[image_path] = numbers.get(image_path, -1) + 1
                key = records.record_path(crop.split, image_path, number)
                record = records.ENCODERS[recipe.kind](crop.example)
                writer.add(f'annotations/{key}', codec.pack(record))
                if number == 0:
                    writer.add_image(image_path, crop.jpeg)
            writer.add_report(name, report)
    except RawDataError as e:
        report = Report(clips_failed=1, skipped=[f'{name}: {e}'])
        with writer.clip():
            writer.add_report(name, report)
    return report


def print_report(report):
    """What a task's log ends with."""
    for line in report.skipped:
        print(f'left out: {line}')
    for line in report.notes:
        print(f'note: {line}')
    print(
        f'{report.clips} clips ({report.clips_failed} unreadable), {report.frames_seen} frames '
        f'seen, {report.frames_kept} kept, {report.crops} crops, {report.bytes / 1e6:.1f} MB'
    )
