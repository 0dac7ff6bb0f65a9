"""Measure what scripts/plan_collection.py computes with, and write scripts/collection_rates.json.

    python scripts/measure_rates.py [--repeats 2] [--out FILE]

It takes five to ten minutes. Times are those of the processor and not of the clock, so that other
work on the machine matters little; what is measured runs on one core. The videos are those of a
simulated ASPset-510 (1920x1080), the photographs those of benchmarks/crops.py.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import os
import os.path as osp
import shutil
import subprocess
import sys
import tempfile
import time

import cv2

from posepile.cluster.overview import step_summary
from posepile.cluster.state import steps_of
from posepile.ds.aspset.main import make_recipe, read_clip
from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.pipeline.warp import warp
from posepile.raw.images import decode_image, encode_jpeg
from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release
from posepile.storage import archive, codec

SCRIPTS = osp.dirname(osp.abspath(__file__))
BENCHMARKS = osp.join(osp.dirname(SCRIPTS), 'benchmarks')

#: Simulated and run for their memory; the first one also for everything else.
PRODUCTS = ('aspset', 'coco', 'h36m')

#: How often each simulated clip is cropped and packed, for archives of some hundred crops.
COPIES = 6
#: How often each photograph is decoded and cropped.
PHOTOGRAPHS = 8


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--repeats', type=int, default=2, help='the best of so many counts')
    parser.add_argument('--out', metavar='FILE', default=f'{SCRIPTS}/collection_rates.json')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as root:
        os.environ['DATA_ROOT'] = root
        rates = {'processor': processor()}
        rates['peak_memory_mb'] = {name: peak_memory_of_steps(name) for name in PRODUCTS}
        rates |= bytes_of_archives(f'{root}/packed/aspset')
        rates |= of_video_and_packing(args.repeats)
    rates['photographs'] = of_photographs(args.repeats)
    with open(args.out, 'w') as f:
        json.dump(four_digits(rates), f, indent=1)
        f.write('\n')


def four_digits(content):
    """The content with all numbers rounded to what is significant."""
    if isinstance(content, dict):
        return {key: four_digits(value) for key, value in content.items()}
    if isinstance(content, list):
        return [four_digits(value) for value in content]
    return content if isinstance(content, str) else float(f'{content:.4g}')


def peak_memory_of_steps(name):
    """Simulate and run a dataset; the largest memory of a task of each step in MB."""
    simulate_release(find_dataset(name))
    environment = os.environ | {'POSEPILE_TASKS': '2', 'POSEPILE_JOBS': '1'}
    command = [sys.executable, '-m', 'posepile.cli', 'run', name]
    subprocess.run(command, env=environment, check=True)
    return {s.name: step_summary(s)['peak_memory_mb'] for s in steps_of(name)}


def bytes_of_archives(packed):
    """Bytes per crop and per record, and the share of records with a mask."""
    records = f'{packed}/annotations.barecat'
    images = f'{packed}/images.barecat'
    names = [name for name in archive.list_files(records) if name != 'metadata.msgpack']
    masks = [codec.unpack(archive.read_file(records, name)).get('mask') for name in names]
    return {
        'bytes_per_crop': osp.getsize(f'{images}-shard-00000') / len(names),
        'bytes_per_record': osp.getsize(f'{records}-shard-00000') / len(names),
        'share_with_mask': sum(mask is not None for mask in masks) / len(names),
    }


def of_video_and_packing(repeats):
    """Core-seconds of decoding a video, of cropping from it, and of packing; bytes of indices."""
    recipe = many_clips()
    once = dataclasses.replace(recipe, list_clips=lambda: recipe.list_clips()[:1])
    make_crops(once)  # compiles, and reads what is read only once
    decoding, cropping, packing = [], [], []
    for _ in range(repeats):
        shutil.rmtree(recipe.shards_dir)
        with timed(cropping):
            report = make_crops(recipe)
        clips = [read_clip(identity[1]) for _, identity in recipe.list_clips()]
        kept = [clip.select(clip.people[0].joints) for clip in clips]
        n_frames, megapixels = 0, set()
        with timed(decoding):
            for clip, frames in zip(clips, kept, strict=True):
                last = max(i for i in frames if i < len(clip.people[0].boxes))
                for _, image in clip.frames.frames([last]):
                    megapixels.add(image.shape[0] * image.shape[1] / 1e6)
                n_frames += last + 1
        with timed(packing):
            pack(recipe, simulated=True)
    [size] = megapixels
    packed = osp.join(os.environ['DATA_ROOT'], 'packed', recipe.name)
    indices = sum(osp.getsize(f'{packed}/{x}.barecat') for x in ('images', 'annotations'))
    return {
        'decoding_core_seconds_per_megapixel': min(decoding) / n_frames / size,
        'cropping_core_seconds': (min(cropping) - min(decoding)) / report.crops,
        'packing_core_seconds': min(packing) / report.crops,
        'bytes_of_indices_per_crop': indices / report.crops,
    }


def many_clips():
    """The recipe of a product that holds each simulated clip several times."""
    recipe = make_recipe()
    clips = recipe.list_clips()

    def read(i_and_identity):
        i, identity = i_and_identity
        clip = read_clip(identity)
        folder = recipe.crops_folder
        path = clip.crop_path.replace(folder, f'{folder}/{i:02d}')
        return dataclasses.replace(clip, crop_path=path)

    return dataclasses.replace(
        recipe,
        name='copies',
        list_clips=lambda: [
            (f'{i:02d}/{name}', (i, x)) for i in range(COPIES) for name, x in clips
        ],
        read_clip=read,
        mask_of='nobody',
    )


def of_photographs(repeats):
    """[megapixels of the photograph, core-seconds per crop from decoding to encoding] by size."""
    spec = importlib.util.spec_from_file_location('crops', f'{BENCHMARKS}/crops.py')
    crops = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = crops  # its dataclass looks itself up there
    spec.loader.exec_module(crops)
    rows = []
    for case in crops.CASES.values():
        if case.n_people > 1:
            continue
        source, camera, [box], _ = crops.photograph(case)
        times = []
        for _ in range(repeats + 1):
            with timed(times):
                for _ in range(PHOTOGRAPHS):
                    image = decode_image(source)
                    geometry = plan_crop(camera, box, image.shape[:2])
                    encode_jpeg(warp(image, None, geometry)[0])
        rows.append([case.size[0] * case.size[1] / 1e6, min(times) / PHOTOGRAPHS])
    return sorted(rows)


@contextlib.contextmanager
def timed(times):
    """Append to a list how much time of the processor a block took."""
    start = time.process_time()
    yield
    times.append(time.process_time() - start)


def processor():
    with open('/proc/cpuinfo') as f:
        names = [line.partition(':')[2].strip() for line in f if line.startswith('model name')]
    return names[0] if names else 'unknown'


if __name__ == '__main__':
    main()
