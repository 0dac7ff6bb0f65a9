#!/usr/bin/env python
"""Trains the networks that find people in pictures of the synthetic studio.

PosePile's pipelines are tested on simulated releases. Networks that were trained on photographs
need not know the studio's people, so a small detector and a small segmenter are trained on them
alone, from random weights, in these steps:

 1. pictures of random crowds are rendered, with exact masks,
 2. a detector is trained on small pictures: parts of frames and crops around a person,
 3. it is trained a little more on whole frames, where people are as large as they get,
 4. a segmenter starts from the weights of step 2 and learns masks,
 5. both are saved, read back, and scored on scenes that neither has seen.

The result is in the output folder: detector.pt, segmenter.pt and report.json.

Examples:
  train_studio_people.py --work-dir /tmp/studio      all of it; under two hours on two CPU cores
  train_studio_people.py --quick --out /tmp/weights  does everything work? A minute or two
"""

import argparse
import contextlib
import datetime
import json
import os
import sys
import tempfile
import time

import studio_people_data as data
import studio_people_networks as networks
import studio_people_score as score

WEIGHTS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    'posepile', 'detection', 'studio_weights',
)  # fmt: skip
TRAINING_SIZE, FRAME_SIZE, CROP_SIZE = 320, 640, 384
LIMITS = (
    'The networks know the people of the synthetic studio and nothing else. They were never '
    'trained, tried or measured on photographs of real people and are not for real data.'
)


