"""Find people in images and videos, or take over what another detector has found."""

import argparse
import sys

from posepile.detection import commands
from posepile.program import run_program

_EPILOG = """examples:
  python -m posepile.detection find photos/ --out found/
  python -m posepile.detection find crops/images.barecat --out found/ --flip
  python -m posepile.detection find videos/ --pattern '**/*.mp4' --every 5 --out found/
  python -m posepile.detection import yolov4_detections.pkl --out found/

From Python: posepile.detection.open_detections('found')['a/photo.jpg'] is an array (n, 5) of
left, top, width, height, confidence. The frames of a video are 'a/video.mp4#000012'.

As an array job: task SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT takes its share of the list.
What is done is not done again: run the same command after an interruption.
"""


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.detection',
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='find | import')
    find = verbs.add_parser('find', help='find people in images, archives and videos')
    commands.add_input_options(find)
    commands.add_network_options(find, 'detect')
    find.add_argument(
        '--iou',
        type=commands.fraction,
        default=0.7,
        metavar='X',
        help='of two boxes that overlap more, drop the less certain (0.7)',
    )
    find.add_argument('--flip', action='store_true', help='average with the mirror image')
    take = verbs.add_parser('import', help='take over pickled detections of other tools')
    take.add_argument(
        'pickles',
        nargs='+',
        metavar='FILE',
        help='dictionary of paths, or folder with a list of frames per video',
    )
    take.add_argument('--out', required=True, metavar='DIR', help='folder for the result')
    args = parser.parse_args(argv)
    return run_program(commands.find_people if args.verb == 'find' else _import, args)


def _import(args):
    from posepile.detection.stored import PickledDetections

    commands.import_results(args, 'detections', PickledDetections)


if __name__ == '__main__':
    sys.exit(main())
