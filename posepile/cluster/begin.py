"""What can be checked before the first step of a pipeline."""

import os
import os.path as osp

from posepile.cluster.force import check_step_names
from posepile.cluster.lock import open_lock
from posepile.cluster.plan import plan_of
from posepile.cluster.resources import positive_int_from_env
from posepile.cluster.step import make_executor
from posepile.errors import OptionError, UnknownDatasetError
from posepile.paths import check_data_root, state_dir
from posepile.registry import read_dataset


def begin(script, dataset, variant=None) -> str:
    """Check a run of ``script`` (a ``main.sh``) and return the name of its product.

    Raises:
        UnknownDatasetError: if the folder of the script has no such dataset or variant.
        OptionError: if an environment variable asks for something that is not there.
        DataRootError: if DATA_ROOT cannot be used.
    """
    check_data_root()
    infos = {info.name: info for info in read_dataset(osp.dirname(osp.abspath(script)))}
    product = variant or dataset
    for name in (dataset, product):
        if name not in infos:
            raise UnknownDatasetError(
                f'{script} does not make {name!r}; it makes {", ".join(infos)}.'
            )
    make_executor()
    positive_int_from_env('POSEPILE_JOBS')
    positive_int_from_env('POSEPILE_TASKS')
    try:
        os.close(open_lock(product))
    except OSError as e:
        raise OptionError(f'Cannot write in the state folder {state_dir(product)}: {e}') from e
    # Last, because the script is run for it, which may hold more than steps.
    check_step_names([step.name for step in plan_of(infos[product])])
    return product
