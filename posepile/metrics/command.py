"""What the command lines of all evaluations have in common.

An ``eval.py`` has a function ``main(args=None)`` that returns an exit status, made like this::

    def evaluate(raw_folder, predictions, *, split='test', n_seeds=1) -> Report:
        ...

    def main(args=None):
        parser = evaluation_parser('mydata', __doc__)
        parser.add_argument('--split', ...)
        return run_evaluation(evaluate, parser, 'mydata_raw', args)
"""

import argparse
import os.path as osp

from posepile.arguments import picture_path, whole_number
from posepile.metrics.predictions import paths_of_seeds
from posepile.metrics.report import Report, over_seeds
from posepile.paths import check_data_root
from posepile.program import run_program

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


def add_ignored_option(parser, name, why):
    """Accept a switch of an older program that has no effect, and say why."""
    parser.add_argument(name, action=_Ignored, help=f'without effect: {why}')


class _Ignored(argparse.Action):
    def __init__(self, option_strings, dest, help):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, *args):
        pass


def run_evaluation(evaluate, parser, raw, args=None) -> int:
    """Evaluate predictions as the command line says, and print the report.

    Args:
        evaluate: function of the raw folder, the path of the predictions and, by name, of
            ``n_seeds`` and of every option that was added to the parser. Returns a
            :class:`~posepile.metrics.report.Report`.
        parser: of :func:`evaluation_parser`; it gets one more option, ``--data-dir``.
        raw: folder of the raw release below DATA_ROOT.
        args: the command line; default: the program's.

    Returns:
        The exit status.
    """
    parser.add_argument('--data-dir', help=f'raw dataset (default: $DATA_ROOT/{raw})')
    options = vars(parser.parse_args(args))

    def run(predictions, data_dir, seeds, plot, form, **others):
        folder = data_dir or osp.join(check_data_root(to_write=False), raw)
        report = evaluate(folder, predictions, n_seeds=seeds, **others)
        write_report(report, argparse.Namespace(plot=plot, form=form))

    return run_program(lambda: run(**options))


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
