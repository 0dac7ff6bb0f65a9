"""A ``step`` line of a ``main.sh`` as a value."""

import argparse
from dataclasses import dataclass

from posepile.errors import OptionError


@dataclass(frozen=True)
class StepRequest:
    """What a ``step`` line asks for. ``tasks`` is the largest useful number of tasks.

    ``mem`` and ``time`` are texts in Slurm's notation; they do not matter locally.
    """

    dataset: str
    name: str
    command: list[str]
    tasks: int = 1
    gpu: bool = False
    cpus: int | None = None
    mem: str | None = None
    time: str | None = None
    max_parallel: int | None = None
    after: str | None = None


def parse_request(dataset, words) -> StepRequest:
    """Read ``NAME [options] -- COMMAND``."""
    if '--' not in words or words.index('--') == len(words) - 1:
        raise OptionError(f'A step is written "step NAME [options] -- COMMAND": {words}')
    i_separator = words.index('--')
    parser = argparse.ArgumentParser(prog='step', allow_abbrev=False)
    parser.add_argument('name')
    parser.add_argument('--tasks', type=_positive, default=1, metavar='N')
    parser.add_argument('--gpu', action='store_true')
    parser.add_argument('--cpus', type=_positive, metavar='C')
    parser.add_argument('--mem', metavar='M')
    parser.add_argument('--time', metavar='T')
    parser.add_argument('--max-parallel', type=_positive, metavar='P')
    parser.add_argument('--after', metavar='STEP')
    options = parser.parse_args(words[:i_separator])
    return StepRequest(dataset=dataset, command=words[i_separator + 1 :], **vars(options))


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number of at least 1')
    return int(text)
