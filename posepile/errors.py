"""What can go wrong, in words for the person who has to put it right.

Everything that a user's data, disk, options or network can cause is a :class:`PosePileError`:
the command line prints its text on one line and exits with status 1. Any other exception is a
defect of the program and keeps its traceback.
"""

import os


class PosePileError(Exception):
    """Base of all errors that a user can act upon. The text says what to do next."""

    # KeyError subclasses would otherwise show the repr of the message.
    def __str__(self):
        return ' '.join(str(a) for a in self.args)


class DataRootError(PosePileError, KeyError):
    """``DATA_ROOT`` is unset, is no directory, or cannot be written to."""


class UnknownDatasetError(PosePileError, ValueError):
    """No dataset folder or variant has this name."""


class BadFileError(PosePileError):
    """A file is missing, damaged, or not what its place says it is.

    Args:
        path: the file concerned.
        problem: what is wrong with it, including what was expected.
        remedy: what to do about it.
    """

    def __init__(self, path, problem, remedy=''):
        self.path = os.fspath(path)
        self.problem = problem
        self.remedy = remedy
        text = f'{self.path}: {problem.rstrip(".")}.'
        super().__init__(f'{text} {remedy}' if remedy else text)

    def __reduce__(self):  # to cross process borders
        return type(self), (self.path, self.problem, self.remedy)


class RawDataError(BadFileError):
    """A file of a raw release is missing or unreadable, or its content contradicts its format."""


class ArchiveError(BadFileError):
    """A packed archive is missing, incomplete, or its records break the layout."""


class OptionError(PosePileError, ValueError):
    """An option or an environment variable has a value that cannot be used."""
