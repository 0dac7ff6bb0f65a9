"""What this machine offers to the tasks of a step: cores, GPUs, threads."""

import os
import shutil
import subprocess

from posepile.errors import OptionError

#: Variables by which the libraries that tasks use are told their number of threads.
THREAD_VARIABLES = (
    'OMP_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'MKL_NUM_THREADS',
    'NUMEXPR_NUM_THREADS',
    'NUMBA_NUM_THREADS',
    'VECLIB_MAXIMUM_THREADS',
    'OPENCV_FOR_THREADS_NUM',
)


def n_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def n_jobs() -> int:
    """How many tasks may run at a time: ``POSEPILE_JOBS``, by default one per core."""
    return positive_int_from_env('POSEPILE_JOBS') or n_cores()


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` would name them."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    if visible is not None:
        devices = []
        for device in visible.split(','):
            device = device.strip()
            # As CUDA reads it: the first name that is none hides itself and all that follow.
            if not device or device.startswith('-') or device == 'NoDevFiles':
                break
            devices.append(device)
        return devices
    if not shutil.which('nvidia-smi'):
        return []
    listing = subprocess.run(
        ['nvidia-smi', '-L'], capture_output=True, text=True, check=False, timeout=60
    )
    if listing.returncode != 0:
        return []
    gpus = [line for line in listing.stdout.splitlines() if line.startswith('GPU ')]
    return [str(i) for i in range(len(gpus))]


def positive_int_from_env(name) -> int | None:
    """The value of an environment variable as a number of at least 1; None if unset or empty."""
    value = os.environ.get(name)
    if not value:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise OptionError(f'{name}={value} is no whole number of at least 1.')
    return int(value)
