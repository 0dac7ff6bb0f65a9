"""``posepile import-pickle``: a dataset that an earlier program pickled, as archives."""

import os
import os.path as osp

from posepile.errors import OptionError

HELP = """\
Convert a pickled dataset of earlier times to a pair of archives.

Nothing in the pickle is run: only plain data and the known dataset classes are read."""


def add_arguments(parser):
    parser.add_argument('file', metavar='FILE.pkl', help='the pickled dataset')
    parser.add_argument(
        '--out',
        metavar='DIR',
        required=True,
        help='folder for annotations.barecat and images.barecat, such as $DATA_ROOT/packed/NAME',
    )
    parser.add_argument(
        '--no-images', action='store_true', help='leave the images as files below DATA_ROOT'
    )
    parser.add_argument('--compact', action='store_true', help='use float16 and int16, rounded')
    parser.add_argument(
        '--legacy-module-name',
        metavar='NAME',
        help='package of the pickled classes, if not posepile or data',
    )
    parser.add_argument('--force', action='store_true', help='replace archives that are there')


def run(args):
    annotations_path = osp.join(args.out, 'annotations.barecat')
    if osp.exists(annotations_path) and not args.force:
        raise OptionError(f'{annotations_path} exists already. To replace it, add --force.')
    from posepile.tools.dataset_pickle_to_barecat import convert

    os.makedirs(args.out, exist_ok=True)
    images_path = None if args.no_images else osp.join(args.out, 'images.barecat')
    convert(args.file, annotations_path, images_path, args.legacy_module_name, args.compact)
    print(annotations_path)
    if images_path is not None:
        print(images_path)
