"""The unfinished file of a download that comes in pieces, over several connections at a time.

``<dest>.part`` is a file with holes; ``<dest>.part.json`` beside it says which stretches are still
missing. A byte is written before it is counted, so what a killed process
leaves claims less than it has, never more.
"""

import contextlib
import json
import os
import threading
import time

from posepile.atomic import replacing
from posepile.raw.locks import open_locked

#: Seconds between two records of what is there: the most that a killed run loses.
_RECORD_EVERY = 1.0
#: The least number of bytes that is worth a connection of its own.
_LEAST = 1 << 20


class Stopped(Exception):
    """The transfer has ended; nothing of it may be written any more."""


class Piece:
    """Bytes from ``at`` (moves on as they arrive) up to, but without, ``end`` (may come down)."""

    def __init__(self, at, end):
        self.at = at
        self.end = end
        self.is_taken = False
        self.is_void = False  # the file was started over since


class PieceFile:
    """``<dest>.part``, of which any stretches may be there.

    Open it with :meth:`opened`, which waits for other processes that work on the same file.

    Attributes:
        path: of the part file.
        size: number of bytes of the complete file, None as long as it is not known.
        validator: what tells a server which state of the file this is a part of, or None.
    """

    def __init__(self, dest, file, piece_size=16 << 20):
        self.dest = dest
        self.path = dest + '.part'
        self._fd = file.fileno()
        self._piece_size = piece_size
        self._lock = threading.Lock()
        self._is_closed = False
        self._recorded_at = 0.0
        self._most = 0
        self._pieces = []
        self._reset({})
        self._load()

    @classmethod
    @contextlib.contextmanager
    def opened(cls, dest, piece_size=16 << 20):
        with open_locked(dest + '.part') as file:
            part = cls(dest, file, piece_size)
            try:
                yield part
            finally:
                part._close()

    @property
    def n_present(self) -> int:
        """Number of bytes that have arrived."""
        with self._lock:
            return self._count()

    @property
    def n_most(self) -> int:
        """The largest :attr:`n_present` there has been; starting over does not change it."""
        with self._lock:
            self._most = max(self._most, self._count())
            return self._most

    def begin(self, url, size, validator):
        """Tell which file this is a part of. What is there of another one is thrown away."""
        identity = {'url': url, 'size': size, 'validator': validator}
        if size is None or identity != self._identity:
            self.start_over(identity)

    def start_over(self, identity=None):
        """Throw away what is there. ``identity`` has the arguments of :meth:`begin`."""
        with self._lock:
            self._most = max(self._most, self._count())
            os.ftruncate(self._fd, 0)
            self._reset(identity or {})
            self._record()

    def take(self) -> Piece | None:
        """A piece that is missing and that nobody has taken.

        If there is none, the longest that somebody works on is split, so that nobody has to wait
        for a slow connection. None if there is nothing left that is worth splitting.
        """
        with self._lock:
            for piece in self._pieces:
                if not piece.is_taken and piece.at < piece.end:
                    piece.is_taken = True
                    return piece
            lengths = [p.end - p.at for p in self._pieces]
            n_left = max(lengths, default=0)
            if n_left < 2 * _LEAST:
                return None
            i = lengths.index(n_left)
            longest = self._pieces[i]
            half = Piece(longest.at + n_left // 2, longest.end)
            longest.end = half.at
            half.is_taken = True
            self._pieces.insert(i + 1, half)
            return half

    def write(self, piece: Piece, data) -> int:
        """Put ``data`` where ``piece`` begins, and shorten it by that.

        Returns:
            The number of bytes written: what goes beyond the end of the piece is left out.

        Raises:
            Stopped: the file is finished, or was started over since the piece was taken.
        """
        rest = memoryview(data)
        n_written = 0
        while rest:  # a nearly full disk takes less than it is given
            with self._lock:  # never into a file that is closed, and its number given to another
                if self._is_closed or piece.is_void:
                    raise Stopped
                rest = rest[
                    : int(min(piece.end - piece.at, len(rest)))
                ]  # another may have split it
                n = os.pwrite(self._fd, rest, piece.at)
                piece.at += n
                if time.monotonic() - self._recorded_at > _RECORD_EVERY:
                    self._record()
            rest = rest[n:]
            n_written += n
        return n_written

    def whole(self) -> Piece:
        """The entire file as one piece, of unknown end if the size is not known."""
        with self._lock:
            piece = Piece(0, float('inf') if self.size is None else self.size)
            piece.is_taken = True
            self._pieces = [piece]
        return piece

    def finish(self):
        """Give the complete file its final name."""
        os.fsync(self._fd)
        os.replace(self.path, self.dest)
        forget_record(self.dest)

    def discard(self):
        """Remove the file and its record."""
        forget_record(self.dest)
        with contextlib.suppress(FileNotFoundError):  # finished or discarded already
            os.unlink(self.path)

    def record(self):
        """Note on disk what is there."""
        with self._lock:
            self._record()

    def _close(self):
        with self._lock:
            self._is_closed = True

    def _count(self):
        if self.size is None:
            return sum(p.at for p in self._pieces)
        return self.size - sum(p.end - p.at for p in self._pieces)

    def _reset(self, identity, missing=None):
        self._identity = identity
        self.size = identity.get('size')
        self.validator = identity.get('validator')
        stretches = [[0, self.size or 0]] if missing is None else missing
        step = self._piece_size
        for piece in self._pieces:
            piece.is_void = True
        self._pieces = [
            Piece(at, min(at + step, end)) for s, end in stretches for at in range(s, end, step)
        ]

    def _record(self):
        self._recorded_at = time.monotonic()
        if self.size is None:  # without a size, nothing can be continued
            forget_record(self.dest)
            return
        missing = []
        for piece in self._pieces:
            if missing and piece.at == missing[-1][1]:
                missing[-1][1] = piece.end
            elif piece.at < piece.end:
                missing.append([piece.at, piece.end])
        with replacing(_record_path(self.dest)) as partial, open(partial, 'w') as f:
            json.dump({**self._identity, 'missing': missing}, f)

    def _load(self):
        try:
            with open(_record_path(self.dest)) as f:
                content = json.load(f)
            missing = [[int(s), int(e)] for s, e in content.pop('missing')]
            size = int(content['size'])
        except (FileNotFoundError, KeyError, TypeError, ValueError, AttributeError):
            return
        ends = [e for s, e in missing]
        starts = [s for s, e in missing]
        in_order = all(s < e for s, e in missing) and all(
            e <= s for e, s in zip([0, *ends], [*starts, size], strict=True)
        )
        # The last byte that is said to be there has to be there.
        reach = starts[-1] if missing and ends[-1] == size else size
        if in_order and os.fstat(self._fd).st_size >= reach:
            self._reset(content, missing)


def forget_record(dest):
    """Remove the record beside ``<dest>.part``."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_record_path(dest))


def _record_path(dest):
    return dest + '.part.json'
