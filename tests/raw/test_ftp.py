"""Downloads from a real FTP server on this machine."""

import hashlib
import os

import pytest

from posepile.errors import RawDataError
from posepile.raw import download as download_module
from posepile.raw.download import DownloadError, download
from tests.raw.ftp_server import FtpServer

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module, 'BACKOFF', (0, 0, 0))
    server = FtpServer()
    server.files = {'pub/a b.tar.gz': CONTENT}
    yield server
    server.close()


@pytest.fixture
def url(server):
    return f'{server.url}/pub/a%20b.tar.gz'


@pytest.fixture
def dest(tmp_path):
    return str(tmp_path / 'raw' / 'a.tar.gz')


def assert_only_file(dest):
    assert os.listdir(os.path.dirname(dest)) == [os.path.basename(dest)]
    with open(dest, 'rb') as f:
        assert f.read() == CONTENT


@pytest.mark.parametrize('known', [{}, {'md5': MD5}, {'size': len(CONTENT)}])
def test_fetches_and_does_not_fetch_again(server, url, dest, known):
    assert download(url, dest, **known) == dest
    assert_only_file(dest)
    assert server.asked('USER') == ['anonymous'] and server.asked('REST') == []
    download(url, dest, **known)
    assert len(server.asked('RETR')) == 1


@pytest.mark.parametrize('known', [{}, {'md5': MD5}])
def test_dropped_connection_is_continued(server, url, dest, known):
    server.troubles = [('drop', 100_000), 'hang up', ('drop', 50_000), '426 try again']
    download(url, dest, **known)
    assert_only_file(dest)
    assert server.asked('REST') == ['100000', '100000', '150000', '150000']


def test_killed_run_is_continued_by_the_next(server, url, dest):
    server.troubles = [('drop', 100_000)] + ['421 too many users'] * 9
    with pytest.raises(DownloadError, match='421 too many users.*100,000 bytes are kept'):
        download(url, dest)
    server.troubles = []
    server.commands.clear()
    download(url, dest)
    assert_only_file(dest)
    assert server.asked('REST') == ['100000']


def test_changed_file_on_server_is_not_mixed_with_the_old_part(server, url, dest):
    server.files['pub/a b.tar.gz'] = b'x' * len(CONTENT)
    server.troubles = [('drop', 100_000)] + ['426 no'] * 9
    with pytest.raises(DownloadError):
        download(url, dest)
    server.files['pub/a b.tar.gz'], server.time, server.troubles = CONTENT, '20240101120000', []
    server.commands.clear()
    download(url, dest)
    assert_only_file(dest)
    assert server.asked('REST') == []


@pytest.mark.parametrize('unknown', [{'SIZE'}, {'MDTM'}, {'SIZE', 'MDTM'}])
def test_servers_that_tell_little(server, url, dest, unknown):
    server.unknown = unknown
    server.troubles = [('drop', 100_000)]
    download(url, dest)
    assert_only_file(dest)
    assert server.asked('REST') == []
    server.troubles = [('drop', 100_000)]
    download(url, dest + '2', md5=MD5)
    assert server.asked('REST') == ['100000']


def test_server_that_cannot_continue(server, url, dest):
    server.unknown = {'REST'}
    server.troubles = [('drop', 100_000)]
    download(url, dest)
    assert_only_file(dest)


def test_refusals_are_told_at_once(server, url, dest):
    with pytest.raises(DownloadError, match='other.*550 no such file.*home page'):
        download(f'{server.url}/pub/other', dest)
    assert len(server.asked('RETR')) == 1
    server.user = 'me'
    with pytest.raises(DownloadError, match='530.*account'):
        download(url, dest)
    assert os.listdir(os.path.dirname(dest)) == []


def test_credentials_are_used_and_not_shown(server, url, dest):
    server.user, server.password = 'me@home', 'sec/ret'
    with pytest.raises(DownloadError) as e:
        download(url.replace('//', '//me%40home:wrong@'), dest)
    assert 'wrong' not in str(e.value) and 'home' not in str(e.value).replace('home page', '')
    download(url.replace('//', '//me%40home:sec%2Fret@'), dest)
    assert_only_file(dest)


@pytest.mark.parametrize('path', ['', '/', '/a%0d%0aDELE%20b'])
def test_addresses_of_no_file(server, dest, path):
    with pytest.raises(DownloadError, match='names no file'):
        download(server.url + path, dest)
    assert server.commands == []


def test_wrong_bytes_and_sizes(server, url, dest):
    with pytest.raises(DownloadError, match='announces 512,000 bytes, but 5'):
        download(url, dest, size=5)
    server.unknown = {'SIZE'}
    with pytest.raises(DownloadError, match='512,000 bytes, but 5|bytes, but 5 are expected'):
        download(url, dest, size=5)
    with pytest.raises(DownloadError, match='also when fetched once more'):
        download(url, dest, md5='0' * 32)
    assert os.listdir(os.path.dirname(dest)) == []


def test_unreachable_server(server, url, dest):
    server.close()
    with pytest.raises(DownloadError, match='failed 4 times in a row.*Check the network'):
        download(url, dest)


def test_full_disk_is_not_taken_for_the_network(server, url, dest):
    os.makedirs(os.path.dirname(dest))
    os.symlink('/dev/full', dest + '.part')
    with pytest.raises(DownloadError, match='disk is full'):
        download(url, dest)
    assert len(server.asked('RETR')) == 1


def test_file_that_a_person_placed_is_left_alone(server, url, dest):
    os.makedirs(os.path.dirname(dest))
    with open(dest, 'w') as f:
        f.write('mine')
    with pytest.raises(RawDataError, match='not overwritten'):
        download(url, dest, md5=MD5)
    assert server.commands == []
