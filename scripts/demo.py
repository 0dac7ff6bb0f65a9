"""The demo behind ``scripts/demo.sh``: one simulated dataset through the whole house."""

import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

from posepile import paths
from posepile.datasets3d import get_dataset
from posepile.storage.archive import archive_size
from posepile.util import TRAIN

NAME = 'aspset'
console = Console(highlight=False)


class CropsForTraining(Dataset):
    """The examples of a split as tensors: a 256 x 256 view of the crop, the joints in its camera.

    A minimal training reader, to show that a packed dataset is a sequence like any other.
    """

    def __init__(self, examples, side=256):
        self.examples = examples
        self.side = side

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, i):
        ex = self.examples[i].load()
        scale = self.side / max(ex.image.shape[:2])
        size = [round(s * scale) for s in ex.image.shape[1::-1]]
        image = np.zeros((self.side, self.side, 3), np.uint8)
        image[: size[1], : size[0]] = cv2.resize(ex.image, size, interpolation=cv2.INTER_AREA)
        return dict(
            image=torch.from_numpy(image).permute(2, 0, 1),
            joints=torch.from_numpy(ex.camera.world_to_camera(ex.get_world_coords())),
            intrinsics=torch.from_numpy(np.array(ex.camera.intrinsic_matrix)) * scale,
        )


def main():
    seconds = {}
    picture = os.path.join(paths.data_root(), f'{NAME}.png')
    for title, arguments in {
        'simulate': ['simulate', NAME],
        'run': ['run', NAME],
        'verify': ['verify', NAME, '--deep', '--truth'],
        'show': ['show', NAME, '--out', picture],
    }.items():
        console.rule(f'posepile {" ".join(arguments)}', align='left', style='dim')
        seconds[title] = timed(lambda a=arguments: posepile(*a))
    console.rule('iterate it with a DataLoader', align='left', style='dim')
    seconds['read'] = timed(read_all)
    console.print(summary(seconds))
    annotations, images = paths.packed_paths(NAME)
    for what, path in {'Look at': picture, 'Annotations': annotations, 'Images': images}.items():
        console.print(f'{what + ":":13}{os.path.relpath(path)}', soft_wrap=True)


def posepile(*arguments):
    """Run a command of PosePile as a user would; stop if it fails."""
    if subprocess.run([sys.executable, '-m', 'posepile.cli', *arguments]).returncode:
        sys.exit(f'posepile {" ".join(arguments)} failed; see above.')


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def read_all():
    loader = DataLoader(
        CropsForTraining(get_dataset(NAME).examples[TRAIN]), batch_size=16, shuffle=True,
        num_workers=2,
    )  # fmt: skip
    n = 0
    for batch in loader:
        n += len(batch['image'])
        depth = batch['joints'][..., 2].mean() / 1000
    console.print(
        f'{n} examples in {len(loader)} batches of {tuple(batch["image"].shape[1:])} images and '
        f'{tuple(batch["joints"].shape[1:])} joints; people of the last batch are {depth:.1f} m '
        'away'
    )


def summary(seconds):
    with open(os.path.join(os.path.dirname(paths.packed_paths(NAME)[0]), 'report.json')) as f:
        report = json.load(f)
    table = Table(title='ASPset-510, simulated', show_header=False, title_justify='left')
    table.add_column(justify='left')
    table.add_column(justify='right')
    for key, label in {
        'clips': 'clips read',
        'frames_seen': 'frames seen',
        'frames_kept': 'frames kept',
        'crops': 'crops',
    }.items():
        table.add_row(label, f'{report[key]:,}')
    n_bytes = sum(archive_size(path) for path in paths.packed_paths(NAME))
    table.add_row('bytes in the archives', f'{n_bytes:,}')
    table.add_section()
    for name, value in seconds.items():
        table.add_row(f'{name}, seconds', f'{value:.1f}')
    table.add_row('all, seconds', f'{sum(seconds.values()):.1f}', style='bold')
    return table


if __name__ == '__main__':
    main()
