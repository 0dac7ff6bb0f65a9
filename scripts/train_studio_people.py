#!/usr/bin/env python
"""Trains the networks that find people in pictures of the synthetic studio.

PosePile's pipelines are tested on simulated releases. Networks that were trained on photographs
need not know the studio's people, so small ones are trained on them alone, from random weights:

 1. pictures are rendered, with exact masks: whole frames, parts of them, and crops around people,
 2. a segmenter is trained on them, on a GPU while others are still being rendered,
 3. a detector is made of it by leaving out what only masks need,
 4. both are saved, read back, and scored on scenes that were not used in training.

The result is in the output folder: detector.pt, segmenter.pt and report.json.

Examples:
  train_studio_people.py --work-dir /tmp/studio --minutes 20
      On a GPU with many processors beside it.
  train_studio_people.py --work-dir /tmp/studio --minutes 20 --stop-after 9
  train_studio_people.py --work-dir /tmp/studio --resume --stop-after 9
      The same in parts of nine minutes. On another machine, the second part needs the file
      checkpoint.pt of the first alone; it renders pictures again.
  train_studio_people.py --work-dir /tmp/studio --device cpu
      Under two hours on two processors; what it makes is worse than the report says.
  train_studio_people.py --quick --out /tmp/weights
      Does everything work? A minute.
"""

import argparse
import contextlib
import datetime
import json
import os
import sys
import tempfile
import time

import studio_people_networks as networks
import studio_people_score as score
from studio_people_rendering import in_processes
from studio_people_scenes import GROUP, HELD_OUT_START, held_out_sample

from posepile.atomic import replacing

WEIGHTS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    'posepile', 'detection', 'studio_weights',
)  # fmt: skip
SIZES = {'detector': 832, 'segmenter': 512}
"""Sizes of images that are written into the files, for those who use them without another wish: of
those in the report, the best for whole frames, which detectors are given, and for crops."""

