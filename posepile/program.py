"""How the programs of this package start and end: with their share of the work, and a status."""

import contextlib
import errno
import os
import signal
import sys

from posepile.errors import OptionError, PosePileError

_REMEDIES = {
    errno.EACCES: 'Change its permissions or choose another place.',
    errno.EPERM: 'Change its permissions or choose another place.',
    errno.EROFS: 'Choose another place: this one can only be read.',
    errno.ENOSPC: 'Free some space and run the same command again.',
    errno.EDQUOT: 'Free some space and run the same command again.',
    errno.ENOENT: 'Check the path; its folder has to exist.',
    errno.ENOTDIR: 'Check the path: a part of it is a file.',
    errno.EISDIR: 'Check the path: a file was expected.',
}


def run_program(function, *args) -> int:
    """Call ``function(*args)`` and return the exit status of the program.

    That is what the function returned (None counts as 0) or, after an error that a person can act
    upon, 1. The error is told in one line; a defect of the program keeps its traceback.
    """
    try:
        status = function(*args) or 0
        if sys.stdout is not None:  # None where standard output was closed
            sys.stdout.flush()
        return status
    except PosePileError as e:
        return _fail(str(e))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader, such as head, has had enough
        _abandon_stdout()
        return 128 + signal.SIGPIPE
    except OSError as e:
        if e.errno is None:
            raise
        return _fail(_explain(e))


def array_task():
    """(index, count) of this task from the Slurm variables; (0, 1) where they are not set.

    Raises:
        OptionError: if they are no numbers, or the index is not below the count.
    """
    texts = [os.environ.get(f'SLURM_ARRAY_TASK_{key}') for key in ('ID', 'COUNT')]
    i, n = (default if text is None else text for text, default in zip(texts, '01', strict=True))
    if not (i.isdecimal() and n.isdecimal() and int(i) < int(n)):
        raise OptionError(
            f'SLURM_ARRAY_TASK_ID={i} of SLURM_ARRAY_TASK_COUNT={n} is no task. The index must be '
            'a number from 0 to count - 1.'
        )
    return int(i), int(n)


def _explain(e):
    where = e.filename if e.filename2 is None else e.filename2
    # Only standard streams are written to without a name.
    what = 'a standard stream' if where is None else os.fsdecode(where)
    return f'{what}: {e.strerror}. {_REMEDIES.get(e.errno, "")}'.rstrip()


def _fail(text):
    _abandon_stdout(only_if_broken=True)
    with contextlib.suppress(OSError):  # a terminal that was closed
        print(f'posepile: error: {text}', file=sys.stderr)
    return 1


def _abandon_stdout(only_if_broken=False):
    """Keep Python from complaining at exit once more about what it cannot write."""
    if sys.stdout is None:
        return
    if only_if_broken:
        try:
            sys.stdout.flush()
            return
        except OSError as e:
            if e.errno == errno.EBADF:
                return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
