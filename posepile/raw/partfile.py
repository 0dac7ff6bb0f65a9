"""The unfinished file of a download, which a later run can continue."""

import contextlib
import dataclasses
import hashlib
import json
import os

from posepile.atomic import replacing
from posepile.raw.locks import open_locked

_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is known about the content of a file beforehand."""

    md5: str | None = None
    sha256: str | None = None
    size: int | None = None

    @property
    def algorithm(self):
        """Name of the strongest known checksum, None if there is none."""
        return 'sha256' if self.sha256 else 'md5' if self.md5 else None

    @property
    def checksum(self):
        checksum = self.sha256 or self.md5
        return checksum.strip().lower() if checksum else None

    def new_hash(self):
        return hashlib.new(self.algorithm, usedforsecurity=False) if self.algorithm else None

    def mismatch(self, size, checksum) -> str:
        """What is wrong with a file of this size and checksum; empty if nothing is."""
        if self.size is not None and size != self.size:
            return f'has {size:,} bytes, but {self.size:,} are expected'
        if self.checksum is not None and checksum != self.checksum:
            return f'has {self.algorithm} {checksum}, but {self.checksum} is expected'
        return ''

    def mismatch_of(self, path) -> str:
        """What is wrong with the file at ``path``; empty if nothing is."""
        size = os.path.getsize(path)
        problem = self.mismatch(size, self.checksum)
        if problem or self.algorithm is None:
            return problem
        hasher = self.new_hash()
        with open(path, 'rb') as f:
            _feed(hasher, f)
        return self.mismatch(size, hasher.hexdigest())


class PartFile:
    """``<dest>.part`` and, beside it, ``<dest>.part.json`` that says which file it is part of.

    Open it with :meth:`opened`, which waits for other processes that work on the same file.

    Attributes:
        size: number of bytes so far.
        source: what :meth:`start_over` was told, if the file can be continued; else None.
    """

    def __init__(self, dest, file, expected: Expected):
        self.dest = dest
        self.path = dest + '.part'
        self.size = os.fstat(file.fileno()).st_size
        self.source = self._read_source() if self.size else None
        self._file = file
        self._expected = expected
        self._hash = expected.new_hash()
        file.seek(0)
        if self._hash and self.source:
            _feed(self._hash, file)
        file.seek(0, os.SEEK_END)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, dest, expected):
        with open_locked(dest + '.part') as file:
            yield cls(dest, file, expected)

    def start_over(self, source: dict):
        """Empty the file. ``source`` (JSON) describes what it will be a part of."""
        if self.size:
            self._file.seek(0)
            self._file.truncate()
            self.size = 0
        self._hash = self._expected.new_hash()
        self.source = source
        with replacing(self._source_path) as partial, open(partial, 'w') as f:
            json.dump(source, f)

    def write(self, data):
        rest = memoryview(data)
        while rest:  # an unbuffered file may take less than it is given, as on a full disk
            n = self._file.write(rest)
            self.size += n
            if self._hash:
                self._hash.update(rest[:n])
            rest = rest[n:]

    def mismatch(self) -> str:
        """What is wrong with the content as it is now; empty if nothing is."""
        return self._expected.mismatch(self.size, self._hash.hexdigest() if self._hash else None)

    def finish(self):
        """Give the complete file its final name."""
        os.fsync(self._file.fileno())
        os.replace(self.path, self.dest)
        self._forget_source()

    def discard(self):
        self._forget_source()
        with contextlib.suppress(FileNotFoundError):  # finished or discarded already
            os.unlink(self.path)

    @property
    def _source_path(self):
        return self.path + '.json'

    def _forget_source(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._source_path)

    def _read_source(self):
        try:
            with open(self._source_path) as f:
                return json.load(f)
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def _feed(hasher, file):
    while chunk := file.read(_CHUNK):
        hasher.update(chunk)
