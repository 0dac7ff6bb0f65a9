"""A web server on the loopback interface that can be told to misbehave."""

import http.server
import re
import threading

import pytest

from posepile.raw import download


class Server:
    """Serves ``content`` at any path; each request takes one of ``troubles`` first, if any left.

    Troubles: an integer is an HTTP status; ('drop', n) closes the connection after n bytes of the
    body; ('body', b) sends other bytes; ('headers', {...}) adds or replaces headers.
    """

    def __init__(self):
        self.content = b''
        self.etag = '"first"'
        self.ranges = True
        self.lengths = True
        self.troubles = []
        self.requests = []
        self.lock = threading.Lock()
        owner = self

        class Handler(_Handler):
            server_state = owner

        self.httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.httpd.server_address[1]}/file.bin'
        threading.Thread(target=self.httpd.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_state: Server

    def log_message(self, *args):
        pass

    def do_GET(self):
        s = self.server_state
        with s.lock:
            trouble = s.troubles.pop(0) if s.troubles else None
            s.requests.append(dict(self.headers))
        kind, value = trouble if isinstance(trouble, tuple) else (None, None)
        if isinstance(trouble, int):
            self.send_response(trouble)
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        content = value if kind == 'body' else s.content
        start = self._start(s)
        if start is not None and start >= len(content):
            self.send_response(416)
            self.send_header('Content-Range', f'bytes */{len(content)}')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        body = content[start or 0 :]
        headers = {'Content-Type': 'application/octet-stream', 'Connection': 'close'}
        if s.etag:
            headers['ETag'] = s.etag
        if s.lengths:
            headers['Content-Length'] = str(len(body))
        if start is not None:
            headers['Content-Range'] = f'bytes {start}-{len(content) - 1}/{len(content)}'
        if kind == 'headers':
            headers |= value
        self.send_response(200 if start is None else 206)
        for k, v in headers.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body[: value if kind == 'drop' else None])
        self.close_connection = True

    def _start(self, s):
        match = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        if not s.ranges or not match or self.headers.get('If-Range', s.etag) != s.etag:
            return None
        return int(match[1])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, 'BACKOFF', (0, 0, 0))
    server = Server()
    yield server
    server.close()
