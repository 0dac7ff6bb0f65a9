"""The server of Human3.6M on this machine: login form, cookie, redirects, attachments, ranges.

It can be told to misbehave, and remembers what it was asked.
"""

import http.server
import io
import os
import re
import secrets
import ssl
import sys
import tarfile
import threading
import time
import zipfile
from urllib.parse import parse_qs, urlsplit

import numpy as np

from posepile.ds.h36m.archives import list_archives

TLS_CERTIFICATE = os.path.join(os.path.dirname(__file__), 'localhost.pem')
EMAIL = 'anna+h36m@example.edu'
PASSWORD = 'p&ss w=rd%41;#ü'


class Server:
    """Serves ``files`` (name in archives -> bytes) to those who have logged in.

    Attributes:
        troubles: what happens instead of the right answer to the next requests for files, one
            for each: an HTTP status; ('drop', n) closes the connection after n bytes; ('stall', n)
            goes silent after n bytes; ('wrong', n) changes the byte at n; 'expire' ends all
            sessions; 'page' sends a web page; ('headers', {...}) adds or replaces headers;
            ('shift', n) sends the range from n bytes further on; 'ok' is the right answer.
        ranges: whether ranges are known.
        login_form_in_place: whether strangers get the login page at the address they asked for,
            rather than being sent to another one.
        etag: of all files, or None.
        knows_if_range: whether ranges are refused when another state was asked for.
        if_ranges: that header of each request for a file.
        delay: seconds before each 64 KiB of a file.
        login_troubles: HTTP statuses of the next answers to the login form.
        logins: number of successful logins.
        requests: (path and query, Range or None) of all requests for files, in order.
        most_at_a_time: the largest number of files that were being sent at the same time.
    """

    def __init__(self, files, tls=False):
        self.files = files
        self.sessions = set()
        self.troubles = []
        self.ranges = True
        self.login_form_in_place = False
        self.etag = '"1"'
        self.knows_if_range = True
        self.if_ranges = []
        self.delay = 0
        self.login_troubles = []
        self.logins = 0
        self.requests = []
        self.most_at_a_time = self.at_a_time = 0
        self.lock = threading.Lock()
        handler = type('Handler', (_Handler,), {'site': self})
        self.httpd = _QuietServer(('127.0.0.1', 0), handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS_CERTIFICATE)
            self.httpd.socket = context.wrap_socket(
                self.httpd.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = 'https' if tls else 'http'
        self.url = f'{scheme}://127.0.0.1:{self.httpd.server_address[1]}/human3.6m/'
        threading.Thread(target=self.httpd.serve_forever, args=(0.01,), daemon=True).start()

    def new_session(self):
        session = secrets.token_hex(13)
        self.sessions.add(session)
        return session

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


class _QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # clients may end connections
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    site: Server

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        if self.site.login_troubles:
            return self._answer(self.site.login_troubles.pop(0))
        form = parse_qs(body.decode(), strict_parsing=True)
        right = {'username': [EMAIL], 'password': [PASSWORD]}
        if urlsplit(self.path).path != '/human3.6m/checklogin.php':
            return self._answer(404)
        if form != right:
            return self._redirect('index.php?wrong=1&username=' + form['username'][0])
        with self.site.lock:
            self.site.logins += 1
            session = self.site.new_session()
        self._redirect('index.php', {'Set-Cookie': f'PHPSESSID={session}; path=/; HttpOnly'})

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        name = parts.path.removeprefix('/human3.6m/')
        if name == 'filebrowser.php':
            if not self._is_known():
                return self._send_away()
            if 'download' not in query:
                return self._page('<h1>Files</h1>')
            kind = query['filepath'].replace('/', '_')
            number = int(re.fullmatch(r'SubjectSpecific_(\d+)\.tgz', query['filename'])[1])
            subject = {1: 1, 6: 5, 7: 6, 2: 7, 3: 8, 4: 9, 5: 11}[number]
            self._file(f'{kind}_S{subject}.tgz', f'{kind}_{query["downloadname"]}.tgz')
        elif name.endswith('.zip'):
            self._file(name) if self._is_known() else self._send_away()
        elif name in ('index.php', 'login.php'):
            self._page('<form method="post" action="checklogin.php"></form>')
        else:
            self._answer(404)

    def _is_known(self):
        cookies = self.headers.get('Cookie', '').split('; ')
        return any(c == f'PHPSESSID={s}' for c in cookies for s in self.site.sessions)

    def _send_away(self):
        if self.site.login_form_in_place:
            return self._page('<form method="post" action="checklogin.php"></form>')
        self._redirect('index.php')

    def _file(self, name, attachment=None):
        site = self.site
        with site.lock:
            trouble = site.troubles.pop(0) if site.troubles else None
            site.requests.append((self.path, self.headers.get('Range')))
        kind, value = trouble if isinstance(trouble, tuple) else (trouble, None)
        if isinstance(trouble, int):
            return self._answer(trouble)
        if kind == 'expire':
            site.sessions.clear()
            return self._send_away()
        if kind == 'page':
            return self._page('<h1>Please accept the agreement</h1>')
        content = site.files[name]
        headers = {'Content-Type': 'application/x-gzip', 'ETag': site.etag}
        if attachment:
            headers['Content-Disposition'] = f'attachment; filename="{attachment}"'
        start, end, status = 0, len(content), 200
        match = re.fullmatch(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
        site.if_ranges.append(self.headers.get('If-Range'))
        same = not site.knows_if_range or self.headers.get('If-Range', site.etag) == site.etag
        if site.ranges and match and same:
            start, end, status = int(match[1]), min(int(match[2]) + 1, end), 206
            if kind == 'shift':
                start, end = start + value, min(end + value, len(content))
            headers['Content-Range'] = f'bytes {start}-{end - 1}/{len(content)}'
        body = content[start:end]
        if kind == 'wrong':
            body = body[:value] + bytes([body[value] ^ 1]) + body[value + 1 :]
        headers['Content-Length'] = str(len(body))
        if kind == 'headers':
            headers |= value
        self._head(status, headers)
        self._body(body[: value if kind in ('drop', 'stall') else None])
        if kind == 'stall':
            time.sleep(1)
        self.close_connection = kind in ('drop', 'stall')

    def _body(self, body):
        site = self.site
        with site.lock:
            site.at_a_time += len(body) > 1
            site.most_at_a_time = max(site.most_at_a_time, site.at_a_time)
        try:
            for i in range(0, len(body), 1 << 16):
                if site.delay:
                    time.sleep(site.delay)
                self.wfile.write(body[i : i + (1 << 16)])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the other side was killed
        finally:
            with site.lock:
                site.at_a_time -= len(body) > 1

    def _head(self, status, headers):
        self.send_response(status)
        for k, v in headers.items():
            if v is not None:
                self.send_header(k, v)
        self.end_headers()

    def _answer(self, status):
        self._head(status, {'Content-Length': '0'})

    def _redirect(self, target, headers=None):
        self._head(302, {'Location': target, 'Content-Length': '0', **(headers or {})})

    def _page(self, text):
        body = f'<!DOCTYPE html><html><body>{text}</body></html>'.encode()
        self._head(
            200, {'Content-Type': 'text/html; charset=UTF-8', 'Content-Length': str(len(body))}
        )
        self.wfile.write(body)


def small_release(subjects=(1, 5), n_bytes=300_000):
    """{name: content} of all archives of some subjects, with random bytes in them."""
    files = {}
    rng = np.random.default_rng(7)
    for archive in list_archives(subjects):
        noise = rng.bytes(n_bytes if archive.kind == 'Videos' else 2000)
        buffer = io.BytesIO()
        if archive.name.endswith('.zip'):
            with zipfile.ZipFile(buffer, 'w') as z:
                z.writestr(f'{archive.folder}/metadata.xml', '<a/>')
        else:
            with tarfile.open(fileobj=buffer, mode='w:gz') as t:
                for name, data in [('Walking 1.54138969', noise), ('Photo.54138969', b'two')]:
                    info = tarfile.TarInfo(f'{archive.folder}/{name}')
                    info.size = len(data)
                    t.addfile(info, io.BytesIO(data))
        files[archive.name] = buffer.getvalue()
    return files
