"""Examples per second of random access, beside other ways to store the same data.

    python benchmarks/loader.py [--dataset aspset] [--repeats 5] [--json FILE]

The dataset must have been packed below DATA_ROOT (posepile simulate aspset; posepile run aspset).
Its JPEGs and records are written anew as loose files, to LMDB and to WebDataset shards, and read in
the same batches: record decoded, JPEG decoded, annotations stacked, images cut or padded to
256 x 256 and stacked. All but WebDataset, which reads in sequence, get the same shuffled order.
The floor is the JPEG decoder alone, on bytes in memory. Ways are measured in turns and the best of
all repeats counts. Everything is in the page cache: this compares programs, not disks. Needs lmdb
and webdataset.
"""

import argparse
import json
import os
import resource
import tempfile
import time

import cv2
import lmdb
import numpy as np
import simplejpeg
import torch
import webdataset
from torch.utils import data

from posepile.raw.images import decode_image
from posepile.storage import archive, codec
from posepile.storage.access import product_paths
from posepile.storage.lazy import open_dataset
from posepile.storage.records import dict_to_example3d
from posepile.training import Schedule, ShuffledOrder
from posepile.training.forking import quiet_worker
from posepile.util import TRAIN

SIDE = 256
BATCH_SIZE = 32
N_SHARDS = 4


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--dataset', default='aspset', help='name of a packed 3D dataset')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--examples', type=int, default=1024, help='per epoch, at most')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = open_dataset(*product_paths(args.dataset))
    n = min(args.examples, len(dataset.examples[TRAIN]))
    n -= n % BATCH_SIZE
    with tempfile.TemporaryDirectory() as folder:
        ways = store_in_all_ways(dataset, n, folder)
        figures = dict(
            dataset=args.dataset,
            examples=n,
            floor=measure_floor(dataset, n, args.repeats),
            workers={w: measure(ways, n, w, args.repeats) for w in args.workers},
            memory=memory_over_epochs(ways['barecat'], n),
        )
    print_figures(figures)
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(figures, f, indent=1)


class Archived(data.Dataset):
    """What training code does: examples of the packed dataset."""

    def __init__(self, examples):
        self.examples = examples

    def __getitem__(self, key):
        return arrays_of(self.examples[key[1]].load())


class Stored(data.Dataset):
    """Records and images from somewhere else, decoded by the same functions."""

    def __init__(self, n_joints):
        self.n_joints = n_joints

    def __getitem__(self, key):
        return self.decode(*self.read(key[1]))

    def decode(self, record, jpeg):
        example = dict_to_example3d(codec.unpack(record), self.n_joints)
        example.image = decode_image(jpeg)
        return arrays_of(example)


class LooseFiles(Stored):
    """Two files for each example."""

    def __init__(self, n_joints, folder):
        super().__init__(n_joints)
        self.folder = folder

    def write(self, i, record, jpeg):
        os.makedirs(self.folder, exist_ok=True)
        for content, ending in ((record, 'msgpack'), (jpeg, 'jpg')):
            with open(f'{self.folder}/{i:08d}.{ending}', 'wb') as f:
                f.write(content)

    def read(self, i):
        for ending in ('msgpack', 'jpg'):
            with open(f'{self.folder}/{i:08d}.{ending}', 'rb') as f:
                yield f.read()


class Lmdb(Stored):
    """Two entries of a memory-mapped B-tree."""

    def __init__(self, n_joints, folder):
        super().__init__(n_joints)
        self.folder = folder
        self._env = self._reading = None

    def write_all(self, files):
        with lmdb.open(self.folder, map_size=1 << 36) as env, env.begin(write=True) as writing:
            for i, (record, jpeg) in enumerate(files):
                writing.put(b'%08d.msgpack' % i, record)
                writing.put(b'%08d.jpg' % i, jpeg)

    def read(self, i):
        if self._env is None:
            self._env = lmdb.open(self.folder, readonly=True, lock=False, readahead=False)
            self._reading = self._env.begin()
        return self._reading.get(b'%08d.msgpack' % i), self._reading.get(b'%08d.jpg' % i)

    def close(self):
        """To be called before a fork: workers may not open what is open here."""
        if self._env is not None:
            self._env.close()
            self._env = self._reading = None


def web_dataset(stored, pattern):
    """A sequential stream over tar shards."""
    shards = webdataset.WebDataset(pattern, shardshuffle=False, empty_check=False)
    return shards.map(lambda files: stored.decode(files['msgpack'], files['jpg']))


