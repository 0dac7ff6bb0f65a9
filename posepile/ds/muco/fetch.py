"""Download what is missing of MPI-INF-3DHP: ``python -m posepile.ds.muco.fetch``.

Composites need the images, foreground and chair masks of all but the cameras at the ceiling. The
licence has to be accepted as ``posepile.ds.tdhp.fetch`` says.
"""

import argparse
import sys

from posepile.ds.muco.studio import KINDS
from posepile.ds.tdhp import fetch as recordings
from posepile.ds.tdhp import tree
from posepile.paths import check_data_root
from posepile.program import run_program

_GROUPS = ('vnect_cameras', 'other_angled_cameras')


def wanted_downloads() -> list[recordings.Download]:
    """What composites are made of."""
    result = []
    for key in tree.N_FRAMES:
        folder = tree.training_folder(*key)
        for file in ('annot.mat', 'camera.calibration'):
            result.append(recordings.Download(f'{folder}/{file}', (f'{folder}/{file}',)))
        for kind in KINDS:
            for group in _GROUPS:
                cameras = recordings.CAMERA_GROUPS[group]
                videos = tuple(tree.video_path(*key, kind, i) for i in cameras)
                result.append(recordings.Download(f'{folder}/{kind}/{group}.zip', videos))
    return result


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.muco.fetch', description=__doc__.splitlines()[0]
    )
    parser.add_argument('--server', default=recordings.SERVER, help=argparse.SUPPRESS)
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    check_data_root()
    recordings.fetch_files(wanted_downloads(), 'muco', args.server)


if __name__ == '__main__':
    sys.exit(main())
