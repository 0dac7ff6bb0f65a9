"""``posepile eval``: compare predictions with the truth of a benchmark."""

import argparse
from importlib import import_module

from posepile.errors import OptionError
from posepile.registry import find_dataset, list_datasets

HELP = """\
Compare predictions with the truth of a benchmark and print its table of results.

Benchmarks differ in their options: posepile eval NAME --help shows those of one. All have
--json, --markdown and --latex for the form of the table, --plot PNG for the curves of correct
joints, and --seeds N for the mean over several training runs."""


def add_arguments(parser):
    parser.usage = 'posepile eval NAME --predictions PATH [OPTION ...]'
    parser.add_argument('name', metavar='NAME', help='dataset with a benchmark')
    parser.add_argument(
        'options', nargs=argparse.REMAINDER, metavar='OPTION', help='of the benchmark'
    )


def run(args):
    info = find_dataset(args.name)
    if not info.evaluation:
        known = dict.fromkeys(i.dataset for i in list_datasets() if i.evaluation)
        raise OptionError(f'{info.name} has no benchmark. There are: {", ".join(known)}.')
    module = import_module(f'{info.module}.eval')
    return module.main([option for option in args.options if option != '--'])
