"""``posepile simulate``: make a miniature of a raw release, whose truth is known."""

from posepile import paths
from posepile.arguments import whole_number
from posepile.cli.table import print_json
from posepile.registry import find_dataset

HELP = """\
Write a miniature of a dataset's raw release, in its exact layout, below DATA_ROOT.

The whole pipeline runs on it: posepile run NAME. Real data is never replaced."""


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', help='dataset or variant')
    parser.add_argument(
        '--seed', type=whole_number(), default=0, help='another number, other scenes (0)'
    )
    parser.add_argument(
        '--size',
        choices=['tiny', 'small'],
        default='tiny',
        help='tiny takes seconds to make and to process, small a minute or two (tiny)',
    )
    parser.add_argument(
        '--markers',
        action='store_true',
        help='draw a marker on every joint, so that "verify --truth" finds them in the crops',
    )
    parser.add_argument(
        '--force', action='store_true', help='replace a release simulated with other options'
    )
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    info = find_dataset(args.name)
    from posepile.simulate.release import simulate_release

    folders = simulate_release(info, args.seed, args.size, args.markers, args.force)
    if args.json:
        print_json({'dataset': info.dataset, 'data_root': paths.data_root(), 'folders': folders})
        return
    for folder in folders:
        print(f'{paths.data_root()}/{folder}')
    print(f'Next: posepile run {info.name}; posepile verify {info.name} --deep --truth')
