"""Download of 3DPW: the two archives, without what a computer of Apple left in them."""

import os
import os.path as osp
import shutil
import sys

from posepile import paths
from posepile.pipeline.fetch import fetch_dataset
from posepile.program import run_program
from posepile.registry import read_dataset


def fetch():
    """Get what is missing of the release; see ``dataset.toml``."""
    info, *_ = read_dataset(osp.dirname(osp.abspath(__file__)))
    fetch_dataset(info)
    stray = osp.join(paths.data_root(), info.raw, '__MACOSX')
    if osp.isdir(stray) and not osp.islink(stray):
        shutil.rmtree(stray)
    elif osp.lexists(stray):
        os.remove(stray)


if __name__ == '__main__':
    sys.exit(run_program(fetch))
