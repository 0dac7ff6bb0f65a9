"""The mask step of a pipeline: ``python -m posepile.segmentation NAME``.

Masks made elsewhere and put at ``$DATA_ROOT/<crops folder>/masks/*.pkl`` are attached when the
dataset is packed.
"""

import argparse
import os
import sys

from posepile.errors import OptionError
from posepile.paths import check_data_root
from posepile.pipeline.mask_files import find_mask_files
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import run_program
from posepile.storage.access import dataset_module


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog='python -m posepile.segmentation', description=__doc__)
    parser.add_argument('name', help='dataset whose crops are to be segmented')
    args = parser.parse_args(argv)
    return run_program(_run, os.environ.get('POSEPILE_DATASET') or args.name)


def _run(name):
    check_data_root()
    note = f'{name}: {_masks_to_come(dataset_module(name).make_recipe(name=name))}'
    print(note)
    leave_task_report(Report(notes=[note]))


def _masks_to_come(recipe):
    files = find_mask_files(recipe)
    if files:
        return f'{len(files)} mask files are in place already and will be attached'
    if os.environ.get('POSEPILE_SEGMENTER'):
        raise OptionError(
            'POSEPILE_SEGMENTER is set, but this version cannot run a segmentation network. '
            'Unset it to pack without masks, or put mask files made elsewhere in place.'
        )
    return 'no segmentation weights are configured, so it is packed without masks'


if __name__ == '__main__':
    sys.exit(main())
