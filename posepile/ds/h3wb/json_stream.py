"""JSON files of gigabytes, read one entry at a time."""

import json
import re

from posepile.errors import RawDataError

_CHUNK = 1 << 20
#: Characters that one entry can have; an annotated person has some 20 thousand.
_LONGEST_ENTRY = 1 << 24
_BLANKS = re.compile(r'[ \t\n\r]*')
_REMEDY = 'Delete it and download it again.'


def iter_entries(path):
    """Yield (key, value) of the object in a JSON file, in the order of the file.

    No more than an entry and a megabyte are held in memory.

    Raises:
        RawDataError: if the file is missing, is no JSON, holds anything but an object, or has an
            entry of more than 16 million characters. It can come after any number of entries.
    """
    try:
        with open(path, encoding='utf-8-sig') as f:
            yield from _entries(_Window(f))
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such file', 'Put it in place.') from e
    except (_Malformed, UnicodeDecodeError, RecursionError) as e:
        raise RawDataError(path, f'is no JSON object, or a damaged one: {e}', _REMEDY) from e


class _Malformed(Exception):
    pass


def _entries(window):
    window.take('{')
    if window.peek() != '}':
        while True:
            key = window.value()
            if not isinstance(key, str):
                raise window.malformed(f'a key is {key!r}')
            window.take(':')
            yield key, window.value()
            if window.peek() != ',':
                break
            window.take(',')
    window.take('}')
    if window.peek():
        raise window.malformed('there is more after the end of the object')


class _Window:
    """The part of a text file that is being looked at."""

    def __init__(self, file):
        self._file = file
        self._text = ''
        self._at = 0
        self._dropped = 0  # characters before the text
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not blank; empty at the end of the file."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._extend():
                return ''

    def take(self, character):
        found = self.peek()
        if found != character:
            raise self.malformed(f'{character!r} was expected, not {found or "the end"!r}')
        self._at += 1

    def value(self):
        """The next value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number that touches the end of the text may go on behind it.
                if end < len(self._text) or not self._extend():
                    self._at = end
                    return value
            except json.JSONDecodeError as e:
                if len(self._text) - self._at > _LONGEST_ENTRY:
                    raise self.malformed(f'{e.msg}, or an entry is far too long') from e
                if not self._extend():
                    raise self.malformed(e.msg) from e

    def malformed(self, problem):
        return _Malformed(f'{problem}, after {self._dropped + self._at:,} characters')

    def _extend(self) -> bool:
        """Read on; what lies behind is dropped. False at the end of the file."""
        more = self._file.read(_CHUNK)
        self._dropped += self._at
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(more)
