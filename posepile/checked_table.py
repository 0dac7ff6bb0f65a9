"""Reading the tables of a TOML file with every key checked, and named when it is wrong."""

import os.path as osp
import re

from posepile.errors import BadFileError
from posepile.util import SPLIT_NAMES

#: What a name that appears in paths and on command lines looks like.
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]*')

_REQUIRED = object()


def nearest(name, known) -> list[str]:
    """Up to three of the names in ``known`` that ``name`` may be a misspelling of."""
    import difflib

    by_lower_case = {k.lower(): k for k in known}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=3, cutoff=0.6)
    return [by_lower_case[m] for m in matches]


class CheckedTable:
    """A table of which every key is read once and checked.

    Every method returns the value of a key, or ``default`` if the key is absent and a default is
    given, and raises :class:`posepile.errors.BadFileError`, which names file and key, otherwise.

    Args:
        path: the file, for errors.
        content: the table as a dict.
        prefix: what comes before its keys, for errors: ``'variants.x.'``.
    """

    def __init__(self, path, content, prefix=''):
        self.path = path
        self.content = content
        self.prefix = prefix
        self.known = set()

    def error(self, key, problem):
        return BadFileError(self.path, f'key {self.prefix}{key}: {problem}')

    def take(self, key, kind, what, default=_REQUIRED, valid=lambda value: True):
        self.known.add(key)
        if key not in self.content:
            if default is _REQUIRED:
                raise self.error(key, f'is missing; it must be {what}')
            return default
        value = self.content[key]
        # bool is a subclass of int, but true is no count.
        is_kind = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not is_kind or not valid(value):
            raise self.error(key, f'is {value!r}; it must be {what}')
        return value

    def string(self, key, default=_REQUIRED):
        return self.take(key, str, 'a text', default)

    def boolean(self, key, default=_REQUIRED):
        return self.take(key, bool, 'true or false', default)

    def integer(self, key, default=_REQUIRED):
        return self.take(key, int, 'a whole number of at least 0', default, lambda v: v >= 0)

    def choice(self, key, choices, default=_REQUIRED):
        what = 'one of ' + ', '.join(f'"{c}"' for c in choices)
        return self.take(key, str, what, default, lambda v: v in choices)

    def matching(self, key, pattern, what):
        return self.take(key, str, what, None, lambda v: re.fullmatch(pattern, v))

    def relative_path(self, key, default=_REQUIRED):
        return self.take(key, str, 'a relative path without ".."', default, _is_relative)

    def name(self, key):
        return self.check_name(key, self.string(key))

    def check_name(self, key, name):
        if not NAME.fullmatch(name):
            raise self.error(key, 'a name consists of letters, digits, _ and -')
        return name

    def splits(self, key, default=_REQUIRED):
        what = 'a list of "train", "val", "test" without repetition'
        splits = self.take(
            key, (list, tuple), what, default,
            lambda v: v and all(s in SPLIT_NAMES for s in v) and len(set(v)) == len(v),
        )  # fmt: skip
        return tuple(splits)

    def strings(self, key, default):
        def are_texts(values):
            return all(isinstance(v, str) for v in values)

        return tuple(self.take(key, (list, tuple), 'a list of texts', default, are_texts))

    def counts(self, key):
        counts = self.table(key)
        return {k: counts.integer(k) for k in counts.content}

    def table(self, key):
        content = self.take(key, dict, 'a table', {})
        return CheckedTable(self.path, content, f'{self.prefix}{key}.')

    def tables(self, key):
        what = 'a list of tables'
        contents = self.take(key, list, what, [], lambda v: all(isinstance(t, dict) for t in v))
        return [
            CheckedTable(self.path, c, f'{self.prefix}{key}[{i}].') for i, c in enumerate(contents)
        ]

    def finish(self):
        """Refuse keys that nothing has asked for: most are misspelt."""
        for key in self.content:
            if key not in self.known:
                hint = nearest(key, self.known)
                raise self.error(key, 'is unknown' + (f'; did you mean {hint[0]}?' if hint else ''))


def _is_relative(path):
    return not osp.isabs(path) and '..' not in path.split('/') and '\\' not in path
