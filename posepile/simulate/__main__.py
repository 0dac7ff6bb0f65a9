"""``python -m posepile.simulate --out sheet.png [--seed N] [--truth]``: a contact sheet."""

import argparse
import sys

from posepile.arguments import picture_path, whole_number
from posepile.program import run_program


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.simulate',
        description='Writes a picture of random scenes of the studio, 640 x 360 px each.',
    )
    parser.add_argument(
        '--out',
        metavar='FILE',
        type=picture_path,
        required=True,
        help='picture to write (png, jpg)',
    )
    parser.add_argument(
        '--seed', type=whole_number(), default=0, help='another number, other scenes (0)'
    )
    parser.add_argument(
        '--rows', type=whole_number(1, 20), default=5, help='scenes from top to bottom (5)'
    )
    parser.add_argument(
        '--columns', type=whole_number(1, 20), default=3, help='scenes side by side (3)'
    )
    parser.add_argument('--truth', action='store_true', help='draw masks, boxes and joints')
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    from posepile.simulate import preview
    from posepile.simulate.writers import write_image

    write_image(args.out, preview.contact_sheet(args.seed, args.rows, args.columns, args.truth))


if __name__ == '__main__':
    sys.exit(main())
