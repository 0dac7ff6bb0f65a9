"""Convert the official body models that are there to plain arrays, and list what is missing."""

import argparse
import os.path as osp
import sys

from posepile.bodymodels.families import FAMILIES
from posepile.bodymodels.files import body_models_folder, load, official_path
from posepile.bodymodels.regressors import JOINT_NAMES, load_regressor
from posepile.errors import RawDataError
from posepile.program import run_program


def main(argv=None) -> int:
    """Command line; returns the exit status: 1 if a file is damaged or there is none at all."""
    parser = argparse.ArgumentParser(prog='python -m posepile.bodymodels', description=__doc__)
    parser.add_argument(
        '--folder', metavar='DIR', help='folder of body models (default: $DATA_ROOT/body_models)'
    )
    return run_program(_convert, parser.parse_args(argv))


def _convert(args):
    folder = args.folder or body_models_folder()
    n_models, failures = 0, []
    for name, family in FAMILIES.items():
        for gender in family.files:
            if official_path(name, gender, folder) is None:
                print(f'missing   {name} {gender}: {osp.join(folder, family.files[gender][0])}')
                continue
            try:
                model = load(name, gender, folder)
            except RawDataError as e:
                failures.append(e)
                continue
            n_models += 1
            kid = ', kid template' if model.has_kid_template else ''
            expressions = f', {model.n_expressions} expressions' if model.n_expressions else ''
            print(f'ready     {name} {gender}: {model.n_betas} betas{expressions}{kid}')
    for name in JOINT_NAMES:
        try:
            regressor = load_regressor(name, folder)
        except RawDataError as e:
            if osp.exists(e.path):
                failures.append(e)
            else:
                print(f'missing   joint regressor {name}: {e.path}')
        else:
            print(f'ready     joint regressor {name}: {len(regressor.joint_names)} joints')
    for failure in failures:
        print(f'unusable  {failure}')
    if not n_models and not failures:
        print('There is no body model. Where to get which file: docs/body-models.md')
    return 0 if n_models and not failures else 1


if __name__ == '__main__':
    sys.exit(main())
