"""``posepile verify``: is a packed dataset whole and sound?"""

import dataclasses
import os
import os.path as osp

from posepile import paths
from posepile.arguments import whole_number
from posepile.cli.products import find_images, find_product
from posepile.cli.table import print_fields, print_json
from posepile.errors import OptionError, UnknownDatasetError
from posepile.registry import find_dataset
from posepile.simulate.origin import is_simulated

HELP = """\
Check a packed dataset: archives, metadata, images, counts; with --deep all contents.

What cannot be right is a problem; what is only unusual, a warning. The exit status is 1 if there
is a problem."""


def add_arguments(parser):
    parser.add_argument(
        'name', metavar='NAME|PATH', help='packed dataset, or path of an annotation archive'
    )
    parser.add_argument(
        '--deep',
        action='store_true',
        help='also compare checksums, decode all images and records, check what they say',
    )
    parser.add_argument(
        '--jobs',
        type=whole_number(1, 1024),
        metavar='N',
        help='processes for --deep (default: one per core)',
    )
    parser.add_argument(
        '--quarantine',
        metavar='DIR',
        help='after a deep check, write a copy without what has problems into the new folder DIR, '
        'with a list of what was left out and why',
    )
    parser.add_argument(
        '--truth',
        action='store_true',
        help='also compare all examples with the truth, where the raw release is simulated',
    )
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    if args.truth and args.name.endswith('.barecat'):
        raise OptionError('--truth compares a dataset below DATA_ROOT: give its name, not a path')
    if args.quarantine is not None and os.path.exists(args.quarantine):
        if not osp.isdir(args.quarantine) or os.listdir(args.quarantine):
            raise OptionError(f'--quarantine {args.quarantine}: it exists; name a new folder')
    collection = find_images(args.name)
    if collection and args.quarantine is not None:
        raise OptionError(f'--quarantine is for poses: pack {args.name} again instead.')
    report = _verified(args, collection)
    _check_expected_count(args.name, report)
    result, ok = report.as_dict(), report.ok
    fidelity = None
    if args.truth:
        fidelity = _compared_with_truth(args.name, collection)
        result['truth'] = fidelity.as_dict()
        ok = ok and not fidelity.problems()
        result['ok'] = ok
    copy = None
    if args.quarantine is not None:
        from posepile.storage.quarantine import quarantine

        copy = quarantine(report, args.quarantine)
        result['quarantine'] = dataclasses.asdict(copy)
    if args.json:
        print_json(result)
    else:
        _print_report(report)
        if fidelity is not None:
            _print_fidelity(fidelity)
        if copy is not None:
            _print_copy(copy)
        print('OK' if ok else 'NOT OK')
    return 0 if ok else 1


def _verified(args, collection):
    if collection:
        from posepile.storage.verify_images import verify_images

        return verify_images(collection, args.deep)
    annotations_path, images_path = find_product(args.name)
    from posepile.storage.in_processes import available_cores
    from posepile.storage.verify import verify

    deep = args.deep or args.quarantine is not None
    return verify(annotations_path, images_path, deep, args.jobs or available_cores())


def _compared_with_truth(name, collection):
    if collection:
        from posepile.simulate.true_images import check_images

        return check_images(name)
    from posepile.simulate.fidelity import check_product

    return check_product(name)


def _check_expected_count(name, report):
    """Compare with the count in the dataset's description, unless the data is simulated."""
    try:
        info = find_dataset(name)
    except UnknownDatasetError:
        return
    expected = info.expected.get('examples')
    found = sum(report.examples.values())
    is_real = not is_simulated(osp.join(paths.data_root(), info.raw))
    if expected is not None and is_real and found != expected:
        report.add('counts', '', f'{found} examples, but the complete dataset gives {expected}')


def _print_report(report):
    counts = ', '.join(f'{n} {split}' for split, n in report.examples.items())
    print_fields(
        [
            ('annotations', report.annotations_path or None),
            ('images', report.images_path or 'files below DATA_ROOT'),
            ('examples', counts or None),
            ('image files', report.images or None),
            ('size', f'{report.bytes / 1e6:.1f} MB'),
            *_statistics_lines(report),
            ('checked', 'all contents' if report.deep else 'structure (--deep: all contents)'),
        ]
    )
    for word, found in (('warnings', report.warnings), ('problems', report.problems)):
        for problem in found.values():
            print(f'\n{problem.check}: {problem.count} {word}')
            for instance in problem.instances:
                print(f'    {instance}')
            if problem.count > len(problem.instances):
                print(f'    ... and {problem.count - len(problem.instances)} more')


def _statistics_lines(report):
    """(name, text) for each split that was looked at."""
    for split, found in report.statistics.items():
        box = found['box_height']
        yield (
            split,
            (
                f'{found["share_of_missing_joints"]:.1%} of the joints are missing, '
                f'{found["share_with_mask"]:.1%} have masks, boxes are {box["p1"]:.0f} to '
                f'{box["p99"]:.0f} px high'
            ),
        )


def _print_copy(copy):
    print(f'\nrepaired copy in {copy.folder}:')
    for archive, n in copy.kept.items():
        print(f'    {archive}: {n} kept, {copy.left_out[archive]} left out')


def _print_fidelity(fidelity):
    print('\ncompared with the truth:')
    for line in fidelity.lines():
        print(f'    {line}')
    for line in fidelity.problems():
        print(f'    PROBLEM: {line}')
