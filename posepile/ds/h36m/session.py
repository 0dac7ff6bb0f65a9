"""A session at the server of Human3.6M: logging in, staying so, and seeing when it is over.

The site is made with PHP: ``checklogin.php`` takes a form and gives a cookie, ``filebrowser.php``
sends files to those who have it, and sends all others to another page. The cookie is kept in
memory only, and sent to this one server only.
"""

import dataclasses
import re
import threading
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import quote_plus, urljoin, urlsplit

import requests
import urllib3

from posepile.ds.h36m.credentials import Credentials
from posepile.errors import OptionError, PosePileError
from posepile.raw.patience import PASSING, Patience
from posepile.raw.responses import DownloadError, RefusedError, check_status, shown

SERVER = 'https://vision.imar.ro/human3.6m/'
#: Seconds to wait for a connection, and for the next bytes of one.
TIMEOUT = (20, 60)
_COOKIE = 'PHPSESSID'
_MAX_REDIRECTS = 5
#: How often a file may be answered with a page, each time followed by a look at the session.
_MAX_PAGES = 3
_LOGIN_FORM = re.compile(rb'<form[^>]*checklogin\.php', re.IGNORECASE)
_LOCAL = ('localhost', '127.0.0.1', '::1')


class SessionError(PosePileError):
    """The server does not know us (any more). The text says what to do."""


@dataclasses.dataclass(frozen=True)
class _Ticket:
    """Cookies of one login; ``number`` counts the logins."""

    number: int
    cookies: dict = dataclasses.field(repr=False)


