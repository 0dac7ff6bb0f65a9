import os
import pty
import subprocess
import sys
import threading

import pytest

from posepile.ds.h36m import session as session_module
from posepile.ds.h36m.credentials import Credentials, find_credentials
from posepile.ds.h36m.session import Session, SessionError
from posepile.errors import BadFileError, OptionError
from posepile.raw import patience
from posepile.raw.responses import DownloadError
from tests.ds.h36m.server import EMAIL, PASSWORD, TLS_CERTIFICATE, Server

ACCOUNT = Credentials(EMAIL, PASSWORD)
FILE = 'filebrowser.php?download=1&filepath=Videos&filename=SubjectSpecific_1.tgz&downloadname=S1'
VIDEOS = {'Videos_S1.tgz': b'content'}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(patience, 'BACKOFF', (0, 0, 0))
    monkeypatch.delenv('REQUESTS_CA_BUNDLE', raising=False)
    server = Server(VIDEOS)
    yield server
    server.close()


@pytest.fixture
def tls_server(monkeypatch):
    monkeypatch.setattr(patience, 'BACKOFF', (0, 0, 0))
    monkeypatch.delenv('REQUESTS_CA_BUNDLE', raising=False)
    server = Server(VIDEOS, tls=True)
    yield server
    server.close()


def content(session):
    with session.connect() as http, session.open(http, session.server + FILE, {}) as response:
        return response.content


def test_account_with_special_characters(server):
    session = Session(ACCOUNT, server.url)
    session.start()
    assert content(session) == b'content'
    assert server.logins == 1


@pytest.mark.parametrize('in_place', [False, True])
def test_wrong_password_is_told_without_repeating_it(server, in_place):
    server.login_form_in_place = in_place
    session = Session(Credentials(EMAIL, 'secret1'), server.url)
    with pytest.raises(SessionError, match='does not accept this e-mail and password') as e:
        session.start()
    assert 'secret1' not in str(e.value) and EMAIL not in str(e.value)
    assert server.logins == 0


@pytest.mark.parametrize('in_place', [False, True])
def test_session_name_of_a_browser(server, in_place):
    server.login_form_in_place = in_place
    good = Session(Credentials(session_id=server.new_session()), server.url)
    good.start()
    assert content(good) == b'content'
    bad = Session(Credentials(session_id='abc123'), server.url)
    with pytest.raises(SessionError, match='PHPSESSID.*Log in with a browser') as e:
        bad.start()
    assert 'abc123' not in str(e.value)
    assert server.logins == 0


def test_account_takes_over_when_the_session_name_is_not_valid(server):
    session = Session(Credentials(EMAIL, PASSWORD, 'abc123'), server.url)
    session.start()
    assert content(session) == b'content' and server.logins == 1


def test_expired_session_name_cannot_be_renewed(server):
    session = Session(Credentials(session_id=server.new_session()), server.url)
    session.start()
    server.sessions.clear()
    with pytest.raises(SessionError, match='any more'):
        content(session)


