"""The command line ``posepile``.

A command is a module of this package with ``HELP`` (a text, the first line of which says what it
does), ``add_arguments(parser)`` and ``run(args)``, which returns an exit status or None. It is
imported only when it is called.
"""

import argparse
import sys
from importlib import import_module

from posepile import __version__
from posepile.checked_table import nearest
from posepile.program import run_program

#: Name of each command and what it does. Its module has the same name, with _ for -.
COMMANDS = {
    'list': 'show all datasets and which of them are here',
    'info': 'show what is known about one dataset, and how to get it',
    'run': 'run the pipeline of a dataset: download, crop, mask, pack',
    'status': 'show how far the pipelines are, and what failed',
    'logs': 'show what the tasks of a step have written',
    'cancel': 'end the run of a pipeline, here or in Slurm',
    'show': 'draw examples of a packed dataset',
    'verify': 'check a packed dataset',
    'eval': 'compare predictions with the truth of a benchmark',
    'export': 'write a packed dataset in the format of another program',
    'import-pickle': 'convert a pickled dataset of earlier times to archives',
    'simulate': 'make a miniature of a raw release, to try a pipeline without the data',
}

_EPILOG = """\
where things are:
  DATA_ROOT is the directory that holds everything, one folder per dataset. Set it first:
      export DATA_ROOT=/path/with/much/space
  raw releases      $DATA_ROOT/<dataset>/
  packed products   $DATA_ROOT/packed/<name>/
  state and logs    $DATA_ROOT/.posepile/<name>/

examples:
  posepile list                        which datasets are there?
  posepile info aspset                 what is it, where does it come from, what does it cost?
  posepile run aspset                  do everything that is not done, on all cores
  posepile run aspset --until crops    stop after a step
  posepile status aspset               how far is it? what failed?
  posepile run aspset --executor slurm --detach     queue everything on a cluster and return

A run that was stopped or failed continues where it was when it is started again.
"""


def main(argv=None) -> int:
    """Run a command line (default: that of the process) and return its exit status."""
    # No list() in this module: once imported, posepile.cli.list bears that name here.
    return run_program(_dispatch, sys.argv[1:] if argv is None else [*argv])


def _dispatch(argv):
    parser = _top_parser()
    if not argv:
        parser.print_help()
        return 2
    # Everything after the name of a command is for its own parser.
    n_own = next((i for i, word in enumerate(argv) if not word.startswith('-')), len(argv))
    parser.parse_args(argv[:n_own])
    if n_own == len(argv):
        parser.error('which command?')
    name = argv[n_own]
    if name not in COMMANDS:
        hint = nearest(name, COMMANDS)
        parser.error(
            f'there is no command {name!r}'
            + (f'; did you mean {hint[0]}?' if hint else f' (there are {", ".join(COMMANDS)})')
        )
    module = import_module(f'posepile.cli.{name.replace("-", "_")}')
    command_parser = argparse.ArgumentParser(
        prog=f'posepile {name}',
        description=module.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(command_parser)
    return module.run(command_parser.parse_args(argv[n_own + 1 :])) or 0


def _top_parser():
    width = max(map(len, COMMANDS)) + 2
    commands = ''.join(f'  {name:{width}}{text}\n' for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog='posepile',
        usage='posepile [-h] [--version] COMMAND ...',
        description='Turns datasets of 3D human pose into one: person-centred crops with joints, '
        'camera, box and\nmask, packed for training.',
        epilog=f'commands (posepile COMMAND --help tells more):\n{commands}\n{_EPILOG}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'posepile {__version__}')
    return parser
