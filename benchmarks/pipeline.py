"""Frames per second of whole crop tasks, on one core and on all, beside the floor: decoding the
videos and encoding the crops.

    python benchmarks/pipeline.py [--repeats 3] [--json FILE]

The videos are those of a simulated ASPset-510 (1920x1080), made in a temporary folder. On all
cores, as many processes as there are cores each do the whole work, side by side.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import shutil
import tempfile
import time

import cv2

from posepile.clips import all_frames
from posepile.cluster import resources
from posepile.ds.aspset.main import make_recipe, read_clip
from posepile.pipeline.stages import make_crops
from posepile.raw.images import decode_image, encode_jpeg
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release
from posepile.storage import archive


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as root:
        os.environ['DATA_ROOT'] = root
        simulate_release(find_dataset('aspset'))
        runs = [measure() for _ in range(args.repeats)]
        n_cores = resources.n_cores()
        rates = {n: max(parallel_rate(root, n) for _ in range(args.repeats)) for n in (1, n_cores)}
    best = min(runs, key=lambda run: run['seconds'])
    best['floor_seconds'] = min(run['floor_seconds'] for run in runs)
    best['ratio'] = best['seconds'] / best['floor_seconds']
    print(f'{best["frames"]} frames, {best["crops"]} crops')
    print(f'pipeline  {best["seconds"]:6.2f} s  {best["frames"] / best["seconds"]:6.1f} frames/s')
    print(f'floor     {best["floor_seconds"]:6.2f} s')
    print(f'ratio     {best["ratio"]:6.2f}')
    best['frames_per_second'] = rates
    for n, rate in rates.items():
        print(
            f'{n} processes: {rate:6.1f} frames/s, {rate / n:.1f} per core, {rate / rates[1]:.2f} '
            'times one'
        )
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(best, f, indent=1)


def measure():
    """Seconds of one crop task over all clips, and of the floor."""
    recipe = make_recipe()
    shutil.rmtree(recipe.shards_dir, ignore_errors=True)
    start = time.perf_counter()
    report = make_crops(recipe)
    seconds = time.perf_counter() - start
    [shard] = (f.path for f in os.scandir(recipe.shards_dir) if f.path.endswith('.barecat'))
    crops = [
        decode_image(archive.read_file(shard, path)) for path in archive.list_files(shard, 'images')
    ]
    start = time.perf_counter()
    for _, identity in recipe.list_clips():
        decode_to_the_last_kept_frame(read_clip(identity))
    for crop in crops:
        encode_jpeg(crop)
    return dict(
        frames=report.frames_seen,
        crops=report.crops,
        seconds=seconds,
        floor_seconds=time.perf_counter() - start,
    )


def parallel_rate(root, n):
    """Frames per second of n processes that each crop everything."""
    context = multiprocessing.get_context('spawn')
    barrier = context.Barrier(n)
    with context.Pool(n, _get_ready, (barrier,)) as pool:
        jobs = [(root, i) for i in range(n)]
        spans = pool.starmap(_crop_everything, jobs, chunksize=1)
    seconds = max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
    return sum(frames for _, _, frames in spans) / seconds


def _get_ready(barrier):
    global _barrier
    _barrier = barrier
    cv2.setNumThreads(1)


def _crop_everything(root, i):
    """(start, end, number of frames) of a crop task in a DATA_ROOT of its own."""
    own_root = os.path.join(root, f'process-{i}')
    shutil.rmtree(own_root, ignore_errors=True)
    os.makedirs(own_root)
    os.symlink(os.path.join(root, 'aspset'), os.path.join(own_root, 'aspset'))
    os.environ['DATA_ROOT'] = own_root
    recipe = make_recipe()
    make_crops(dataclasses.replace(recipe, list_clips=lambda: recipe.list_clips()[:1]))  # warm up
    shutil.rmtree(recipe.shards_dir)
    _barrier.wait()
    start = time.time()
    report = make_crops(recipe)
    return start, time.time(), report.frames_seen


def decode_to_the_last_kept_frame(clip):
    """Decode as the pipeline must; only the last frame is converted to RGB."""
    kept = clip.select(clip.people[0].joints)
    n_frames = len(all_frames(clip.people[0].boxes))
    last = max(i for i in kept if i < n_frames)
    for _ in clip.frames.frames([last]):
        pass


if __name__ == '__main__':
    main()