def store_in_all_ways(dataset, n, folder):
    """{name: dataset for a DataLoader}."""
    n_joints = dataset.joint_info.n_joints
    files = list(raw_files(dataset, n))
    loose, in_lmdb = LooseFiles(n_joints, f'{folder}/loose'), Lmdb(n_joints, f'{folder}/lmdb')
    in_lmdb.write_all(files)
    for i, (record, jpeg) in enumerate(files):
        loose.write(i, record, jpeg)
    for shard in range(N_SHARDS):
        with webdataset.TarWriter(f'{folder}/{shard:04d}.tar') as writer:
            for i in range(shard, n, N_SHARDS):
                record, jpeg = files[i]
                writer.write({'__key__': f'{i:08d}', 'msgpack': record, 'jpg': jpeg})
    shards = f'{folder}/{{0000..{N_SHARDS - 1:04d}}}.tar'
    return {
        'barecat': Archived(dataset.examples[TRAIN]),
        'loose files': loose,
        'lmdb': in_lmdb,
        'webdataset (sequential)': web_dataset(Stored(n_joints), shards),
    }


def raw_files(dataset, n):
    """Record and JPEG of the first examples, as bytes."""
    for example in dataset.examples[TRAIN][:n]:
        record = archive.read_file(dataset.annotations_path, example.path)
        yield record, archive.read_file(dataset.images_path, example.image_path)


def arrays_of(example):
    """What a network would get; the image is cut at once, as an augmentation would do it."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    height, width = (min(SIDE, n) for n in example.image.shape[:2])
    image[:height, :width] = example.image[:height, :width]
    return dict(
        image=image,
        coords=example.world_coords,
        box=example.bbox,
        intrinsics=example.camera.intrinsic_matrix,
    )


def collate(samples):
    """Stacked arrays."""
    return {
        name: torch.from_numpy(np.stack([sample[name] for sample in samples]))
        for name in ('image', 'coords', 'box', 'intrinsics')
    }


def make_loader(way, n, workers):
    options = dict(
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
        worker_init_fn=quiet_worker if workers else None,
    )
    if isinstance(way, data.IterableDataset):
        return data.DataLoader(way, batch_size=BATCH_SIZE, **options)
    return data.DataLoader(way, batch_sampler=Schedule(ShuffledOrder([n]), BATCH_SIZE), **options)


def measure(ways, n, workers, repeats):
    """{way: examples per second}; the workers have started and the first batches come early."""
    loaders = {name: make_loader(way, n, workers) for name, way in ways.items()}
    for loader in loaders.values():
        assert sum(len(batch['box']) for batch in loader) == n
    best = dict.fromkeys(loaders, 0)
    for _ in range(repeats):
        for name, loader in loaders.items():
            start = clock(workers)
            for _ in loader:
                pass
            best[name] = max(best[name], n / (clock(workers) - start))
    ways['lmdb'].close()
    return best


def measure_floor(dataset, n, repeats):
    """JPEGs per second of the decoder alone."""
    jpegs = [jpeg for _, jpeg in raw_files(dataset, n)]
    rates = []
    for _ in range(repeats):
        start = clock(0)
        for jpeg in jpegs:
            simplejpeg.decode_jpeg(jpeg, strict=True)
        rates.append(n / (clock(0) - start))
    return max(rates)


def clock(workers):
    """Processor time where this process does everything, which others cannot disturb."""
    return time.process_time() if workers == 0 else time.perf_counter()


class WithMemory(data.Dataset):
    """Examples, and how much memory the worker has needed so far."""

    def __init__(self, way):
        self.way = way

    def __getitem__(self, key):
        self.way[key]
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_over_epochs(way, n):
    """Peak memory in MB of two workers after a tenth of an epoch, and after one and three."""
    schedule = Schedule(ShuffledOrder([n]), BATCH_SIZE)
    loader = data.DataLoader(
        WithMemory(way), batch_sampler=schedule, num_workers=2, collate_fn=max,
        persistent_workers=True, worker_init_fn=quiet_worker,
    )  # fmt: skip
    peaks = [peak for _ in range(3) for peak in loader]
    n_batches = len(schedule)
    return dict(
        tenth=max(peaks[: max(2, n_batches // 10)]),
        one=max(peaks[:n_batches]),
        three=max(peaks),
    )


def print_figures(figures):
    print(f'{figures["examples"]} examples of {figures["dataset"]}, batches of {BATCH_SIZE}')
    print(f'JPEG decoding alone {figures["floor"]:8.0f} /s (processor time)')
    for workers, rates in figures['workers'].items():
        unit = 'processor time' if workers == 0 else 'wall time'
        rivals = max(rates['loose files'], rates['lmdb'])
        print(f'{workers} workers, examples per second of {unit}')
        for name, rate in rates.items():
            print(f'  {name:24} {rate:8.0f}   {rate / figures["floor"]:.2f} of the floor')
        print(f'  barecat over the faster random-access rival: {rates["barecat"] / rivals:.3f}')
    memory = figures['memory']
    print(
        f'peak memory of a worker: {memory["tenth"]:.0f} MB after a tenth of an epoch, '
        f'{memory["one"]:.0f} MB after one, {memory["three"]:.0f} MB after three'
    )


if __name__ == '__main__':
    main()
