"""``posepile export``: a packed dataset in the format of another program."""

import os.path as osp

from posepile.arguments import whole_number
from posepile.cli.products import find_product
from posepile.cli.table import print_fields, print_json
from posepile.errors import OptionError
from posepile.export import FORMATS
from posepile.util import SPLIT_NAMES

HELP = """\
Write a packed dataset in another format. docs/exports.md says what each of them keeps.

An export into a folder that was interrupted continues when it is started again."""


def add_arguments(parser):
    parser.add_argument(
        'name',
        metavar='NAME|PATH',
        help='packed dataset, path of an annotation archive, or of a pickled dataset (*.pkl)',
    )
    parser.add_argument(
        '--to',
        choices=FORMATS,
        required=True,
        help='; '.join(f'{name}: {text}' for name, text in FORMATS.items()),
    )
    parser.add_argument('--out', metavar='PATH', required=True, help='file or folder to write')
    parser.add_argument(
        '--split', choices=SPLIT_NAMES, action='append', help='this split only; may be repeated'
    )
    parser.add_argument(
        '--no-images', action='store_true', help='annotations only, which name their images'
    )
    parser.add_argument(
        '--shard-size',
        metavar='N',
        type=whole_number(1),
        help='examples per file (webdataset and parquet: 10000, humandata: 100000)',
    )
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    folder = osp.dirname(osp.abspath(args.out))
    if not osp.isdir(folder):
        raise OptionError(f'--out {args.out}: there is no folder {folder}; create it')
    if args.to == 'hdf5' and osp.isdir(args.out):
        raise OptionError(f'--out {args.out} is a folder; name a file in it')
    dataset = _open(args.name)
    from posepile.export import export

    splits = [SPLIT_NAMES.index(name) for name in args.split or SPLIT_NAMES]
    report = export(dataset, args.to, args.out, splits, not args.no_images, args.shard_size)
    if args.json:
        print_json(report.as_dict())
        return
    counts = ', '.join(f'{n} {split}' for split, n in report.examples.items())
    print_fields(
        [
            ('written', report.out),
            ('examples', counts),
            ('files', len(report.files)),
            ('images', report.images or None),
        ]
    )
    for what, n in sorted(report.lost.items()):
        print(f'left out of {n} examples, as {report.format} has no place for it: {what}')


def _open(name):
    if name.endswith('.pkl'):
        from posepile.storage.legacy_pickle import load_dataset_pickle

        return load_dataset_pickle(name)
    annotations_path, images_path = find_product(name)
    from posepile.storage.lazy import open_dataset

    return open_dataset(annotations_path, images_path)