PARTS = {'frame': 0.5, 'crop': 0.25, 'view': 0.25}  # of the training pictures
DEFAULT_PICTURES = {'cuda': 32_000, 'cpu': 4_000}
DEFAULT_MINUTES = {'cuda': 20.0, 'cpu': 90.0}
HELD_OUT = {'gathering': 150, 'crowd': 100, 'crop': 100}
SCORED_SIZES = {'gathering': (640, 832), 'crowd': (640, 832), 'crop': (384, 512, 640)}
TARGETS = {'box_ap50': 0.97, 'mask_ap50': 0.93, 'recall': 0.97}  # of gatherings
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
        device = choose_device(arguments.device)
        if arguments.score_only or train(arguments, work, device):
            score_and_report(arguments, device)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--work-dir', help='folder for pictures and the checkpoint (default: one that is removed)')
    add('--out', default=WEIGHTS, help='folder for the result (default: %(default)s)')
    add('--device', default='auto', choices=('auto', 'cpu', 'cuda'), help='(default: auto)')
    add('--pictures', type=int, help='to train on (default: 32,000 on a GPU, 4,000 on the CPU)')
    add('--first-group', type=int, default=0, help='number of the first group of pictures')
    duration = parser.add_mutually_exclusive_group()
    duration.add_argument('--iterations', type=int, help='of training')
    duration.add_argument(
        '--minutes', type=float,
        help='of training, without rendering and scoring; as many iterations as fit '
        '(default: 20 on a GPU, 90 on the CPU)',
    )  # fmt: skip
    add('--stop-after', type=float, help='minutes after which training stops, to be resumed')
    add('--resume', action='store_true', help='continue from the checkpoint in the work folder')
    add('--checkpoint', help='path of the checkpoint (default: checkpoint.pt in the work folder)')
    add('--processes', type=int, default=os.cpu_count(), help='that render (%(default)s)')
    add('--held-out', type=float, default=1.0, help='part of the held-out scenes to score on')
    add('--compile', action='store_true', help='compile the network first; takes some minutes')
    add('--score-only', action='store_true', help='only score what is in the output folder')
    add(
        '--quick', action='store_true',
        help='tiny numbers, to see that everything works; the networks find nobody',
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.pictures, arguments.held_out = 4 * GROUP, 0.02
        if not arguments.minutes and not arguments.resume:
            arguments.iterations = arguments.iterations or 4
        if arguments.out == WEIGHTS:
            parser.error('--quick makes useless networks; say with --out where to put them.')
    if (arguments.resume or arguments.stop_after) and not (
        arguments.work_dir or arguments.checkpoint
    ):
        parser.error('Training that is interrupted needs a --work-dir that stays.')
    return arguments


def train(arguments, work, device):
    """Trains and saves both networks; whether training is over."""
    import torch
    from studio_people_loss import PeopleLoss
    from studio_people_pictures import Pictures
    from studio_people_training import Plan, Training

    start = time.monotonic()
    checkpoint = arguments.checkpoint or os.path.join(work, 'checkpoint.pt')
    torch.manual_seed(0)
    training = Training(
        networks.build('segment', networks.make_config('segment')), device,
        compiled=arguments.compile,
    )  # fmt: skip
    plan = Plan(minutes=DEFAULT_MINUTES[device.type])
    if arguments.resume:
        plan = training.load(checkpoint)
        print(f'Continuing after {training.iteration} iterations, {training.seconds:.0f} s.')
    if arguments.iterations or arguments.minutes:
        plan = Plan(arguments.iterations, arguments.minutes)
    if device.type == 'cpu' and not arguments.quick:
        print('On the CPU, training takes too long to get as good as report.json says.')
    n = arguments.pictures or DEFAULT_PICTURES[device.type]
    n_groups = {kind: max(1, round(n * part / GROUP)) for kind, part in PARTS.items()}
    folder = os.path.join(work, 'pictures')
    with Pictures(folder, n_groups, arguments.first_group, device, arguments.processes) as pictures:
        pictures.wait(0.08 if device.type == 'cuda' else 1)
        print(f'{len(pictures)} pictures after {time.monotonic() - start:.0f} s', flush=True)
        stop_at = start + 60 * (arguments.stop_after or float('inf'))
        is_over = training.run(pictures, plan, checkpoint, stop_at)
        n_pictures = len(pictures)
    if not is_over:
        print(f'Stopped after {training.iteration} iterations; continue with --resume.')
        return False
    segmenter = training.average.cpu().float()
    networks.save(path_of(arguments, 'segmenter'), 'segment', segmenter, SIZES['segmenter'])
    detector = networks.without_masks(segmenter)
    networks.save(path_of(arguments, 'detector'), 'detect', detector, SIZES['detector'])
    write_report(
        arguments,
        training=dict(
            on=str(datetime.date.today()),
            pictures=n_pictures, iterations=training.iteration, samples=training.samples,
            seconds=round(training.seconds), optimizer='AdamW', made_with=versions(device),
            from_scratch=True,
            loss=dict(columns=['iteration', *PeopleLoss.names], rows=training.history[-40:]),
        ),
    )  # fmt: skip
    return True


def score_and_report(arguments, device):
    """Scores the saved networks on held-out scenes and writes report.json."""
    files = {name: path_of(arguments, name) for name in SIZES}
    figures = {}
    for kind, n in HELD_OUT.items():
        jobs = [(kind, i) for i in range(max(2, round(n * arguments.held_out)))]
        samples = list(in_processes(held_out_sample, jobs, arguments.processes, f'{kind}s'))
        figures[kind] = dict(people_by_visible_part=score.shares_by_part(samples))
        for size in SCORED_SIZES[kind]:
            for head in ('without NMS', 'with NMS at 0.7'):
                found = find(files['segmenter'], samples, size, device, head)
                figures[kind][f'segmenter at {size}, {head}'] = score.summarise(samples, found)
        if kind == 'gathering':
            found = find(files['detector'], samples, SIZES['detector'], device, 'with NMS at 0.7')
            title = f'detector at {SIZES["detector"]}, with NMS at 0.7'
            figures[kind][title] = score.summarise(samples, found)
        print(json.dumps({kind: figures[kind]}, indent=1), flush=True)
    best = {
        name: max(f[name]['value'] for t, f in figures['gathering'].items() if 'segmenter' in t)
        for name in TARGETS
    }
    write_report(
        arguments,
        targets=dict(
            of='gatherings, by any size and head', wanted=TARGETS, best=best,
            reached={name: best[name] >= wanted for name, wanted in TARGETS.items()},
        ),
        image_size=SIZES,
        bytes={name: os.path.getsize(path) for name, path in files.items()},
        scored_with=versions(device),
        figures=figures,
    )  # fmt: skip


def find(path, samples, size, device, head):
    """What the network in a file finds in each of the samples."""
    network, task, _ = networks.load(path)
    images = [s.image for s in samples]
    found = networks.find_people(network, task, images, size, device, head != 'without NMS')
    return [score.Found(*f) for f in found]


def write_report(arguments, **news):
    """Replaces parts of report.json; new training makes what was there before obsolete."""
    path = os.path.join(arguments.out, 'report.json')
    report = dict(
        made_by='scripts/train_studio_people.py',
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
        held_out=(
            f'Groups {HELD_OUT_START} and following; training uses lower numbers. gathering: 3 to '
            '5 people, 60 to 300 px tall, all within a frame of 640 x 360, with an occluder in '
            'half of the scenes. crowd: up to 6 people of any size in such a frame, most of them '
            'right in front of or behind somebody or cut by the border. crop: 640 x 640 around '
            'one of up to 4 people.'
        ),
    )
    if 'training' not in news and os.path.exists(path):
        with open(path, encoding='utf-8') as f:
            report['training'] = json.load(f).get('training')
    with replacing(path) as temporary, open(temporary, 'w', encoding='utf-8') as f:
        json.dump(report | news, f, indent=2)
        f.write('\n')


def path_of(arguments, name):
    return os.path.join(arguments.out, f'{name}.pt')


def choose_device(name):
    import torch

    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    return torch.device(name)


def versions(device):
    import torch
    import ultralytics

    return dict(
        python=sys.version.split()[0],
        torch=torch.__version__,
        ultralytics=ultralytics.__version__,
        device='CPU' if device.type == 'cpu' else torch.cuda.get_device_name(),
    )


if __name__ == '__main__':
    main()