def main(argv=None):
    arguments = parse_arguments(argv)
    with contextlib.ExitStack() as stack:
        work = arguments.work_dir or stack.enter_context(tempfile.TemporaryDirectory())
        work = os.path.abspath(work)
        os.makedirs(work, exist_ok=True)
        os.makedirs(arguments.out, exist_ok=True)
        networks.keep_to_itself(work)
        run(arguments, work)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--work-dir', help='folder for pictures and checkpoints (default: one that is removed)'
    )
    parser.add_argument(
        '--out', default=WEIGHTS, help='folder for the result (default: %(default)s)'
    )
    parser.add_argument(
        '--images', type=int, default=4600, help='pictures to train on (default: %(default)s)'
    )
    parser.add_argument(
        '--epochs', type=int, default=25,
        help='times that the detector sees each picture (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--held-out', type=int, default=300, help='scenes of each kind to score on (%(default)s)'
    )
    parser.add_argument(
        '--device', default='auto', help="'auto', 'cpu', or the number of a GPU (default: auto)"
    )
    parser.add_argument(
        '--processes', type=int, default=os.cpu_count(), help='that render (default: %(default)s)'
    )
    parser.add_argument(
        '--quick', action='store_true',
        help='tiny numbers, to see that everything works; the networks find nobody',
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.images, arguments.epochs, arguments.held_out = 32, 1, 4
        if arguments.out == WEIGHTS:
            parser.error('--quick makes useless networks; say with --out where to put them.')
    if min(arguments.images, arguments.epochs, arguments.held_out, arguments.processes) < 1:
        parser.error('Numbers of images, epochs, scenes and processes must be positive.')
    return arguments


def run(arguments, work):
    device = choose_device(arguments.device)
    seconds = {}
    with timed(seconds, 'rendering'):
        small, large, counts = render(arguments, work)
    options = dict(
        device=device, optimizer='MuSGD', momentum=0.9, warmup_bias_lr=0.0, mosaic=0.0,
        amp=False if device == 'cpu' else 'bf16', workers=min(14, arguments.processes),
    )  # fmt: skip
    on_small = dict(options, imgsz=TRAINING_SIZE, batch=64, nbs=64, scale=0.3, translate=0.1)
    on_frames = dict(
        options, imgsz=FRAME_SIZE, batch=16, nbs=16, scale=0.2, translate=0.05, rect=True
    )
    # Masks take twice the time of boxes, but little training once the people are found.
    detecting = dict(on_small, epochs=arguments.epochs, lr0=0.01, warmup_epochs=1.0)
    finishing = dict(on_frames, epochs=part(arguments.epochs, 10), lr0=0.003, warmup_epochs=0.2)
    segmenting = dict(on_small, epochs=part(arguments.epochs, 6), lr0=0.005, warmup_epochs=0.3)
    files = {name: os.path.join(arguments.out, f'{name}.pt') for name in ('detector', 'segmenter')}
    with timed(seconds, 'detector'):
        first = networks.train('detect', small, f'{work}/detector', **detecting)
    with timed(seconds, 'detector, frames'):
        detector = networks.train('detect', large, f'{work}/frames', first, **finishing)
        networks.save(files['detector'], 'detect', detector, FRAME_SIZE)
    with timed(seconds, 'segmenter'):
        segmenter = networks.train('segment', small, f'{work}/segmenter', first, **segmenting)
        networks.save(files['segmenter'], 'segment', segmenter, CROP_SIZE)
    with timed(seconds, 'scoring'):
        figures = score_files(files, arguments.held_out, device, arguments.processes)
    report = dict(
        made_by='scripts/train_studio_people.py',
        made_on=str(datetime.date.today()),
        made_with=versions(device),
        limits=LIMITS,
        counted=(
            f'People with at least {score.MIN_AREA} visible pixels count; smaller ones neither '
            f'help nor hurt. recall: part of them that is matched one-to-one to a detection of '
            f'confidence >= {score.CONFIDENCE} with IoU > {score.MATCH_IOU} against the box of '
            'their visible pixels; mask_iou: mean IoU of the masks of those matched; '
            'wrong_per_picture: detections of that confidence that overlap nobody by half. '
            'Intervals: 95 %, from 500 bootstrap samples of the pictures. Without NMS: the head '
            'that finds everybody once; with: the other one, whose duplicates are removed.'
        ),
        held_out=f'Scenes {data.HELD_OUT_START} and following; training uses lower numbers.',
        figures=figures,
        training=dict(
            pictures=counts,
            steps=[dict(detector=detecting), dict(detector=finishing), dict(segmenter=segmenting)],
            seconds=seconds,
            from_scratch='The first step begins with random weights, the others with its result.',
        ),
        bytes={name: os.path.getsize(path) for name, path in files.items()},
    )
    with open(os.path.join(arguments.out, 'report.json'), 'w', encoding='utf-8') as f:
        json.dump(report, f, indent=2)
        f.write('\n')
    print(json.dumps(figures, indent=2))


def render(arguments, work):
    """Paths of the data of small pictures and of frames, and numbers of pictures by kind."""
    n_frames = arguments.images // 8
    n_crops = (arguments.images - n_frames) * 2 // 5
    counts = dict(view=arguments.images - n_frames - n_crops, crop=n_crops, frame=n_frames)
    paths = []
    for name, kinds in (('small', ('view', 'crop')), ('large', ('frame',))):
        folder = os.path.join(work, name)
        paths.append(data.write_dataset(folder, {k: counts[k] for k in kinds}, arguments.processes))
    return *paths, counts


def part(epochs, divisor):
    """A fraction of a number of epochs, at least one."""
    return max(1, round(epochs / divisor))


def score_files(files, n_scenes, device, n_processes):
    """Figures of both saved networks on held-out scenes, by network and kind of picture."""
    figures = {}
    for kind, tries in {
        'frame': [('detector', FRAME_SIZE), ('segmenter', FRAME_SIZE)],
        'test_crop': [('segmenter', CROP_SIZE), ('segmenter', TRAINING_SIZE)],
    }.items():
        jobs = [(kind, data.HELD_OUT_START + i) for i in range(n_scenes)]
        samples = list(data.in_processes(data.make_sample, jobs, n_processes, f'rendering {kind}s'))
        for name, size in tries:
            network, task, _ = networks.load(files[name])
            images = [s.image for s in samples]
            for head, with_nms in (('without NMS', False), ('with NMS at 0.7', True)):
                title = f'{name}, {kind}s at {size}, {head}'
                found = networks.find_people(network, task, images, size, device, with_nms)
                figures[title] = score.summarise(samples, [score.Found(*f) for f in found])
                print(f'{title}:', figures[title], flush=True)
    return figures


def choose_device(name):
    import torch

    if name == 'auto':
        return '0' if torch.cuda.is_available() else 'cpu'
    return name


def versions(device):
    import torch
    import ultralytics

    return dict(
        python=sys.version.split()[0],
        torch=torch.__version__,
        ultralytics=ultralytics.__version__,
        device='CPU' if device == 'cpu' else torch.cuda.get_device_name(int(device)),
    )


@contextlib.contextmanager
def timed(seconds, name):
    start = time.monotonic()
    print(f'== {name}', flush=True)
    yield
    seconds[name] = round(time.monotonic() - start)
    print(f'== {name}: {seconds[name]} s', flush=True)


if __name__ == '__main__':
    main()
