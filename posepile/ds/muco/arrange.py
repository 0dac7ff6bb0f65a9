"""Decide which four moments each composite shows: ``python -m posepile.ds.muco.arrange``.

Writes ``sampled_dataset_info.mat``, unless it is there. As in the authors' program, the people of
a composite are seen by the same camera, each of the 11 cameras has 60,000 composites, and those of
all cameras are shuffled. The numbers of ``rng(1999); randperm`` are MATLAB's own, and so is its way
of drawing four of many: the arrangement follows the same rule, but is another one.
"""

import argparse
import os.path as osp
import shutil
import sys

import numpy as np

from posepile.arguments import whole_number
from posepile.ds.muco import pool as pools
from posepile.ds.muco import tree
from posepile.ds.muco.composite_info import PEOPLE, write_composite_info
from posepile.ds.muco.origins import is_arranged, load_origins, save_origins
from posepile.ds.tdhp import tree as recordings
from posepile.errors import RawDataError
from posepile.paths import check_data_root
from posepile.program import run_program
from posepile.simulate.origin import MARKER, is_simulated

PER_CAMERA = 60_000
SHUFFLE_SEED = 1999


def arrange(first_frame=pools.FIRST_FRAME, per_camera=PER_CAMERA, seed=pools.SEED):
    """Choose the moments.

    Args:
        first_frame: earlier ones, in which people get into position, are not used.
        per_camera: number of composites.
        seed: another one gives another arrangement by the same rule.

    Returns:
        The pool, a list of :class:`~posepile.ds.muco.pool.PoolEntry`; and (N, 4) indices into it.

    Raises:
        RawDataError: if no camera sees as many moments as there are people in a composite, or the
            recordings' annotations are missing or damaged.
    """
    pool, rng = pools.build_pool(first_frame, seed)
    cameras = np.array([entry.moment.camera for entry in pool], int)
    groups = []
    for i_camera in range(tree.N_CAMERAS):
        seen = np.flatnonzero(cameras == i_camera)
        if len(seen) >= PEOPLE:
            groups.append(seen[draw_distinct(len(seen), per_camera, rng)])
    if not groups:
        raise RawDataError(
            recordings.release_dir(),
            f'no camera sees {PEOPLE} moments with motion after frame {first_frame}',
            'Simulated recordings are short: choose an earlier --first-frame.',
        )
    quadruples = np.concatenate(groups)
    return pool, quadruples[np.random.RandomState(SHUFFLE_SEED).permutation(len(quadruples))]


def _check_no_composites(path):
    """Refuse to arrange anew what has been made from an arrangement that is lost."""
    if osp.exists(tree.image_path(1)) or osp.exists(tree.annotation_path(1)):
        raise RawDataError(
            path,
            'is missing, but there are composites that were made from it',
            f'Put it back, or move away {osp.join(tree.release_dir(), tree.IMAGES)}.',
        )


def draw_distinct(n, n_draws, rng) -> np.ndarray:
    """(n_draws, 4) numbers below n, those of a row all different, each such row equally likely."""
    uniform = rng.random_sample((n_draws, PEOPLE))
    chosen = np.zeros((n_draws, 0), int)
    for k in range(PEOPLE):
        # The index among those that are left; counting on past the smaller ones already chosen.
        index = np.floor(uniform[:, k] * (n - k)).astype(int)
        for earlier in np.sort(chosen, axis=1).T:
            index += index >= earlier
        chosen = np.column_stack([chosen, index])
    return chosen


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.muco.arrange', description=__doc__.splitlines()[0]
    )
    parser.add_argument('--first-frame', type=whole_number(), default=pools.FIRST_FRAME)
    parser.add_argument('--per-camera', type=whole_number(1), default=PER_CAMERA)
    parser.add_argument('--seed', type=whole_number(), default=pools.SEED)
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    check_data_root()
    path = tree.arrangement_path()
    if not is_arranged():
        _check_no_composites(path)
        pool, quadruples = arrange(args.first_frame, args.per_camera, args.seed)
        write_composite_info(path, pool, quadruples)
        save_origins(np.array([entry.moment for entry in pool])[quadruples])
        if is_simulated(recordings.release_dir()):  # then so are the composites
            marker = osp.join(recordings.release_dir(), MARKER)
            shutil.copyfile(marker, osp.join(tree.release_dir(), MARKER))
        n_views = len({entry.moment.view for entry in pool})
        print(f'{len(pool)} moments, seen by {n_views} cameras of all sequences')
    print(f'{len(load_origins())} composites')


if __name__ == '__main__':
    sys.exit(main())
