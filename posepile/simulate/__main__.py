"""``python -m posepile.simulate --out sheet.png [--seed N] [--truth]``: a contact sheet."""

import argparse

from posepile.simulate import preview
from posepile.simulate.writers import write_image


def main():
    """Writes a picture of random scenes of the studio."""
    parser = argparse.ArgumentParser(prog='posepile.simulate', description=main.__doc__)
    parser.add_argument('--out', required=True, help='the picture to write (.png or .jpg)')
    parser.add_argument('--seed', type=int, default=0, help='another seed, other scenes')
    parser.add_argument('--rows', type=int, default=5)
    parser.add_argument('--columns', type=int, default=3)
    parser.add_argument('--truth', action='store_true', help='draw masks, boxes and joints')
    args = parser.parse_args()
    write_image(args.out, preview.contact_sheet(args.seed, args.rows, args.columns, args.truth))


if __name__ == '__main__':
    main()
