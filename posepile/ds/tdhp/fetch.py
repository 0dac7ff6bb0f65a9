"""Download what is missing of MPI-INF-3DHP: ``python -m posepile.ds.tdhp.fetch``.

The dataset is for those who have accepted its licence, and have said so as its authors ask: by the
line ``ready_to_download=1`` in ``conf.ig`` of their program, to be put at $DATA_ROOT/3dhp/conf.ig.
Fetched are the annotations, videos and foreground masks that the product needs (POSEPILE_DATASET:
tdhp or a variant), with --chair-masks those of the chair, too. What is in place stays as it is.
"""

import argparse
import os
import os.path as osp
import re
import shutil
import sys
from dataclasses import dataclass

from posepile.ds.tdhp import tree
from posepile.errors import RawDataError
from posepile.paths import check_data_root
from posepile.program import run_program
from posepile.raw.download import download
from posepile.raw.unpack import unpack
from posepile.simulate.origin import is_simulated

SERVER = 'http://gvv.mpi-inf.mpg.de/3dhp-dataset'
CAMERA_GROUPS = {
    'vnect_cameras': tree.VNECT_CAMERAS,
    'other_angled_cameras': tree.OTHER_ANGLED_CAMERAS,
    'ceiling_cameras': tree.CEILING_CAMERAS,
}
_TEST_ARCHIVE = 'mpi_inf_3dhp_test_set.zip'
_TEST_ARCHIVE_SIZE = 6_936_910_586
_ACCEPTED = re.compile(r'^\s*ready_to_download\s*=\s*1\b', re.MULTILINE)


@dataclass(frozen=True)
class Download:
    """A file on the server, and what of the release it makes.

    Attributes:
        path: on the server and below the release.
        provides: the files that it makes, below the release; itself, if it is no archive.
        size: in bytes, if known.
    """

    path: str
    provides: tuple[str, ...]
    size: int | None = None

    def is_in_place(self) -> bool:
        # An archive is deleted once all of it is unpacked.
        is_archive = self.provides != (self.path,)
        is_there = all(osp.exists(_below_release(p)) for p in self.provides)
        return is_there and not (is_archive and osp.exists(_below_release(self.path)))


def wanted_downloads(name, with_chair_masks=False) -> list[Download]:
    """What the product ``name`` is made of."""
    is_full = name != 'tdhp'
    groups = list(CAMERA_GROUPS) if is_full else ['vnect_cameras']
    kinds = [tree.IMAGES, tree.FOREGROUND] + [tree.CHAIR] * with_chair_masks
    result = []
    for key in tree.N_FRAMES:
        folder = tree.training_folder(*key)
        for file in ('annot.mat', 'camera.calibration'):
            result.append(Download(f'{folder}/{file}', (f'{folder}/{file}',)))
        for kind in kinds:
            for group in groups:
                videos = [tree.video_path(*key, kind, i) for i in CAMERA_GROUPS[group]]
                result.append(Download(f'{folder}/{kind}/{group}.zip', tuple(videos)))
    if not is_full:
        files = [f'{tree.test_folder(i)}/annot_data.mat' for i in tree.TEST_SEQUENCES]
        files += [tree.test_image_path(i, 1) for i in tree.TEST_SEQUENCES]
        result.append(Download(_TEST_ARCHIVE, tuple(files), _TEST_ARCHIVE_SIZE))
    return result


def fetch(name, with_chair_masks=False, server=SERVER):
    """Download and unpack what is missing of a product; see :func:`fetch_files`."""
    fetch_files(wanted_downloads(name, with_chair_masks), name, server)


def fetch_files(wanted, name, server=SERVER):
    """Download and unpack what is missing.

    Args:
        wanted: list of :class:`Download`.
        name: of what they are needed for.

    Raises:
        RawDataError: if the licence has not been accepted, or an archive is damaged.
        DownloadError: if a download fails for good.
    """
    root = tree.release_dir()
    if is_simulated(root):
        print(f'{root} is a simulated release: there is nothing to fetch')
        return
    missing = [d for d in wanted if not d.is_in_place()]
    print(f'{len(wanted) - len(missing)} of {len(wanted)} files of {name} are in place in {root}')
    if missing:
        _check_licence(len(missing))
    for file in missing:
        path = _below_release(file.path)
        os.makedirs(osp.dirname(path), exist_ok=True)
        download(f'{server}/{file.path}', path, size=file.size)
        if file.path == _TEST_ARCHIVE:
            _unpack_test_set(path)
        elif file.path.endswith('.zip'):
            _unpack_flat(path)
        lacking = [p for p in file.provides if not osp.exists(_below_release(p))]
        if lacking:
            raise RawDataError(
                path, f'holds no {lacking[0]}', 'Delete it to have it fetched again.'
            )
        if file.path.endswith('.zip'):
            os.remove(path)


def _check_licence(n_missing):
    path = _below_release('conf.ig')
    text = ''
    if osp.exists(path):
        with open(path, errors='replace') as f:
            text = f.read()
    if not _ACCEPTED.search(text):
        raise RawDataError(
            path,
            f'{n_missing} files are missing, and nobody has accepted the licence of the dataset',
            f'Read the one in {SERVER}/mpi_inf_3dhp.zip; if you accept it, put its conf.ig here, '
            'with ready_to_download=1 in it.',
        )


def _unpack_flat(path):
    """The files of an archive beside it, whatever folders they are in there."""
    folder, workplace = osp.dirname(path), f'{path}.unpacking'
    for name in unpack(path, workplace):
        os.replace(osp.join(workplace, name), osp.join(folder, osp.basename(name)))
    shutil.rmtree(workplace)


def _unpack_test_set(path):
    """The folders TS# and test_util of the archive, which lie two levels deep."""
    unpack(path, tree.release_dir(), strip=2, members=['*/TS*', '*/test_util/*'])
    workplace = f'{path}.unpacking'
    for name in unpack(path, workplace, members=['*/README.txt']):
        os.replace(osp.join(workplace, name), _below_release('README_testset.txt'))
    shutil.rmtree(workplace)


def _below_release(path):
    return osp.join(tree.release_dir(), path)


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.tdhp.fetch', description=__doc__.splitlines()[0]
    )
    parser.add_argument('--chair-masks', action='store_true', help='for composites')
    parser.add_argument('--server', default=SERVER, help=argparse.SUPPRESS)
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    check_data_root()
    fetch(os.environ.get('POSEPILE_DATASET', 'tdhp'), args.chair_masks, args.server)


if __name__ == '__main__':
    sys.exit(main())
