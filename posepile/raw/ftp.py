"""Files on FTP servers, fetched as :mod:`posepile.raw.download` fetches those of web servers."""

import contextlib
import ftplib
from urllib.parse import unquote, urlsplit

from posepile.raw.responses import DownloadError, Dropped, RefusedError, check_total, shown

#: Seconds to wait for a connection, and for the next bytes of one.
TIMEOUT = 60
_CHUNK = 1 << 20


def fetch_ftp(url, part, expected, bar):
    """One attempt: continue the part file if that is still part of the same file, else start over.

    A file counts as the same if its size and time on the server are; if the server does not tell
    them, it is only continued if there is a checksum that will tell afterwards.

    Args:
        url: ``ftp://[user:password@]host[:port]/path``; without a user, the login is anonymous.
        part: :class:`~posepile.raw.partfile.PartFile`.
        expected: :class:`~posepile.raw.partfile.Expected`.
        bar: (total size or None) -> context manager of a function to call with numbers of bytes.

    Raises:
        Dropped: if the transfer fails in a way that may pass.
        DownloadError: if the server refuses, or the address cannot be used.
    """
    path = unquote(urlsplit(url).path)
    if not path.strip('/') or set(path) & set('\r\n\0'):
        raise DownloadError(f'{part.dest}: cannot fetch {shown(url)}: it names no file')
    with _logged_in(url, part.dest) as ftp:
        with _network(url, part.dest):
            ftp.voidcmd('TYPE I')
        total = _told(ftp, f'SIZE {path}')
        total = int(total) if total and total.isdecimal() else None
        time = _told(ftp, f'MDTM {path}')
        state = f'{time} {total}' if time and total is not None else None
        source = part.source or {}
        is_same = source.get('url') == url and (
            expected.algorithm or (state is not None and source.get('validator') == state)
        )
        if not is_same or (total is not None and part.size > total):
            part.start_over({})
        check_total(part.size, total, expected, url, part.dest)
        if total is not None and 0 < total == part.size:
            return
        connection = _begin(ftp, path, url, part)
        if part.size == 0:
            part.start_over({'url': url, 'validator': state})
        with connection, bar(total) as advance:
            while chunk := _received(connection, url, part.dest):
                part.write(chunk)
                advance(len(chunk))
                if expected.size is not None and part.size > expected.size:
                    return  # too long: the comparison that follows will say so
        if total is None:
            with _network(url, part.dest):
                ftp.voidresp()  # only this tells a file's end from a broken connection
        elif part.size < total:
            raise Dropped(f'the connection ended after {part.size:,} of {total:,} bytes')


@contextlib.contextmanager
def _logged_in(url, dest):
    parts = urlsplit(url)
    ftp = ftplib.FTP(timeout=TIMEOUT)
    try:
        with _network(url, dest):
            ftp.connect(parts.hostname or '', parts.port or 0)
            ftp.login(unquote(parts.username or ''), unquote(parts.password or ''))
        yield ftp
        with contextlib.suppress(*ftplib.all_errors):
            ftp.quit()
    finally:
        ftp.close()


@contextlib.contextmanager
def _network(url, dest):
    try:
        yield
    except ftplib.error_perm as e:
        raise _refused(e, url, dest) from e
    except ftplib.all_errors as e:
        raise Dropped(f'{type(e).__name__}: {e}') from e


def _refused(error, url, dest):
    hint = 'Look it up at its home page and fetch it by hand.'
    if str(error).startswith('530'):
        hint = 'It wants an account. Register, then give your credentials or fetch it by hand.'
    return RefusedError(f'{dest}: {shown(url)} is refused ({error}). {hint}')


def _told(ftp, command):
    """What the server answers to a question that it need not understand; else None."""
    try:
        return ftp.sendcmd(command).partition(' ')[2].strip()
    except ftplib.error_perm:
        return None
    except ftplib.all_errors as e:
        raise Dropped(f'{type(e).__name__}: {e}') from e


def _begin(ftp, path, url, part):
    """The connection that brings the bytes from the end of the part on."""
    try:
        return ftp.transfercmd(f'RETR {path}', part.size or None)
    except ftplib.error_perm as e:
        if part.size and not str(e).startswith('550'):  # it cannot begin in the middle
            part.start_over({})
            raise Dropped(f'the server does not continue files ({e})') from e
        raise _refused(e, url, part.dest) from e
    except ftplib.all_errors as e:
        raise Dropped(f'{type(e).__name__}: {e}') from e


def _received(connection, url, dest):
    with _network(url, dest):
        return connection.recv(_CHUNK)
