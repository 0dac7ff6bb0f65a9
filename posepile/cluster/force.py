"""Doing steps again."""

import os
import re

from posepile.checked_table import nearest
from posepile.cluster.state import StepState, steps_of
from posepile.errors import OptionError

_STEP_LINE = re.compile(r'^\s*step\s+(\S+)', re.MULTILINE)


def forget_forced_steps(dataset, script=None):
    """Forget the steps named in ``POSEPILE_FORCE`` and the later ones, which built upon them.

    It is done once, at the beginning of a run, and written down, so that a run that is resumed
    need not (and must not) be forced again. The caller holds the lock of the dataset.
    """
    order = steps_in(script) or [] if script else []
    for name in os.environ.get('POSEPILE_FORCE', '').split():
        forced = StepState(dataset, name)
        position = forced.read().get('position')
        if position is None:
            position = order.index(name) + 1 if name in order else 0
        forced.reset(position)
        # Positions may be of before a change of main.sh: rather one step too many.
        for other in steps_of(dataset):
            if other.read().get('position', 0) >= position and other.name != name:
                other.reset(other.read().get('position', 0))


def check_step_names(script):
    """Refuse a misspelt step in ``POSEPILE_UNTIL`` or ``POSEPILE_FORCE`` before any work.

    Raises:
        OptionError: names the steps that there are.
    """
    steps = steps_in(script)
    if steps is None:
        return
    for variable in ('POSEPILE_UNTIL', 'POSEPILE_FORCE'):
        for name in os.environ.get(variable, '').split():
            if name not in steps:
                hint = nearest(name, steps)
                raise OptionError(
                    f'There is no step {name!r}.'
                    + (f' Did you mean {hint[0]}?' if hint else '')
                    + f' The steps are {", ".join(steps)}.'
                )


def steps_in(script) -> list[str] | None:
    """The names of the steps in a ``main.sh`` in order; None if only bash can tell them."""
    with open(script, encoding='utf-8') as f:
        steps = _STEP_LINE.findall(f.read())
    return None if any('$' in step for step in steps) else steps
