"""Examples per second of random access, beside other ways to store the same data.

    python benchmarks/loader.py [--dataset aspset] [--repeats 5] [--json FILE]

The dataset must have been packed below DATA_ROOT (posepile simulate aspset; posepile run aspset).
Its JPEGs and records are written anew as loose files, to LMDB and to WebDataset shards, and read in
the same batches: records decoded, JPEGs decoded, annotations stacked, images cut or padded to
256 x 256 and stacked. All but WebDataset, which reads in sequence, get the same shuffled order.
All are read through PyTorch's DataLoader, the archive also through PoseLoader, which uses the
memory of images again.
The floor is the JPEG decoder alone, on bytes in memory, in as many processes. Ways are measured in
turns and the best of all repeats counts. A small dataset is gone through several times per epoch.
Everything is in the page cache: this compares programs, not disks. Needs
lmdb and webdataset (pip install -e '.[benchmark]').
"""

import argparse
import json
import math
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
from posepile.storage.lazy import load_all, open_dataset
from posepile.storage.records import dict_to_example3d
from posepile.training import PoseLoader, Schedule, ShuffledOrder
from posepile.training.forking import quiet_worker
from posepile.util import TRAIN

SIDE = 256
BATCH_SIZE = 32
N_SHARDS = 4
FLOOR = 'JPEG decoding alone'
OURS = 'barecat, PoseLoader'


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--dataset', default='aspset', help='name of a packed 3D dataset')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--examples', type=int, default=1024, help='per epoch')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = open_dataset(*product_paths(args.dataset))
    with tempfile.TemporaryDirectory() as folder:
        ways = store_in_all_ways(dataset, args.examples - args.examples % BATCH_SIZE, folder)
        figures = dict(
            dataset=args.dataset,
            examples=len(ways[OURS]),
            different_examples=len(dataset.examples[TRAIN]),
            workers={w: measure(ways, w, args.repeats) for w in args.workers},
            memory=memory_over_epochs(ways[OURS]),
        )
    print_figures(figures)
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(figures, f, indent=1)


class Way(data.Dataset):
    """So many examples, of which some may be the same."""

    image_shape = SIDE, SIDE, 3

    def __init__(self, n, n_different):
        self.n = n
        self.n_different = n_different

    def __len__(self):
        return self.n

    def __getitems__(self, keys):
        return self.get_samples(keys)

    def get_samples(self, keys, images=None):
        images = [np.empty(self.image_shape, np.uint8) for _ in keys] if images is None else images
        examples = self.examples_of([index % self.n_different for _, index, _ in keys])
        return [arrays_of(example, image) for example, image in zip(examples, images, strict=True)]


class BareDecoding(Way):
    """The floor: JPEGs that are in memory, and nothing is done with their pixels."""

    def __init__(self, n, jpegs):
        super().__init__(n, len(jpegs))
        self.jpegs = jpegs

    def get_samples(self, keys, images=None):
        for _, i, _ in keys:
            simplejpeg.decode_jpeg(self.jpegs[i % self.n_different], strict=True)
        return [dict(box=0)] * len(keys)


class Archived(Way):
    """What training code does: examples of the packed dataset."""

    def __init__(self, n, n_different, examples):
        super().__init__(n, n_different)
        self.examples = examples

    def examples_of(self, indices):
        return load_all((self.examples[i] for i in indices), keep_images=False)


class Stored(Way):
    """Records and images from somewhere else, decoded by the same functions."""

    def __init__(self, n, n_different, n_joints):
        super().__init__(n, n_different)
        self.n_joints = n_joints

    def examples_of(self, indices):
        examples = [self.decode(self.read_record(i)) for i in indices]
        for i, example in zip(indices, examples, strict=True):
            example.image = decode_image(self.read_jpeg(i))
            yield example
            example.image = None

    def decode(self, record):
        return dict_to_example3d(codec.unpack(record), self.n_joints)


class LooseFiles(Stored):
    """Two files for each example."""

    def __init__(self, *args, folder):
        super().__init__(*args)
        self.folder = folder

    def write(self, i, record, jpeg):
        os.makedirs(self.folder, exist_ok=True)
        for content, ending in ((record, 'msgpack'), (jpeg, 'jpg')):
            with open(f'{self.folder}/{i:08d}.{ending}', 'wb') as f:
                f.write(content)

    def read_record(self, i):
        return self._read(f'{i:08d}.msgpack')

    def read_jpeg(self, i):
        return self._read(f'{i:08d}.jpg')

    def _read(self, name):
        with open(f'{self.folder}/{name}', 'rb') as f:
            return f.read()


class Lmdb(Stored):
    """Two entries of a memory-mapped B-tree."""

    def __init__(self, *args, folder):
        super().__init__(*args)
        self.folder = folder
        self._env = self._reading = None

    def write_all(self, files):
        with lmdb.open(self.folder, map_size=1 << 36) as env, env.begin(write=True) as writing:
            for i, (record, jpeg) in enumerate(files):
                writing.put(b'%08d.msgpack' % i, record)
                writing.put(b'%08d.jpg' % i, jpeg)

    def read_record(self, i):
        if self._env is None:
            self._env = lmdb.open(self.folder, readonly=True, lock=False, readahead=False)
            self._reading = self._env.begin()
        return self._reading.get(b'%08d.msgpack' % i)

    def read_jpeg(self, i):
        return self._reading.get(b'%08d.jpg' % i)

    def close(self):
        """To be called before a fork: workers may not open what is open here."""
        if self._env is not None:
            self._env.close()
            self._env = self._reading = None