class Session:
    """A session that logs in again when it has expired. May be used by several threads.

    Args:
        credentials: an account, or the name of a session.
        server: address of the folder with ``filebrowser.php``. Without TLS only on this machine,
            or if ``insecure``.
        insecure: do not verify the server's certificate, and allow it to be without TLS.
    """

    def __init__(self, credentials: Credentials, server=SERVER, insecure=False):
        self.server = server if server.endswith('/') else server + '/'
        parts = urlsplit(self.server)
        if parts.scheme not in ('http', 'https') or not parts.hostname:
            raise OptionError(f'{shown(server)} is no http or https address of a server.')
        if parts.scheme == 'http' and parts.hostname not in _LOCAL and not insecure:
            raise OptionError(
                f'{shown(server)} would get the password without encryption. Use https, or '
                '--insecure if that is what you want.'
            )
        if insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._credentials = credentials
        self._insecure = insecure
        self._lock = threading.Lock()
        self._ticket = _Ticket(0, {})

    def connect(self) -> requests.Session:
        """Connections for one thread. They keep no cookies."""
        http = requests.Session()
        http.auth = _as_it_is
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return http

    def start(self):
        """Make sure that there is a valid session.

        Raises:
            SessionError: the server does not accept the credentials, or its certificate.
            DownloadError: it cannot be reached or keeps failing.
        """
        patience = Patience(f'Logging in at {shown(self.server)}')
        while True:
            try:
                return self._renew(self._ticket)
            except PASSING as e:
                patience.failed(e)

    def open(self, http, url, headers) -> requests.Response:
        """The answer to a GET request for a file; its body is not read yet.

        A session that turns out to be over is renewed, once for all threads.

        Raises:
            SessionError: the session is over and cannot be renewed.
            RefusedError: a page comes instead of the file although the session is valid.
        """
        for _ in range(_MAX_PAGES):
            ticket = self._ticket
            response = self._request(http, 'GET', url, dict(ticket.cookies), headers)
            problem = _not_a_file(response, url)
            if not problem:
                return response
            response.close()
            self._renew(ticket)
        raise RefusedError(
            f'{shown(url)}: {problem} although the session is valid. See in a browser whether '
            'your account may download this file, and whether it wants an agreement first.'
        )

    def _renew(self, ticket):
        """Get a new ticket in place of this one, unless another thread has done so meanwhile."""
        with self._lock, self.connect() as http:
            if self._ticket is not ticket:
                return
            known = self._credentials.session_id
            if known and ticket.number <= 1:
                cookies = {_COOKIE: known}
                if self._is_valid(http, cookies):
                    self._ticket = _Ticket(1, cookies)
                    return
                if not self._credentials.can_log_in:
                    raise SessionError(
                        f'{shown(self.server)} does not accept the PHPSESSID (any more). Log in '
                        f'with a browser, copy the value of the cookie {_COOKIE} and run again: '
                        'what was fetched is kept. Or give e-mail and password, with which the '
                        'session is renewed by itself.'
                    )
            self._ticket = _Ticket(max(ticket.number, 1) + 1, self._log_in(http))

    def _log_in(self, http):
        url = urljoin(self.server, 'checklogin.php')
        form = {'username': self._credentials.email, 'password': self._credentials.password}
        # Environments need not be UTF-8; their bytes are passed on as they are.
        body = '&'.join(f'{k}={quote_plus(v, errors="surrogateescape")}' for k, v in form.items())
        cookies = {}
        headers = {'Content-Type': 'application/x-www-form-urlencoded'}
        with self._request(http, 'POST', url, cookies, headers, body) as response:
            check_status(response, url, 'Login')
        if not (cookies and self._is_valid(http, cookies)):
            raise SessionError(
                f'{shown(self.server)} does not accept this e-mail and password. See whether you '
                'can log in with a browser, and whether your account has been approved.'
            )
        return cookies

    def _is_valid(self, http, cookies):
        """Whether the file browser shows itself, rather than sending us elsewhere."""
        url = urljoin(self.server, 'filebrowser.php')
        with self._request(http, 'GET', url, dict(cookies), {}) as response:
            if response.status_code in (401, 403):
                return False
            check_status(response, url, 'Session')
            page = response.raw.read(1 << 16, decode_content=True)
            return _same_path(response.url, url) and not _LOGIN_FORM.search(page)

    def _request(self, http, method, url, cookies, headers, body=None):
        """Send a request and follow redirects; cookies from the way are put into ``cookies``."""
        for _ in range(_MAX_REDIRECTS):
            sent = dict(headers)
            if cookies:
                sent['Cookie'] = '; '.join(f'{k}={v}' for k, v in cookies.items())
            response = self._send(http, method, url, sent, body)
            cookies.update(response.cookies.get_dict())
            if not response.is_redirect:
                return response
            response.close()
            url = self._checked_target(url, response.headers['Location'])
            method, body = 'GET', None
        raise DownloadError(f'{shown(url)}: the server redirects in circles. Try again later.')

    def _send(self, http, method, url, headers, body):
        try:
            return http.request(
                method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                stream=True,
                timeout=TIMEOUT,
                verify=not self._insecure,
            )
        except requests.exceptions.SSLError as e:
            if 'CERTIFICATE' not in str(e).upper():
                raise
            raise SessionError(
                f'{shown(url)}: the certificate of the server cannot be verified ({e}). Check '
                "the machine's clock and certificates. If the server's certificate is known to "
                'be broken, python -m posepile.ds.h36m.fetch --insecure goes on without; whoever '
                'sits between could then read the password.'
            ) from None

    def _checked_target(self, url, location):
        target = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(target)
        if new.hostname != old.hostname or new.scheme not in ('http', 'https'):
            raise DownloadError(
                f'{shown(url)} redirects to another server, {shown(target)}, which must not see '
                'the session. Fetch the file with a browser.'
            )
        if old.scheme == 'https' and new.scheme == 'http' and not self._insecure:
            raise SessionError(
                f'{shown(url)} redirects to {shown(target)}, without encryption. If that is known '
                'to be so, --insecure goes on; others in the network could then use the session.'
            )
        return target


def _not_a_file(response, url):
    """Why an answer cannot be the file; empty if it can, or if it is a failure of the server."""
    if response.status_code in (401, 403):
        return f'the server refuses it with HTTP status {response.status_code}'
    if response.status_code not in (200, 206):
        return ''
    if not _same_path(response.url, url):
        return f'the server redirects to {shown(response.url)}'
    kind = response.headers.get('Content-Type', '').partition(';')[0].strip().lower()
    disposition = response.headers.get('Content-Disposition', '').strip().lower()
    # PHP calls everything a web page unless it is told otherwise.
    if kind in ('text/html', 'application/xhtml+xml') and not disposition.startswith('attachment'):
        return 'the server sends a web page'
    return ''


def _same_path(url, other):
    return urlsplit(url).path == urlsplit(other).path


def _as_it_is(request):
    """Keeps requests from sending what a .netrc file may say about this server."""
    return request
