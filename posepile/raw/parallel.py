"""Downloads over several connections at a time, for servers that are slow on each of them."""

import contextlib
import errno
import os
import os.path as osp
import threading
from collections.abc import Callable
from typing import Protocol

import requests

from posepile.raw.partfile import Expected
from posepile.raw.patience import PASSING, Patience
from posepile.raw.pieces import PieceFile, Stopped
from posepile.raw.responses import (
    DownloadError,
    Dropped,
    check_status,
    check_total,
    first_byte,
    shown,
    total_size,
    validator,
)
from posepile.raw.throttle import Throttle

_CHUNK = 1 << 16
#: Seconds that a connection gets to notice that the transfer has ended.
_GRACE = 2
_MAX_CHANGES = 3
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WrongBytesError(DownloadError):
    """What a server sends is not the file that it should be."""


class Source(Protocol):
    """A file on a server, behind whatever it takes to get it."""

    url: str

    def connect(self) -> contextlib.AbstractContextManager[requests.Session]:
        """A connection of its own; called from several threads."""

    def open(self, http: requests.Session, headers: dict) -> requests.Response:
        """The answer to a GET request with these headers, its body not read yet.

        Raises errors of :mod:`requests` and :class:`Dropped` for what may pass by itself.
        """


def download_in_pieces(
    source: Source,
    dest,
    find_problem: Callable[[str], str],
    connections=8,
    throttle: Throttle | None = None,
    on_bytes: Callable[[int, int | None], None] = lambda n_present, size: None,
    piece_size=16 << 20,
):
    """Fetch a file over several connections; one, if the server knows no ranges.

    What a stopped run left in ``<dest>.part`` is continued. A file that is at ``dest`` already is
    replaced, at the moment when the new one is complete.

    Args:
        source: where from.
        dest: path of the file; its folder exists.
        find_problem: gets the path of the complete file and tells what is wrong with it; an empty
            text if nothing is. Wrong files are fetched anew, up to twice, the last time over a
            single connection.
        connections: the most at a time.
        throttle: limit to the rate.
        on_bytes: called now and then, from any thread, with the number of bytes that are there
            and that of the complete file, if known.

    Raises:
        WrongBytesError: the file was wrong each time. Nothing of it is kept.
        DownloadError: the server refuses or keeps failing, or the disk is full. What was fetched
            is kept, and continued by the next call.
    """
    dest = os.fspath(dest)
    with PieceFile.opened(dest, piece_size) as part:
        if osp.exists(dest) and not find_problem(dest):  # another process has got it meanwhile
            part.discard()
            return
        try:
            for n in (connections, connections, 1):
                _fetch(source, part, n, throttle, on_bytes)
                problem = find_problem(part.path)
                if not problem:
                    part.finish()
                    return
                part.start_over()
        except BaseException as e:
            _leave(part)
            if not isinstance(e, OSError) or e.errno not in _FULL:
                raise
            raise DownloadError(
                f'{dest}: the disk is full ({e.strerror}). The {part.n_present:,} bytes so far '
                f'are kept in {part.path}. Make room and run again to continue.'
            ) from e
        part.discard()
        raise WrongBytesError(
            f'{dest}: what {shown(source.url)} sends {problem}, also when fetched twice more from '
            'the start. Either the file on the server was replaced or something between it and '
            'this machine changes it. Fetch it by hand and compare, or try again later.'
        )


def _leave(part):
    if part.n_present == 0:
        part.discard()
        return
    # On a full disk the last record stays, which is true as well: it claims less.
    with contextlib.suppress(OSError):
        part.record()


class _ChangedError(Exception):
    """The file on the server is not the one that the first bytes came from."""


def _fetch(source, part, connections, throttle, on_bytes):
    # Some servers know ranges only at times; the last attempt does without.
    for n in (connections,) * _MAX_CHANGES + (0,):
        try:
            return _Transfer(source, part, n, throttle, on_bytes).run()
        except _ChangedError:
            part.start_over()
    raise DownloadError(
        f'{part.dest}: {shown(source.url)} changes while it is being fetched. Try again later.'
    )