def web_dataset(stored, pattern):
    """A sequential stream over tar shards, as long as the epoch of the others."""
    shards = webdataset.WebDataset(pattern, shardshuffle=False, empty_check=False)

    def sample(files):
        example = stored.decode(files['msgpack'])
        example.image = decode_image(files['jpg'])
        return arrays_of(example, np.empty(Way.image_shape, np.uint8))

    return shards.map(sample).repeat(stored.n // stored.n_different)


def store_in_all_ways(dataset, n, folder):
    """{name: dataset for a DataLoader} with n examples per epoch, or a few less."""
    files = list(raw_files(dataset, n))
    n -= n % math.lcm(len(files), BATCH_SIZE)
    figures = n, len(files), dataset.joint_info.n_joints
    loose = LooseFiles(*figures, folder=f'{folder}/loose')
    in_lmdb = Lmdb(*figures, folder=f'{folder}/lmdb')
    in_lmdb.write_all(files)
    for i, (record, jpeg) in enumerate(files):
        loose.write(i, record, jpeg)
    for shard in range(N_SHARDS):
        with webdataset.TarWriter(f'{folder}/{shard:04d}.tar') as writer:
            for i in range(shard, len(files), N_SHARDS):
                record, jpeg = files[i]
                writer.write({'__key__': f'{i:08d}', 'msgpack': record, 'jpg': jpeg})
    shards = f'{folder}/{{0000..{N_SHARDS - 1:04d}}}.tar'
    return {
        FLOOR: BareDecoding(n, [jpeg for _, jpeg in files]),
        OURS: Archived(n, len(files), dataset.examples[TRAIN]),
        'barecat, DataLoader': Archived(n, len(files), dataset.examples[TRAIN]),
        'loose files': loose,
        'lmdb': in_lmdb,
        'webdataset (sequential)': web_dataset(Stored(*figures), shards),
    }


def raw_files(dataset, n):
    """Record and JPEG of the first n examples, or of whole batches if there are fewer, as bytes."""
    n = min(n, len(dataset.examples[TRAIN]))
    for example in dataset.examples[TRAIN][: n - n % BATCH_SIZE]:
        record = archive.read_file(dataset.annotations_path, example.path)
        yield record, archive.read_file(dataset.images_path, example.image_path)


def arrays_of(example, image):
    """What a network would get; the image is cut at once, as an augmentation would do it."""
    height, width = (min(SIDE, n) for n in example.image.shape[:2])
    image[:height, :width] = example.image[:height, :width]
    image[height:] = 0
    image[:, width:] = 0
    return dict(
        image=image,
        coords3d=example.world_coords,
        box=example.bbox,
        intrinsics=np.asarray(example.camera.intrinsic_matrix),
    )


def make_loader(way, workers, is_ours):
    if is_ours:
        return PoseLoader(way, Schedule(ShuffledOrder([len(way)]), BATCH_SIZE), workers=workers)
    options = dict(
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=quiet_worker if workers else None,
    )
    if isinstance(way, data.IterableDataset):
        return data.DataLoader(way, batch_size=BATCH_SIZE, **options)
    schedule = Schedule(ShuffledOrder([len(way)]), BATCH_SIZE)
    return data.DataLoader(way, batch_sampler=schedule, **options)


def measure(ways, workers, repeats):
    """{way: examples per second}; the workers have started and the first batches come early."""
    n = len(ways[OURS])
    loaders = {name: make_loader(way, workers, name == OURS) for name, way in ways.items()}
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


def clock(workers):
    """Processor time where this process does everything, which others cannot disturb."""
    return time.process_time() if workers == 0 else time.perf_counter()


class WithMemory(data.Dataset):
    """Examples, and how much memory the worker has needed so far."""

    def __init__(self, way):
        self.way = way

    def __getitem__(self, key):
        self.way.get_samples([key])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_over_epochs(way):
    """Peak memory in MB of two workers after a tenth of an epoch, and after one and three."""
    schedule = Schedule(ShuffledOrder([len(way)]), BATCH_SIZE)
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
    print(
        f'{figures["examples"]} examples of {figures["dataset"]} per epoch, of which '
        f'{figures["different_examples"]} are different, batches of {BATCH_SIZE}'
    )
    for workers, rates in figures['workers'].items():
        unit = 'processor time' if workers == 0 else 'wall time'
        rivals = max(rates['loose files'], rates['lmdb'])
        print(f'{workers} workers, examples per second of {unit}')
        for name, rate in rates.items():
            print(f'  {name:24} {rate:8.0f}   {rate / rates[FLOOR]:.2f} of the floor')
        print(f'  ours over the faster random-access rival: {rates[OURS] / rivals:.3f}')
    memory = figures['memory']
    print(
        f'peak memory of a worker: {memory["tenth"]:.0f} MB after a tenth of an epoch, '
        f'{memory["one"]:.0f} MB after one, {memory["three"]:.0f} MB after three'
    )


if __name__ == '__main__':
    main()
