"""Which steps a ``main.sh`` has, without running any.

The script itself is asked: with ``POSEPILE_PLAN_FD`` set, its ``step`` lines write their words to
that file descriptor and do nothing else (``functions.sh``).
"""

import os
import os.path as osp
import subprocess
import tempfile

from posepile.cluster.request import StepRequest, parse_request
from posepile.errors import BadFileError
from posepile.registry import DatasetInfo

_SECONDS_TO_ANSWER = 60


def script_of(info: DatasetInfo) -> str:
    """Path of the pipeline of a product.

    Raises:
        BadFileError: if its dataset has none.
    """
    script = osp.join(info.folder, 'main.sh')
    if not osp.exists(script):
        raise BadFileError(script, 'does not exist', 'This dataset has no pipeline.')
    return script


def plan_of(info: DatasetInfo) -> list[StepRequest]:
    """The steps of the product that ``info`` describes, in order."""
    return read_plan(script_of(info), info.name, info.variant)


def read_plan(script, product, variant=None) -> list[StepRequest]:
    """The steps of ``script`` (a ``main.sh``) for a product, in order.

    Raises:
        BadFileError: if the script fails.
        OptionError: if a step line is wrong.
    """
    command = ['bash', script, *([variant] if variant else [])]
    with tempfile.TemporaryFile() as f:
        result = subprocess.run(
            command,
            env={**os.environ, 'POSEPILE_PLAN_FD': str(f.fileno())},
            pass_fds=[f.fileno()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS_TO_ANSWER,
        )
        if result.returncode != 0:
            message = result.stderr.decode('utf-8', 'replace').strip()
            raise BadFileError(script, f'fails before its first step: {message}', 'Correct it.')
        f.seek(0)
        words = f.read().decode('utf-8', 'surrogateescape').split('\0')
    requests = []
    i = 0
    while i < len(words) - 1:  # the last word is what follows the last \0: nothing
        n = int(words[i])
        requests.append(parse_request(product, words[i + 1 : i + 1 + n]))
        i += 1 + n
    return requests
