"""The commands of the ``main.py`` of a folder that makes a collection of images: ``download``, and
those of its own."""

import argparse
import os
import os.path as osp
import sys

from posepile import paths
from posepile.errors import UnknownDatasetError
from posepile.pipeline.report import leave_task_report
from posepile.program import run_program
from posepile.registry import read_dataset


def main(main_file, stages, argv=None):
    """Run a stage from the command line; ends the process if it fails.

    Args:
        main_file: ``__file__`` of the folder's ``main.py``.
        stages: functions by name. Each gets the :class:`~posepile.registry.DatasetInfo` of the
            product and returns a report: a dict of numbers, and of lists of lines on what was left
            out.
    """
    folder = osp.dirname(osp.abspath(main_file))
    name = osp.basename(folder)
    parser = argparse.ArgumentParser(prog=f'python -m posepile.ds.{name}.main')
    parser.add_argument('stage', choices=list(stages))
    parser.add_argument('--name', help='product to make, where the folder has several')
    args = parser.parse_args(argv)
    status = run_program(_run, folder, stages[args.stage], args.name)
    if status:
        sys.exit(status)


def _run(folder, stage, name):
    paths.check_data_root()
    infos = {info.name: info for info in read_dataset(folder)}
    name = name or os.environ.get('POSEPILE_DATASET') or next(iter(infos))
    if name not in infos:
        raise UnknownDatasetError(f'{folder} does not make {name!r}; it makes {", ".join(infos)}.')
    report = stage(infos[name])
    for key, value in report.items():
        for line in value if isinstance(value, list) else []:
            print(f'{key}: {line}')
    print(', '.join(f'{k} {len(v) if isinstance(v, list) else v}' for k, v in report.items()))
    leave_task_report(report)
