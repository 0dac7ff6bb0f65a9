"""What the command lines of all evaluations have in common.

An ``eval.py`` has a function ``main(args=None)`` that returns an exit status, made like this::

    def main(args=None):
        parser = evaluation_parser('mydata', __doc__)
        parser.add_argument('--split', ...)
        return run_program(_run, parser.parse_args(args))

    def _run(options):
        write_report(evaluate_seeds(options, lambda path: evaluate(path, options.split)), options)
"""

import argparse

from posepile.arguments import picture_path, whole_number
from posepile.metrics.predictions import paths_of_seeds
from posepile.metrics.report import Report, over_seeds

FORMS = ('json', 'markdown', 'latex')


def evaluation_parser(name, description) -> argparse.ArgumentParser:
    """A parser of the options that every evaluation has.

    These are ``--predictions``, ``--seeds``, ``--plot``, and ``--json``, ``--markdown`` or
    ``--latex`` in place of the text table.

    Args:
        name: the dataset's, as ``posepile eval`` knows it.
        description: the text above the list of options; line breaks stay.
    """
    parser = argparse.ArgumentParser(
        prog=f'posepile eval {name}',
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        *('--predictions', '--pred-path'),
        dest='predictions',
        metavar='PATH',
        required=True,
        help='what to evaluate',
    )
    parser.add_argument(
        '--seeds',
        type=whole_number(1, 10_000),
        default=1,
        metavar='N',
        help='mean and deviation over N training runs; seed1 in the path becomes seed2, ...',
    )
    parser.add_argument(
        '--plot', type=picture_path, metavar='PNG', help='draw the PCK curves to this picture'
    )
    form = parser.add_mutually_exclusive_group()
    for name in FORMS:
        form.add_argument(
            f'--{name}', dest='form', action='store_const', const=name, help=f'print {name}'
        )
    return parser


def evaluate_seeds(options, evaluate) -> Report:
    """The report of the predictions, or the mean over those of several seeds.

    Args:
        options: what an :func:`evaluation_parser` read.
        evaluate: gets the path of predictions, returns their :class:`Report`.
    """
    reports = [evaluate(path) for path in paths_of_seeds(options.predictions, options.seeds)]
    return over_seeds(reports) if len(reports) > 1 else reports[0]


def write_report(report, options):
    """Print a report, and plot it, as the options say."""
    if options.plot:
        report.plot(options.plot)
    print(getattr(report, f'to_{options.form or "text"}')())
