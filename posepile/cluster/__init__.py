"""Steps of a pipeline as arrays of tasks: started, resumed, watched.

A ``main.sh`` calls ``step`` of ``functions.sh``, which runs ``python -m posepile.cluster step``.
Every task is a process that sees its number and the count of all in ``SLURM_ARRAY_TASK_ID`` and
``SLURM_ARRAY_TASK_COUNT``. What is done is a fact on disk (see :mod:`posepile.cluster.state`).
"""

from posepile.cluster.state import step_report

__all__ = ['step_report']
