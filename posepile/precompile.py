"""Compile what is compiled at first use: ``python -m posepile.precompile``.

A process that makes its first crop compiles the inner loop, which takes some seconds, and keeps
the result beside the package (or, where that cannot be written, in the user's cache folder) for
all later ones. Do it once after installing, before many processes start together.
"""

import sys

import numpy as np

from posepile.program import run_program


def main() -> int:
    """Command line; returns the exit status."""
    return run_program(_compile)


def _compile():
    from posepile.pipeline.crop_geometry import plan_crop
    from posepile.pipeline.warp import warp

    image = np.zeros((100, 100, 3), np.uint8)
    warp(image, image[..., 0], plan_crop(None, [20, 20, 50, 50], image.shape[:2]))


if __name__ == '__main__':
    sys.exit(main())
