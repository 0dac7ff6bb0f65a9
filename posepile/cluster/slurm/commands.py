"""Slurm's own programs, called with checked results: nothing else talks to Slurm."""

import re
import subprocess
from typing import NamedTuple

from posepile.errors import PosePileError

_SECONDS_TO_ANSWER = 120

# How the programs tell that the controller is away or overloaded, which passes.
_SILENCE = re.compile(
    r'unable to contact|socket timed out|connection (refused|reset)|zero bytes|slurmctld is not|'
    r'resource temporarily|temporarily unable|i/o error|communication.*failure|in standby mode|'
    r'not responding',
    re.IGNORECASE,
)

#: Ways in which Slurm ends a task that is none of its fault; it can be continued.
CONTINUABLE = ('NODE_FAIL', 'PREEMPTED', 'TIMEOUT', 'BOOT_FAIL', 'REQUEUED')


class SlurmError(PosePileError):
    """A Slurm program refused what was asked of it."""


class SlurmSilence(SlurmError):
    """Slurm's controller does not answer at present."""


class QueuedTask(NamedTuple):
    """An element of an array job in the queue.

    ``job`` is the number of the array job, ``index`` that of the element, ``state`` such as
    ``PENDING`` or ``RUNNING``, ``reason`` why it waits, ``name`` the job's name.
    """

    job: str
    index: int
    state: str
    reason: str
    name: str


def submit(script) -> str:
    """Submit the text of a job script; returns the number of the job."""
    return _run(['sbatch', '--parsable'], input=script).strip().split(';')[0]


def queued(names) -> list[QueuedTask]:
    """What is in the queue, of any user, of the array jobs with these names."""
    names = list(names)
    if not names:
        return []
    words = ['squeue', '--array', '--noheader', '--states=all', f'--name={",".join(names)}']
    lines = _run([*words, '--format=%F|%K|%T|%r|%j']).splitlines()
    tasks = []
    for line in lines:
        job, index, state, reason, name = line.split('|', 4)
        if index.isdecimal() and state not in _ENDED:
            tasks.append(QueuedTask(job, int(index), state, reason, name))
    return tasks


# States of jobs that the controller still remembers.
_ENDED = (
    'BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED', 'NODE_FAIL', 'OUT_OF_MEMORY',
    'PREEMPTED', 'REVOKED', 'TIMEOUT',
)  # fmt: skip


def cancel(jobs):
    """Cancel jobs; those that have ended do not matter."""
    jobs = list(jobs)
    if jobs:
        _run(['scancel', '--quiet', *jobs])


def requeue(job):
    """Put a running job (``'12_3'``: one element of an array) back into the queue."""
    _run(['scontrol', 'requeue', job])


def max_array_size() -> int:
    """Indices of array jobs must be below this number."""
    found = re.search(r'^MaxArraySize\s*=\s*(\d+)', _run(['scontrol', 'show', 'config']), re.M)
    # 1001 is Slurm's own default.
    return int(found[1]) if found else 1001


def how_they_ended(elements) -> dict[tuple[str, int], str]:
    """How elements of array jobs ended, such as ``OUT_OF_MEMORY``.

    Asks the accounting where there is one, else the controller, which forgets after minutes.

    Args:
        elements: pairs (number of the array job, index).

    Returns:
        {(job, index): state}, without those of which nobody knows.
    """
    elements = set(elements)
    jobs = sorted({job for job, _ in elements}, key=int)
    if not jobs:
        return {}
    found = {}
    try:
        words = ['sacct', '--noheader', '--parsable2', '--allocations', '--array']
        for line in _run([*words, '--format=JobID,State', f'--jobs={",".join(jobs)}']).splitlines():
            element, _, state = line.partition('|')
            job, _, index = element.partition('_')
            if index.isdecimal() and state:
                found[job, int(index)] = state.split()[0].rstrip('+')  # "CANCELLED by 1000"
    except SlurmSilence:
        raise
    except SlurmError:  # no accounting, or no sacct
        found = {}
    for job in jobs:
        if any(other == job and (other, i) not in found for other, i in elements):
            found |= _ends_in_memory(job)
    return {element: found[element] for element in elements if element in found}


def _ends_in_memory(job):
    """What the controller remembers of an array job: {(job, index): state}."""
    try:
        text = _run(['scontrol', '--oneliner', 'show', 'job', job])
    except SlurmSilence:
        raise
    except SlurmError:  # it has forgotten
        return {}
    ends = {}
    for line in text.splitlines():
        indices = re.search(r'\bArrayTaskId=([\d,-]+)', line)
        state = re.search(r'\bJobState=(\w+)', line)
        if indices and state:
            ends |= {(job, i): state[1] for i in _expanded(indices[1])}
    return ends


def _expanded(ranges):
    """The numbers of ``'0-3,7'``."""
    for part in ranges.split(','):
        first, _, last = part.partition('-')
        yield from range(int(first), int(last or first) + 1)


def _run(words, input=None) -> str:
    """Standard output of a program.

    Raises:
        SlurmSilence: if the controller does not answer.
        SlurmError: if the program is not installed, or fails for another reason.
    """
    try:
        result = subprocess.run(
            words,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            errors='replace',
            timeout=_SECONDS_TO_ANSWER,
            check=False,
            start_new_session=True,  # a Ctrl-C is for us; an answer that is cut off says nothing
        )
    except FileNotFoundError as e:
        raise SlurmError(
            f'The command {words[0]} is not here. Run this on a login node of the Slurm cluster, '
            'or without Slurm: POSEPILE_EXECUTOR=local.'
        ) from e
    except subprocess.TimeoutExpired as e:
        raise SlurmSilence(f'{words[0]} gave no answer in {_SECONDS_TO_ANSWER} s') from e
    if result.returncode != 0:
        message = ' '.join(result.stderr.split()) or f'exit status {result.returncode}'
        kind = SlurmSilence if _SILENCE.search(message) else SlurmError
        raise kind(f'{words[0]}: {message}')
    return result.stdout
