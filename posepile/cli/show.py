"""``posepile show``: a contact sheet of a packed dataset."""

import os

from posepile.arguments import picture_path, whole_number
from posepile.atomic import replacing
from posepile.cli.products import find_images, find_product
from posepile.errors import OptionError
from posepile.util import SPLIT_NAMES

HELP = """\
Draw examples of a packed dataset: the crop with skeleton, box and mask, and the pose in 3D.

Left limbs are blue, right ones red. The examples are spread over the dataset. Of a collection of
occluders or backgrounds, the images are drawn; what shows through an occluder is a checkerboard."""

_HIGHEST_JPEG = 65500  # px


def add_arguments(parser):
    parser.add_argument(
        'name', metavar='NAME|PATH', help='packed dataset, or path of an annotation archive'
    )
    parser.add_argument(
        '--out',
        metavar='FILE',
        type=picture_path,
        required=True,
        help='picture to write (png, jpg)',
    )
    parser.add_argument(
        '--n', metavar='N', type=whole_number(1, 1000), default=24, help='how many examples (24)'
    )
    parser.add_argument(
        '--seed', type=whole_number(), default=0, help='another number, other examples (0)'
    )
    parser.add_argument('--split', choices=SPLIT_NAMES, help='examples of this split only')
    parser.add_argument(
        '--width',
        type=whole_number(320, 16384),
        default=1920,
        help='width of the picture in pixels (1920)',
    )


def run(args):
    collection = find_images(args.name)
    sheet = _sheet_of_images(collection, args) if collection else _sheet_of_poses(args)
    import cv2

    extension = os.path.splitext(args.out)[1].lower()
    if extension != '.png' and len(sheet) > _HIGHEST_JPEG:
        raise OptionError(
            f'{args.n} examples at --width {args.width} need {len(sheet)} px of height, more than '
            'a JPEG can have. Show fewer, make it wider, or let --out end with .png.'
        )
    _, encoded = cv2.imencode(extension, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    try:
        with replacing(args.out) as partial, open(partial, 'wb') as f:
            f.write(encoded.tobytes())
    except OSError as e:
        raise OptionError(f'--out {args.out} cannot be written: {e.strerror}') from e
    print(f'{args.out}: {sheet.shape[1]} x {sheet.shape[0]} px')


def _sheet_of_poses(args):
    annotations_path, images_path = find_product(args.name)
    from posepile.storage.lazy import open_dataset
    from posepile.viewer.contact_sheet import contact_sheet

    dataset = open_dataset(annotations_path, images_path)
    splits = [SPLIT_NAMES.index(args.split)] if args.split else [0, 1, 2]
    if args.split and len(dataset.examples[splits[0]]) == 0:
        raise OptionError(f'{args.name} has no examples in the split {args.split}')
    return contact_sheet(dataset, args.n, args.seed, splits, args.width)


def _sheet_of_images(collection, args):
    if args.split:
        raise OptionError(f'{args.name} is a collection of images and has no splits')
    from posepile.storage.image_collection import open_images
    from posepile.viewer.image_sheet import image_sheet

    return image_sheet(open_images(collection), args.n, args.seed, args.width)
