"""``posepile verify``: is a packed dataset whole and sound?"""

import os.path as osp

from posepile import paths
from posepile.cli.products import find_product
from posepile.cli.table import print_fields, print_json
from posepile.errors import OptionError, UnknownDatasetError
from posepile.registry import find_dataset
from posepile.simulate.origin import is_simulated

HELP = """\
Check a packed dataset: archives, metadata, images, counts; with --deep all contents.

The exit status is 1 if anything is wrong."""


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
        '--truth',
        action='store_true',
        help='also compare all examples with the truth, where the raw release is simulated',
    )
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    if args.truth and args.name.endswith('.barecat'):
        raise OptionError('--truth compares a dataset below DATA_ROOT: give its name, not a path')
    annotations_path, images_path = find_product(args.name)
    from posepile.storage.verify import verify

    report = verify(annotations_path, images_path, deep=args.deep)
    _check_expected_count(args.name, report)
    result, ok = report.as_dict(), report.ok
    fidelity = None
    if args.truth:
        from posepile.simulate.fidelity import check_product

        fidelity = check_product(args.name)
        result['truth'] = fidelity.as_dict()
        ok = ok and not fidelity.problems()
        result['ok'] = ok
    if args.json:
        print_json(result)
    else:
        _print_report(report)
        if fidelity is not None:
            _print_fidelity(fidelity)
        print('OK' if ok else 'NOT OK')
    return 0 if ok else 1


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
            ('annotations', report.annotations_path),
            ('images', report.images_path or 'files below DATA_ROOT'),
            ('examples', counts or None),
            ('image files', report.images or None),
            ('size', f'{report.bytes / 1e6:.1f} MB'),
            ('checked', 'all contents' if report.deep else 'structure (--deep: all contents)'),
        ]
    )
    for problem in report.problems.values():
        print(f'\n{problem.check}: {problem.count} problems')
        for instance in problem.instances:
            print(f'    {instance}')
        if problem.count > len(problem.instances):
            print(f'    ... and {problem.count - len(problem.instances)} more')


def _print_fidelity(fidelity):
    print('\ncompared with the truth:')
    for line in fidelity.lines():
        print(f'    {line}')
    for line in fidelity.problems():
        print(f'    PROBLEM: {line}')
