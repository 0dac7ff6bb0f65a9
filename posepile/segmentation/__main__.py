"""Find masks of people: of a dataset's crops, of any images and videos, or take over others'."""

import argparse
import os
import sys

from posepile.detection import commands
from posepile.program import array_task, run_program

_EPILOG = """examples:
  python -m posepile.segmentation crops aspset            (what the masks step of a main.sh runs)
  python -m posepile.segmentation find photos/ --out found/
  python -m posepile.segmentation find crops/ --boxes boxes/ --out found/
  python -m posepile.segmentation import masks/ --out found/

From Python: posepile.segmentation.open_masks('found')[path] is the RLE of the person, or None where
nobody was found; open_masks('found', 'people') gives the masks of all people together.
"""


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.segmentation',
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='crops | find | import')
    crops = verbs.add_parser('crops', help="find the people that a dataset's crops were made of")
    crops.add_argument('name', help='dataset whose crops are to be segmented')
    find = verbs.add_parser('find', help='find people in images, archives and videos')
    commands.add_input_options(find)
    find.add_argument(
        '--boxes',
        metavar='PLACE',
        help='only look for the people with these boxes: what '
        'posepile.detection leaves, or a pickle',
    )
    for verb in (crops, find):
        commands.add_network_options(verb, 'segment')
        verb.add_argument(
            '--iou',
            type=commands.fraction,
            default=0.7,
            metavar='X',
            help='of two boxes that overlap more, drop the less certain (0.7)',
        )
        verb.add_argument(
            '--overlap',
            type=commands.fraction,
            default=0.1,
            metavar='X',
            help='least IoU of the wanted box with that of the mask (0.1)',
        )
        verb.add_argument(
            '--least-confidence',
            type=commands.fraction,
            default=0.05,
            metavar='X',
            help='that somebody is a person, where one is known to be (0.05)',
        )
    take = verbs.add_parser('import', help='take over pickled masks of other tools')
    take.add_argument(
        'pickles',
        nargs='+',
        metavar='PATH',
        help='dictionary of crop path to RLE, or folder of some',
    )
    take.add_argument('--out', required=True, metavar='DIR', help='folder for the result')
    args = parser.parse_args(argv)
    return run_program({'crops': _crops, 'find': _find, 'import': _import}[args.verb], args)


def _crops(args):
    from posepile import paths
    from posepile.pipeline.report import Report, leave_task_report

    paths.check_data_root()
    name = os.environ.get('POSEPILE_DATASET') or args.name
    notes = _segment_crops(name, args)
    for note in notes:
        print(f'{name}: {note}')
    leave_task_report(Report(notes=notes))


def _segment_crops(name, args) -> list[str]:
    """Run the masks step of a dataset, unless masks are there or unwanted; returns remarks."""
    from posepile import paths
    from posepile.pipeline.crop_masks import segment_crops
    from posepile.pipeline.mask_files import given_masks_folder, is_network_unwanted
    from posepile.registry import find_dataset
    from posepile.simulate.origin import is_simulated
    from posepile.storage.access import dataset_module

    recipe = dataset_module(name).make_recipe(name=name)
    if recipe.mask_of == 'nobody':
        return ['is packed without masks']
    folder = given_masks_folder(recipe)
    if folder:
        return [f'masks are in place already and will be attached: {folder}']
    if is_network_unwanted():
        return [
            'POSEPILE_SEGMENTER=none, so it is packed without masks; to have them later: '
            f'posepile run {name} --force masks'
        ]
    i_task, n_tasks = array_task()
    simulated = is_simulated(os.path.join(paths.data_root(), find_dataset(name).raw))
    return segment_crops(
        recipe,
        lambda: commands.network_for(args, 'segment', simulated=simulated),
        _options_of(args),
        i_task,
        n_tasks,
        batch_size=args.batch_size,
    )


def _find(args):
    if commands.is_there(args.unless):
        return
    i_task, n_tasks = array_task()
    sources = commands.sources_of(args)
    from posepile.segmentation.stage import segment_people

    if args.boxes:
        from posepile.detection import open_detections
        from posepile.segmentation.boxed import Boxed

        boxes = open_detections(args.boxes)
        sources = [Boxed(source, boxes) for source in sources]
    network = commands.network_for(args, 'segment', args.inputs)
    with commands.progress('masks', sources, i_task, n_tasks) as bar:
        n_images, skipped = segment_people(
            sources,
            args.out,
            network,
            _options_of(args),
            i_task=i_task,
            n_tasks=n_tasks,
            batch_size=args.batch_size,
            on_progress=bar.update,
        )
    commands.report(n_images, skipped, args.out)


def _options_of(args):
    """The arguments as :class:`posepile.segmentation.stage.SegmentationOptions`."""
    from posepile.segmentation.stage import SegmentationOptions

    return SegmentationOptions(
        args.confidence,
        args.iou,
        args.image_size,
        overlap=args.overlap,
        least_confidence=args.least_confidence,
    )


def _import(args):
    from posepile.segmentation.stored import PickledMasks, stored_rle

    def read(path):
        return {key: dict(people=stored_rle(rle)) for key, rle in PickledMasks(path).items()}

    commands.import_results(args, 'masks', read)


if __name__ == '__main__':
    sys.exit(main())
