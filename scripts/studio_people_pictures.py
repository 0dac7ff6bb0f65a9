"""Training pictures of the studio at hand: rendered meanwhile, in the memory of the GPU.

Used by ``train_studio_people.py``.
"""

import contextlib
import os

import numpy as np
import torch
from studio_people_rendering import processes, render_file
from studio_people_scenes import GROUP, TRAINING_KINDS
from tqdm import tqdm


class Pictures:
    """Pictures to train on; to be used as a context, in which processes render.

    On a GPU they lie in its memory, and more and more of them while training goes on; on the CPU
    the files are mapped, and all are there before training starts.

    Args:
        folder: of the files.
        n_groups: by kind of picture.
        first_group: number of the first group of each kind.
        device: torch device.
        n_processes: that render.
    """

    def __init__(self, folder, n_groups, first_group, device, n_processes):
        self._folder, self._device = folder, device
        self._jobs = sorted(
            ((kind, first_group + i) for kind, n in n_groups.items() for i in range(n)),
            key=lambda job: (job[1] - first_group) / n_groups[job[0]],
        )
        self._n_processes = n_processes
        self._store = {
            kind: _OnDevice(kind, n, device) if device.type == 'cuda' else _InFiles()
            for kind, n in n_groups.items()
        }

    def __enter__(self):
        os.makedirs(self._folder, exist_ok=True)
        with contextlib.ExitStack() as stack:
            self._pool = stack.enter_context(processes(self._n_processes))
            stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
            self._waiting = [
                self._pool.submit(render_file, self._folder, *job) for job in self._jobs
            ]
            self._waiting.reverse()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def wait(self, part):
        """Waits until a part (0 to 1) of the pictures is there."""
        n_left = round((1 - part) * len(self._jobs))
        for _ in tqdm(range(len(self._waiting) - n_left), 'rendering groups', mininterval=5):
            self._take()

    def poll(self):
        """Takes in a group if the next one is ready."""
        if self._waiting and self._waiting[-1].done():
            self._take()

    def _take(self):
        kind, path = self._waiting.pop().result()
        self._store[kind].add(path)

    def __len__(self):
        """Number of pictures that are there."""
        return sum(len(store) for store in self._store.values())

    def draw(self, kind, n, rng):
        """(n, h, w, 4) uint8 tensor on the device: any pictures of a kind; see training_group."""
        store = self._store[kind]
        return store.get(rng.integers(len(store), size=n))


class _OnDevice:
    """Pictures of a kind in one tensor, filled from the front."""

    def __init__(self, kind, n_groups, device):
        shape = (n_groups * GROUP, *TRAINING_KINDS[kind].padded, 4)
        self._tensor = torch.empty(shape, dtype=torch.uint8, device=device)
        self._n = 0

    def __len__(self):
        return self._n

    def add(self, path):
        self._tensor[self._n : self._n + GROUP] = torch.from_numpy(np.load(path))
        self._n += GROUP

    def get(self, indices):
        places = torch.from_numpy(indices).pin_memory().to(self._tensor.device, non_blocking=True)
        return self._tensor[places]


class _InFiles:
    """Pictures of a kind in mapped files."""

    def __init__(self):
        self._groups = []

    def __len__(self):
        return GROUP * len(self._groups)

    def add(self, path):
        self._groups.append(np.load(path, mmap_mode='r'))

    def get(self, indices):
        return torch.from_numpy(np.stack([self._groups[i // GROUP][i % GROUP] for i in indices]))
