"""What the answer of a web server means for a download."""

import os
import os.path as osp
import re
from urllib.parse import urlsplit, urlunsplit

from posepile.errors import PosePileError

_MAX_RETRY_AFTER = 120


class DownloadError(PosePileError):
    """A file could not be fetched. The text names its address, its place and what to do."""


class RefusedError(DownloadError):
    """The server does not give this file away, which says nothing about others."""


class Dropped(Exception):
    """The transfer failed in a way that may pass by itself, after ``wait`` seconds or more."""

    def __init__(self, why, wait=0):
        super().__init__(why)
        self.wait = wait


def check_status(response, url, dest):
    """Raise unless the answer brings the file or a part of it."""
    status = response.status_code
    if status in (200, 206):
        return
    if status in (408, 425, 429) or status >= 500:
        after = response.headers.get('Retry-After', '')
        wait = min(int(after), _MAX_RETRY_AFTER) if after.isdecimal() else 0
        raise Dropped(f'HTTP status {status} {response.reason}', wait)
    hint = {
        401: 'It wants an account. Register, then give your credentials or fetch it by hand.',
        403: 'It does not allow this. Check that your account or licence covers the file, or '
        'fetch it by hand.',
        404: 'There is no such file (any more). Look it up at its home page and fetch it by hand.',
        410: 'The file was withdrawn. Look it up at its home page and fetch it by hand.',
    }.get(status, 'Try to fetch it by hand.')
    raise RefusedError(
        f'{dest}: {shown(url)} answered with HTTP status {status} {response.reason}. {hint}'
    )


def check_kind(response, url, dest):
    """Raise if what follows is not the file itself."""
    kind = response.headers.get('Content-Type', '').partition(';')[0].strip().lower()
    if kind == 'text/html' and not dest.lower().endswith(('.html', '.htm')):
        raise DownloadError(
            f'{dest}: {shown(url)} answered with a web page instead of the file, most likely one '
            'to log in or to confirm something. Fetch it with a browser.'
        )
    encoding = response.headers.get('Content-Encoding', 'identity').lower()
    # Servers mark files that are stored compressed like this, and then mean the file as it is.
    if encoding != 'identity' and not dest.lower().endswith(('.gz', '.tgz', '.bz2', '.xz')):
        raise DownloadError(
            f'{dest}: {shown(url)} sends the file compressed ({encoding}) although it was asked '
            'not to. Fetch it by hand.'
        )


def check_total(start, total, expected, url, dest):
    """Raise if the bytes from ``start`` to ``total`` cannot be right, or have no room."""
    if total is None:
        return
    if expected.size is not None and total != expected.size:
        raise DownloadError(
            f'{dest}: {shown(url)} announces {total:,} bytes, but {expected.size:,} are '
            'expected. The file on the server was replaced or is another one.'
        )
    vfs = os.statvfs(osp.dirname(osp.abspath(dest)))
    free = vfs.f_bavail * vfs.f_frsize
    if total - start > free:
        raise DownloadError(
            f'{dest}: {total - start:,} bytes are still to come from {shown(url)}, but '
            f'only {free:,} are free on this disk. Make room and run again.'
        )


def validator(response):
    """What tells a server in If-Range which state of the file we have (RFC 9110, 13.1.5)."""
    etag = response.headers.get('ETag', '')
    if etag and not etag.startswith('W/'):
        return etag
    return response.headers.get('Last-Modified')


def first_byte(response):
    match = re.match(r'bytes (\d+)-', response.headers.get('Content-Range', ''))
    return int(match[1]) if match else None


def total_size(response):
    match = re.match(r'bytes [^/]*/(\d+)$', response.headers.get('Content-Range', ''))
    return int(match[1]) if match else None


def shown(url):
    """The address without credentials, which people paste into bug reports."""
    parts = urlsplit(url)
    query = '...' if parts.query else ''
    return urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], parts.path, query, ''))
