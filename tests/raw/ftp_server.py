"""An FTP server on the loopback interface that can be told to misbehave."""

import socket
import socketserver
import threading


class FtpServer:
    """Serves ``files`` (name without the leading slash: content) to whoever logs in as ``user``.

    Attributes:
        troubles: each RETR takes one first, if any left: ('drop', n) closes the connection after n
            bytes; 'hang up' closes that for commands, too; a text is answered instead.
        unknown: commands that it does not understand.
        time: of the files, as MDTM tells it.
        commands: all that were received.
    """

    def __init__(self):
        self.files, self.troubles, self.unknown, self.commands = {}, [], set(), []
        self.user, self.password, self.time = 'anonymous', None, '20080101120000'
        owner = self

        class Handler(_Handler):
            state = owner

        self._server = _TCPServer(('127.0.0.1', 0), Handler)
        self.address = f'127.0.0.1:{self._server.server_address[1]}'
        self.url = f'ftp://{self.address}'
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def asked(self, command):
        """Arguments of a command, as often as it was received."""
        return [c.partition(' ')[2] for c in self.commands if c.partition(' ')[0] == command]


class _TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(socketserver.StreamRequestHandler):
    state: FtpServer

    def reply(self, text):
        self.wfile.write(f'{text}\r\n'.encode())

    def handle(self):
        self.reply('220 ready')
        self.start, self.listener, self.given = 0, None, None
        while line := self.rfile.readline():
            text = line.decode().rstrip('\r\n')
            self.state.commands.append(text)
            command, _, argument = text.partition(' ')
            method = getattr(self, f'do_{command}', None)
            if method is None or command in self.state.unknown:
                self.reply('502 not implemented')
            elif method(argument) == 'hang up':
                return

    def do_USER(self, name):
        self.given = name
        self.reply('331 password?')

    def do_PASS(self, password):
        right = self.given == self.state.user and self.state.password in (None, password)
        self.reply('230 welcome' if right else '530 who are you?')

    def do_TYPE(self, kind):
        self.reply('200 ok' if kind == 'I' else '504 binary only')

    def do_SIZE(self, path):
        content = self.state.files.get(path.lstrip('/'))
        self.reply('550 no such file' if content is None else f'213 {len(content)}')

    def do_MDTM(self, path):
        self.reply(f'213 {self.state.time}' if path.lstrip('/') in self.state.files else '550 no')

    def do_PASV(self, _):
        self.listener = socket.create_server(('127.0.0.1', 0))
        port = self.listener.getsockname()[1]
        self.reply(f'227 entering passive mode (127,0,0,1,{port // 256},{port % 256})')

    def do_REST(self, position):
        self.start = int(position)
        self.reply(f'350 restarting at {position}')

    def do_RETR(self, path):
        content = self.state.files.get(path.lstrip('/'))
        trouble = self.state.troubles.pop(0) if self.state.troubles else None
        if trouble == 'hang up':
            return trouble
        if content is None or isinstance(trouble, str):
            self.reply(trouble or '550 no such file')
            return None
        self.reply('150 here it comes')
        body, self.start = content[self.start :], 0
        with self.listener, self.listener.accept()[0] as connection:
            connection.sendall(body[: trouble[1]] if trouble else body)
        self.reply('426 aborted' if trouble else '226 done')
        return None

    def do_QUIT(self, _):
        self.reply('221 bye')
        return 'hang up'
