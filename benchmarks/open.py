"""Opening a packed dataset of many examples: seconds, memory, and the first random example.

    python benchmarks/open.py [--examples 1000000] [--folder DIR] [--json FILE]

An archive with that many small records, and one with a thirteenth of them, are made in a temporary
folder (about 250 bytes per example, most of it index; images are left out). Each is opened in a
fresh process. The floor is a process that imports the package and opens a dataset of one example.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from deltacamera import Camera

from posepile.datasets3d import Pose3DExample
from posepile.joint_info import JointInfo
from posepile.storage import archive, codec, records

_RATIO = 13
_REPEATS = 5

_PROBE = """
import json, os, random, resource, sys, time
start = time.perf_counter()
from posepile.datasets3d import Pose3DDataset
from posepile.util import TRAIN
imported = time.perf_counter()
ds = Pose3DDataset.open(sys.argv[1])
n = len(ds.examples[TRAIN])
opened = time.perf_counter()
random.seed(int(sys.argv[2]))
ex = random.choice(ds.examples[TRAIN]).load(load_image=False)
first = time.perf_counter()
with open('/proc/self/statm') as f:
    resident = int(f.read().split()[1]) * resource.getpagesize()
begin = time.perf_counter()
for _ in range(1000):
    ex = random.choice(ds.examples[TRAIN]).load(load_image=False)
later = time.perf_counter()
print(json.dumps(dict(
    examples=n, import_ms=1000 * (imported - start), open_ms=1000 * (opened - imported),
    first_ms=1000 * (first - opened), later_us=1000 * (later - begin), resident_mb=resident / 1e6)))
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--examples', type=int, default=1_000_000)
    parser.add_argument('--folder', help='where to make the archives (default: a temporary one)')
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for n in (1, args.examples // _RATIO, args.examples):
            path = os.path.join(folder, f'annotations-{n}.barecat')
            make_archive(path, n)
            rows[n] = probe(path)
            archive.remove_archive(path)
    keys = ('open_ms', 'first_ms', 'later_us', 'resident_mb')
    print(f'{"examples":>12}  open, ms  first, ms  later, us  resident, MB')
    for n, row in rows.items():
        open_ms, first_ms, later_us, resident_mb = (row[key] for key in keys)
        print(f'{n:12,}  {open_ms:8.1f}  {first_ms:9.1f}  {later_us:9.0f}  {resident_mb:12.0f}')
    small, large = rows[args.examples // _RATIO], rows[args.examples]
    ratios = {key: large[key] / small[key] for key in keys}
    print('13 times as many: ' + ', '.join(f'{key} x {r:.2f}' for key, r in ratios.items()))
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(dict(rows=rows, ratios=ratios), f, indent=1)


def make_archive(path, n):
    """Write n records as packing does."""
    joint_info = JointInfo('a,b,c', 'a-b-c')
    rng = np.random.default_rng(0)
    example = Pose3DExample(
        image_path='x.jpg',
        world_coords=rng.normal(size=(3, 3)).astype(np.float32) * 1000,
        bbox=np.array([10, 20, 100, 200], np.float32),
        camera=Camera(intrinsic_matrix=np.array([[500, 0, 128], [0, 500, 128], [0, 0, 1.0]])),
    )
    metadata = records.encode_skeleton(joint_info) | {
        'posepile': {'name': 'many', 'kind': '3d', 'examples': {'train': n, 'val': 0, 'test': 0}}
    }
    record = codec.pack(records.example3d_to_dict(example))
    with archive.ArchiveWriter(path) as writer:
        for i in range(n):
            writer.add(f'train/many_downscaled/s{i // 1000:05d}/{i:08d}.jpg_00.msgpack', record)
        writer.add('metadata.msgpack', codec.pack(metadata))


def probe(path):
    """The best of several fresh processes, by key."""
    runs = []
    for seed in range(_REPEATS):
        output = subprocess.check_output([sys.executable, '-c', _PROBE, path, str(seed)])
        runs.append(json.loads(output))
    return {key: min(run[key] for run in runs) for key in runs[0]}


if __name__ == '__main__':
    main()