class _Transfer:
    """One attempt to get a file; over no connections at a time means without ranges."""

    def __init__(self, source, part, connections, throttle, on_bytes):
        self._source = source
        self._part = part
        self._connections = connections
        self._throttle = throttle
        self._on_bytes = on_bytes
        self._stop = threading.Event()
        self._error = None

    def run(self):
        if not self._fetch_whole_or_begin():
            self._fetch_pieces()

    def _fetch_whole_or_begin(self):
        """Learn size and state of the file; True if the server sent all of it right away."""
        patience = self._patience()
        headers = {'Range': 'bytes=0-0'} if self._connections else {}
        with self._source.connect() as http:
            while True:
                try:
                    with self._open(http, headers) as response:
                        if response.status_code == 200:
                            self._fetch_whole(response)
                            return True
                        size = total_size(response)
                        if first_byte(response) != 0 or not size:
                            raise Dropped('the server sends another part than it was asked for')
                        self._check_room(size)  # before pieces are made of a senseless size
                        self._part.begin(self._source.url, size, validator(response))
                        self._check_room(size)  # again, if nothing of it is there after all
                        return False
                except PASSING as e:
                    patience.failed(e)

    def _fetch_whole(self, response):
        length = response.headers.get('Content-Length', '')
        size = int(length) if length.isdecimal() else None
        self._part.start_over()
        self._check_room(size)
        self._part.start_over({'url': self._source.url, 'size': size, 'validator': None})
        self._receive(response, self._part.whole())

    def _check_room(self, size):
        check_total(self._part.n_present, size, Expected(), self._source.url, self._part.dest)

    def _fetch_pieces(self):
        threads = [
            threading.Thread(target=self._work, name=f'connection-{i}', daemon=True)
            for i in range(self._connections)
        ]
        for t in threads:
            t.start()
        try:
            for t in threads:
                while t.is_alive() and not self._stop.is_set():
                    t.join(0.1)  # not for long, so that the keyboard can interrupt
        finally:
            self._stop.set()
            for t in threads:
                t.join(_GRACE)
        if self._error is not None:
            raise self._error

    def _work(self):
        try:
            with self._source.connect() as http:
                while not self._stop.is_set() and (piece := self._part.take()):
                    self._fetch_piece(http, piece)
        except Stopped:
            pass  # told to
        except BaseException as e:  # raised again by the thread that waits for this one
            self._error = self._error or e
            self._stop.set()

    def _fetch_piece(self, http, piece):
        patience = self._patience()
        while piece.at < (end := piece.end):
            headers = {'Range': f'bytes={piece.at}-{end - 1}'}
            if self._part.validator:
                headers['If-Range'] = self._part.validator
            try:
                with self._open(http, headers) as response:
                    if (
                        response.status_code != 206
                        or total_size(response) != self._part.size
                        or validator(response) != self._part.validator
                    ):
                        raise _ChangedError
                    length = response.headers.get('Content-Length', str(end - piece.at))
                    if first_byte(response) != piece.at or length != str(end - piece.at):
                        raise Dropped('the server sends another part than it was asked for')
                    self._receive(response, piece)
            except PASSING as e:
                patience.failed(e)

    def _open(self, http, headers):
        # Compressed transfer would make byte positions, sizes and checksums meaningless.
        response = self._source.open(http, {'Accept-Encoding': 'identity', **headers})
        try:
            if response.status_code != 416:  # no such range: the callers know what it means
                check_status(response, self._source.url, self._part.dest)
        except BaseException:
            response.close()
            raise
        return response

    def _receive(self, response, piece):
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            if self._stop.is_set():
                raise Stopped
            if self._throttle:
                self._throttle.take(len(chunk), self._pause)
            n = self._part.write(piece, chunk)
            self._on_bytes(self._part.n_present, self._part.size)
            if n < len(chunk):  # another connection has taken over from here
                break
        if piece.end != float('inf') and piece.at < piece.end:
            raise Dropped(f'the connection ended {piece.end - piece.at:,} bytes too early')

    def _patience(self):
        what = f'{self._part.dest}: {shown(self._source.url)}'
        return Patience(what, self._pause, lambda: self._part.n_most)

    def _pause(self, seconds):
        if self._stop.wait(seconds):
            raise Stopped
