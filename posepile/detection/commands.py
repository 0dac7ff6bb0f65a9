"""Command line options and reports that detection and segmentation share."""

import argparse
import os.path as osp

from posepile.arguments import whole_number
from posepile.errors import OptionError
from posepile.program import array_task

_MOST_LISTED = 20


def fraction(text) -> float:
    """Type of an argument from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 0 to 1')
    return value


def add_input_options(parser):
    """What to look at, and where the results go."""
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT', help='folder, image, video or Barecat archive'
    )
    parser.add_argument('--out', required=True, metavar='DIR', help='folder for the results')
    parser.add_argument(
        '--pattern',
        metavar='GLOBS',
        help="comma-separated, such as '**/*.jpg,**/*.png' (all images, videos)",
    )
    parser.add_argument(
        '--paths-file', metavar='FILE', help='the paths below INPUT to look at, one per line'
    )
    parser.add_argument('--ignore-file', metavar='FILE', help='paths to leave out, one per line')
    parser.add_argument(
        '--every',
        type=whole_number(1),
        default=1,
        metavar='N',
        help='look at every N-th frame of videos (1)',
    )
    parser.add_argument(
        '--unless',
        metavar='PATH',
        action='append',
        default=[],
        help='do nothing if PATH exists, such as results of another tool',
    )


def add_network_options(parser, task):
    """Which network, and how it is run."""
    variable = 'POSEPILE_DETECTOR' if task == 'detect' else 'POSEPILE_SEGMENTER'
    parser.add_argument(
        '--weights',
        metavar='FILE',
        help='a YOLO .pt file or the name of one of Ultralytics '
        f'(environment: {variable}; default: the strongest)',
    )
    parser.add_argument(
        '--confidence',
        type=fraction,
        default=0.2,
        metavar='X',
        help='least confidence of a person (0.2)',
    )
    parser.add_argument(
        '--image-size',
        type=whole_number(32, 8192),
        metavar='PX',
        help='scale the longer side to this (what the network was trained for)',
    )
    parser.add_argument(
        '--batch-size',
        type=whole_number(1, 4096),
        metavar='N',
        help='images at a time (32 on a GPU, 4 on the CPU)',
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', 'cuda:1', ...")
    parser.add_argument(
        '--half',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='compute with 16 bits (on GPUs)',
    )


def find_people(args):
    """``python -m posepile.detection find``."""
    if is_there(args.unless):
        return
    i_task, n_tasks = array_task()
    sources = sources_of(args)
    from posepile.detection.stage import DetectionOptions, detect_people

    options = DetectionOptions(args.confidence, args.iou, args.image_size, args.flip)
    network = network_for(args, 'detect', args.inputs)
    with progress('people', sources, i_task, n_tasks) as bar:
        n_images, skipped = detect_people(
            sources,
            args.out,
            network,
            options,
            i_task=i_task,
            n_tasks=n_tasks,
            batch_size=args.batch_size,
            on_progress=bar.update,
        )
    report(n_images, skipped, args.out)


def is_there(paths) -> bool:
    """Whether one of the paths exists, which is then told."""
    for path in paths:
        if osp.exists(path):
            print(f'{path} is there already: nothing to do')
            return True
    return False


def sources_of(args):
    """What the arguments say to look at."""
    from posepile.cluster.resources import n_cores
    from posepile.detection.sources import list_sources

    return list_sources(
        args.inputs, args.pattern, args.paths_file, args.ignore_file, args.every, n_cores()
    )


def network_for(args, task, inputs=(), simulated=None):
    """The network that the arguments name, or that suits the inputs."""
    from posepile.detection.network import PeopleNetwork
    from posepile.detection.weights import choose_weights, is_below_simulated

    if simulated is None:
        simulated = bool(inputs) and all(map(is_below_simulated, inputs))
    weights = choose_weights(task, args.weights, simulated)
    if weights.note:
        print(f'note: {weights.note}', flush=True)
    network = PeopleNetwork(weights.path, args.device, args.half)
    if task == 'segment' and network.task != 'segment':
        raise OptionError(f'{weights.path} is a detector: masks need a segmenter (*-seg.pt).')
    return network


def progress(what, sources, i_task, n_tasks):
    """A progress bar for a task's share of the sources; without an end where there are videos."""
    import tqdm

    from posepile.detection.sources import Video

    n = len(sources)
    share = sources[n * i_task // n_tasks : n * (i_task + 1) // n_tasks]
    total = None if any(isinstance(source, Video) for source in share) else len(share)
    return tqdm.tqdm(total=total, desc=f'Finding {what}', unit=' images', disable=None)


def report(n_images, skipped, out):
    """What a run ends with."""
    for key, reason in list(skipped.items())[:_MOST_LISTED]:
        print(f'left out: {key}: {reason}')
    if len(skipped) > _MOST_LISTED:
        print(f'... and {len(skipped) - _MOST_LISTED} more: see Results.skipped()')
    print(f'{n_images} images looked at, {len(skipped)} could not be read; results are in {out}')


def import_results(args, kind, read):
    """Write what other tools have left as one result file in ``args.out``.

    Args:
        kind: of results, noted in the file.
        read: (path) -> mapping of key to value.
    """
    from posepile.storage.results import ResultWriter, part_files, part_path

    if part_files(args.out):
        raise OptionError(f'{args.out} holds results already. Choose another folder.')
    writer = ResultWriter(part_path(args.out), dict(kind=kind, imported=True), resume=False)
    n_found = 0
    try:
        for path in args.pickles:
            for key, value in read(path).items():
                writer.add({key: value})
                n_found += 1
    except BaseException:
        writer.close()
        raise
    writer.finish()
    print(f'{kind} of {n_found} images taken over into {args.out}')
