"""Doing steps again."""

import os

from posepile.checked_table import nearest
from posepile.cluster.state import StepState, steps_of
from posepile.errors import OptionError


def forget_forced_steps(dataset, names=()):
    """Forget the steps named in ``POSEPILE_FORCE`` and the later ones, which built upon them.

    It is done once, at the beginning of a run, and written down, so that a run that is resumed
    need not (and must not) be forced again. The caller holds the lock of the dataset, and none of
    its Slurm jobs is left.

    Args:
        names: the steps of the pipeline in order, where known.
    """
    for forced in os.environ.get('POSEPILE_FORCE', '').split():
        if forced in names:
            later = names[names.index(forced) :]
        else:  # a step without a main.sh
            later = [forced]
        unlisted = [s.name for s in steps_of(dataset) if names and s.name not in names]
        # Steps that the pipeline had once may have built upon it: rather one too many.
        for name in [*later, *unlisted]:
            StepState(dataset, name).reset()


def check_step_names(names):
    """Refuse a misspelt step in ``POSEPILE_UNTIL`` or ``POSEPILE_FORCE`` before any work.

    Raises:
        OptionError: names the steps that there are.
    """
    for variable in ('POSEPILE_UNTIL', 'POSEPILE_FORCE'):
        for name in os.environ.get(variable, '').split():
            if name not in names:
                hint = nearest(name, names)
                raise OptionError(
                    f'There is no step {name!r}.'
                    + (f' Did you mean {hint[0]}?' if hint else '')
                    + f' The steps are {", ".join(names)}.'
                )