@pytest.mark.parametrize('in_place', [False, True])
def test_many_threads_log_in_once_when_the_session_expires(server, in_place):
    server.login_form_in_place = in_place
    session = Session(ACCOUNT, server.url)
    session.start()
    server.sessions.clear()
    found = []
    threads = [threading.Thread(target=lambda: found.append(content(session))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [b'content'] * 8
    assert server.logins == 2


def test_page_in_place_of_a_file_although_logged_in(server):
    session = Session(ACCOUNT, server.url)
    session.start()
    server.troubles = ['page'] * 10
    with pytest.raises(DownloadError, match='web page although the session is valid'):
        content(session)
    assert len(server.requests) <= 3


def test_attachment_that_is_called_a_web_page_is_a_file(server):
    session = Session(ACCOUNT, server.url)
    session.start()
    server.troubles = [('headers', {'Content-Type': 'text/html; charset=UTF-8'})]
    assert content(session) == b'content' and server.logins == 1


def test_failing_server_is_asked_again_and_then_given_up(server):
    server.login_troubles = [500, 503]
    Session(ACCOUNT, server.url).start()
    server.login_troubles = [500] * 20
    with pytest.raises(DownloadError, match='failed 4 times in a row.*500'):
        Session(ACCOUNT, server.url).start()


def test_unreachable_server(server):
    server.close()
    with pytest.raises(DownloadError, match='Logging in at .*Check the network'):
        Session(ACCOUNT, server.url).start()


def test_other_servers_never_see_the_session(server, monkeypatch):
    other = Server(VIDEOS)
    try:
        elsewhere = other.url.replace('127.0.0.1', 'localhost')
        monkeypatch.setattr(
            'tests.ds.h36m.server._Handler._send_away',
            lambda self: self._redirect(elsewhere + 'filebrowser.php'),
        )
        with pytest.raises(DownloadError, match='redirects to another server'):
            Session(Credentials(session_id='abc'), server.url).start()
    finally:
        other.close()


def test_netrc_is_not_sent(server, tmp_path, monkeypatch):
    (tmp_path / 'netrc').write_text('machine 127.0.0.1 login me password mine\n')
    (tmp_path / 'netrc').chmod(0o600)
    monkeypatch.setenv('NETRC', str(tmp_path / 'netrc'))
    seen = []
    monkeypatch.setattr(
        'tests.ds.h36m.server._Handler._is_known',
        lambda self: seen.append(self.headers.get('Authorization')) or True,
    )
    Session(Credentials(session_id='abc'), server.url).start()
    assert seen == [None]


def test_certificate_that_cannot_be_verified(tls_server, monkeypatch):
    with pytest.raises(SessionError, match='certificate.*--insecure'):
        Session(ACCOUNT, tls_server.url).start()
    assert tls_server.logins == 0
    insecure = Session(ACCOUNT, tls_server.url, insecure=True)
    insecure.start()
    assert content(insecure) == b'content'
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', TLS_CERTIFICATE)
    verified = Session(ACCOUNT, tls_server.url)
    verified.start()
    assert content(verified) == b'content'


def test_insecure_wins_over_a_configured_bundle(tls_server, monkeypatch):
    other = os.path.join(os.path.dirname(__file__), '..', '..', 'raw', 'self_signed.pem')
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', os.path.normpath(other))
    Session(ACCOUNT, tls_server.url, insecure=True).start()
    with pytest.raises(SessionError, match='certificate'):
        Session(ACCOUNT, tls_server.url).start()


def test_redirect_to_a_connection_without_encryption_is_refused(tls_server, server, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', TLS_CERTIFICATE)
    monkeypatch.setattr(
        'tests.ds.h36m.server._Handler._send_away',
        lambda self: self._redirect(server.url + 'filebrowser.php'),
    )
    with pytest.raises(SessionError, match='without encryption'):
        Session(Credentials(session_id='abc'), tls_server.url).start()


def test_redirect_to_encryption_is_followed(tls_server, server, monkeypatch):
    """Only the path tells whether we got where we wanted to."""
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', TLS_CERTIFICATE)
    tls_server.new_session = server.new_session
    tls_server.sessions = server.sessions
    name = server.new_session()

    def upgrade(self):
        self._redirect(tls_server.url.rpartition('human3.6m/')[0] + self.path[1:])

    monkeypatch.setattr(server.httpd.RequestHandlerClass, 'do_GET', upgrade)
    session = Session(Credentials(session_id=name), server.url)
    session.start()
    assert content(session) == b'content'


def test_passwords_are_not_sent_without_encryption():
    with pytest.raises(OptionError, match='without encryption'):
        Session(ACCOUNT, 'http://vision.imar.ro/human3.6m/')
    Session(ACCOUNT, 'http://vision.imar.ro/human3.6m/', insecure=True)
    assert session_module.SERVER.startswith('https://')
    with pytest.raises(OptionError, match='no http or https address'):
        Session(ACCOUNT, 'ftp://vision.imar.ro')


@pytest.fixture
def no_environment(monkeypatch):
    for name in ('H36M_EMAIL', 'H36M_PASSWORD', 'H36M_PHPSESSID'):
        monkeypatch.delenv(name, raising=False)


def private_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_environment_first_then_the_first_file(no_environment, monkeypatch, tmp_path):
    text = '[General]\nemail = a@b\npassword = 50%% of %s ;#=: x\n'
    account = private_file(tmp_path / 'account.ini', text)
    name = private_file(tmp_path / 'name.ini', '[General]\nPHPSESSID = abc\n')
    missing = str(tmp_path / 'missing.ini')
    found = find_credentials([missing, account, name])
    assert found == Credentials('a@b', '50%% of %s ;#=: x')
    assert find_credentials([name, account]) == Credentials(session_id='abc')
    monkeypatch.setenv('H36M_PHPSESSID', 'def')
    assert find_credentials([account]) == Credentials(session_id='def')
    monkeypatch.setenv('H36M_EMAIL', 'c@d')
    monkeypatch.setenv('H36M_PASSWORD', 'pw')
    assert find_credentials([]) == Credentials('c@d', 'pw', 'def')


@pytest.mark.parametrize('mode', [0o640, 0o604, 0o620, 0o644])
def test_file_that_others_can_read_is_refused(no_environment, tmp_path, mode):
    path = tmp_path / 'config.ini'
    path.write_text('[General]\nemail=a@b\npassword=secret1\n')
    path.chmod(mode)
    with pytest.raises(BadFileError, match=r'config.ini.*other users.*chmod 600') as e:
        find_credentials([str(path)])
    assert 'secret1' not in str(e.value)


@pytest.mark.parametrize(
    'content', [b'[General]\nemail=a\nsecret1', b'secret1', b'[General]\nemail=\xff\xfesecret1']
)
def test_file_that_is_none_is_not_quoted(no_environment, tmp_path, content):
    path = tmp_path / 'config.ini'
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadFileError, match='no INI file') as e:
        find_credentials([str(path)])
    assert 'secret1' not in str(e.value) and e.value.__cause__ is None


def test_session_name_that_is_none(no_environment, monkeypatch):
    monkeypatch.setenv('H36M_PHPSESSID', 'abc\r\nX-Evil: secret1')
    with pytest.raises(OptionError, match='PHPSESSID') as e:
        find_credentials([])
    assert 'secret1' not in str(e.value)


def test_secrets_are_not_in_the_representation():
    assert 'secret1' not in repr(Credentials('secret1', 'secret1', 'secret1'))


def test_without_terminal_it_says_what_to_set(no_environment, monkeypatch):
    monkeypatch.setattr(sys, 'stdin', open(os.devnull))
    with pytest.raises(OptionError, match='H36M_EMAIL and H36M_PASSWORD.*config.ini'):
        find_credentials([])


def ask_at_a_terminal(typed):
    code = (
        'from posepile.ds.h36m.credentials import find_credentials, _fields\n'
        'print("\\nfound", *_fields(find_credentials([])), sep="|")'
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith('H36M_')}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, '-c', code], env)
    shown = b''
    for line in typed:
        prompt = b''
        while not prompt.endswith(b': '):
            prompt += os.read(terminal, 1000)
        os.write(terminal, line.encode() + b'\n')
        shown += prompt
    while True:
        try:
            data = os.read(terminal, 1000)
        except OSError:  # the other end has closed it
            break
        if not data:
            break
        shown += data
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    before, _, found = shown.decode().partition('found|')
    return before, found.strip()


@pytest.mark.slow
def test_prompt_does_not_show_what_is_typed():
    before, found = ask_at_a_terminal(['a@b', 'secret1'])
    assert found == 'a@b|secret1|' and 'secret1' not in before
    before, found = ask_at_a_terminal(['', 'secret2'])
    assert found == '||secret2' and 'secret2' not in before


@pytest.mark.parametrize('module', ['fetch', 'extract'])
def test_help_offers_no_way_to_give_secrets(module):
    command = [sys.executable, '-m', f'posepile.ds.h36m.{module}', '--help']
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert '--root' in text
    assert '--password' not in text and '--email' not in text and '--phpsessid' not in text.lower()
