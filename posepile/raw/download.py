"""Getting raw files from the network: resumable, checked, and never over a file that is there.

The bytes go to ``<dest>.part``, which gets its final name once it is complete and its checksum is
right. A run that was stopped leaves it, and the next run asks the server for the rest alone.
"""

import contextlib
import errno
import os
import os.path as osp
import sys
import time
from urllib.parse import urlsplit

import requests
import urllib3

from posepile.errors import RawDataError
from posepile.raw.ftp import fetch_ftp
from posepile.raw.partfile import Expected, PartFile
from posepile.raw.responses import (
    DownloadError,
    Dropped,
    check_kind,
    check_status,
    check_total,
    first_byte,
    shown,
    total_size,
    validator,
)

#: Seconds to wait after each failure in a row that brought no new byte.
BACKOFF = (1, 2, 4, 8, 16, 32)
#: Seconds to wait for a connection, and for the next bytes of one.
TIMEOUT = (20, 60)
_CHUNK = 1 << 20


def download(url, dest, md5=None, sha256=None, size=None, progress=None) -> str:
    """Fetch ``url`` into the file ``dest``, unless that is there with the right content.

    Args:
        url: http, https or ftp address. Certificates are verified.
        dest: path of the file. Folders are created.
        md5, sha256: checksum, hexadecimal. Without one, any non-empty file counts as right.
        size: number of bytes, if known.
        progress: True draws a bar, False prints nothing; by default a bar is drawn if stderr is a
            terminal, and one line printed otherwise.

    Returns:
        ``dest``

    Raises:
        RawDataError: a file with other content is at ``dest``; it is left alone.
        DownloadError: the server refuses, keeps failing or sends wrong bytes, or the disk is full.
            What was fetched is kept in ``<dest>.part`` and continued by the next call, except for
            wrong bytes.
    """
    dest = os.fspath(dest)
    expected = Expected(md5, sha256, size)
    if _is_there(dest, expected):
        return dest
    os.makedirs(osp.dirname(osp.abspath(dest)), exist_ok=True)
    with PartFile.opened(dest, expected) as part, requests.Session() as session:
        if _is_there(dest, expected):  # another process fetched it while we waited
            part.discard()
            return dest
        if progress is None and not sys.stderr.isatty():
            rest = f', from byte {part.size:,} on' if part.source else ''
            print(f'Downloading {shown(url)} to {dest}{rest}', file=sys.stderr)
        try:
            _fetch_checked(session, url, part, expected, progress)
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise DownloadError(
                f'{dest}: the disk is full ({e.strerror}). The {part.size:,} bytes so far are kept '
                f'in {part.path}. Make room and run again to continue.'
            ) from e
        finally:
            if part.size == 0:
                part.discard()
    return dest


def _is_there(dest, expected):
    if not osp.lexists(dest):
        return False
    if not osp.isfile(dest):
        raise RawDataError(
            dest, 'is in the way: a file is to be downloaded to this place', 'Move it away.'
        )
    problem = expected.mismatch_of(dest)
    if osp.getsize(dest) == 0 and (problem or not expected.checksum):
        return False  # nothing in it that could be lost
    if problem:
        raise RawDataError(
            dest, f'{problem}. It was not overwritten', 'Delete it to have it downloaded again.'
        )
    return True


def _fetch_checked(session, url, part, expected, progress):
    for is_last in (False, True):
        _fetch_with_retries(session, url, part, expected, progress)
        problem = part.mismatch()
        if not problem:
            return part.finish()
        if is_last:
            part.discard()
            raise DownloadError(
                f'{part.dest}: what {shown(url)} sends {problem}, also when fetched once more from '
                'the start. Either the file on the server was replaced or something between it '
                'and this machine changes it. Fetch it by hand and compare, or try again later.'
            )
        part.start_over({})


def _fetch_with_retries(session, url, part, expected, progress):
    n_failures = 0
    most = part.size
    while True:
        try:
            return _fetch(session, url, part, expected, progress)
        except (Dropped, requests.RequestException, urllib3.exceptions.HTTPError) as e:
            if isinstance(e, requests.exceptions.SSLError) and 'CERTIFICATE' in str(e).upper():
                raise DownloadError(
                    f'{part.dest}: the certificate of {shown(url)} cannot be verified: {e}. '
                    "Check the machine's clock and certificates, or fetch the file by hand."
                ) from e
            if isinstance(e, (ValueError, requests.exceptions.TooManyRedirects)):
                raise DownloadError(f'{part.dest}: cannot fetch {shown(url)}: {e}') from e
            # Only bytes that no attempt got to before are a sign that going on is worth it.
            n_failures = 1 if part.size > most else n_failures + 1
            most = max(most, part.size)
            if n_failures > len(BACKOFF):
                raise DownloadError(
                    f'{part.dest}: {shown(url)} failed {n_failures} times in a row, last with: '
                    f'{_reason(e, url)}. {part.size:,} bytes are kept. Check the network, then run '
                    'again to continue.'
                ) from e
            time.sleep(max(BACKOFF[n_failures - 1], getattr(e, 'wait', 0)))


def _fetch(session, url, part, expected, progress):
    """One request: continue the part file if possible, else start over; raise if it ends early."""
    if urlsplit(url).scheme == 'ftp':
        return fetch_ftp(url, part, expected, lambda total: _bar(part, total, progress))
    # Compressed transfer would make byte positions, sizes and checksums meaningless.
    headers = {'Accept-Encoding': 'identity'}
    source = part.source or {}
    same_state = source.get('validator')
    # With neither a validator nor a checksum, nothing would tell old bytes from new ones.
    if part.size > 0 and source.get('url') == url and (same_state or expected.algorithm):
        headers['Range'] = f'bytes={part.size}-'
        if same_state:
            headers['If-Range'] = same_state
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:
            if total_size(response) == part.size:
                return
            part.start_over({})
            raise Dropped('the server has less than what was fetched before')
        check_status(response, url, part.dest)
        start = 0
        if response.status_code == 206:
            start = part.size
            if first_byte(response) != start:
                part.start_over({})
                raise Dropped('the server continued at another place than asked')
        length = response.headers.get('Content-Length', '')
        total = start + int(length) if length.isdecimal() else None
        check_kind(response, url, part.dest)
        check_total(start, total, expected, url, part.dest)
        if start == 0:
            part.start_over({'url': url, 'validator': validator(response)})
        with _bar(part, total, progress) as advance:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                part.write(chunk)
                advance(len(chunk))
                if expected.size is not None and part.size > expected.size:
                    return  # too long: the comparison that follows will say so
    if total is not None and part.size < total:
        raise Dropped(f'the connection ended after {part.size:,} of {total:,} bytes')


def _reason(error, url):
    query = urlsplit(url).query
    text = str(error).replace(query, '...') if query else str(error)
    return f'{type(error).__name__}: {text}' if not isinstance(error, Dropped) else text


@contextlib.contextmanager
def _bar(part, total, progress):
    """A progress bar, if one is wanted; gives a function to be called with numbers of bytes."""
    if not (progress or (progress is None and sys.stderr.isatty())):
        yield lambda n: None
        return
    from tqdm import tqdm

    name = osp.basename(part.dest)
    with tqdm(desc=name, total=total, initial=part.size, unit='B', unit_scale=True) as bar:
        yield bar.update
