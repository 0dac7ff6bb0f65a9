import hashlib
import multiprocessing
import os
import resource
import signal
import ssl

import numpy as np
import pytest

from posepile.errors import RawDataError
from posepile.raw.download import DownloadError, download

CONTENT = np.random.default_rng(7).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def dest(tmp_path, server):
    server.content = CONTENT
    return str(tmp_path / 'raw' / 'file.bin')


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def assert_only_file(dest):
    assert os.listdir(os.path.dirname(dest)) == [os.path.basename(dest)]
    assert read(dest) == CONTENT


@pytest.mark.parametrize('known', [{}, {'md5': MD5}, {'md5': MD5.upper()}, {'sha256': SHA256}])
def test_fetches_and_does_not_fetch_again(server, dest, known):
    assert download(server.url, dest, size=len(CONTENT), **known) == dest
    assert_only_file(dest)
    download(server.url, dest, size=len(CONTENT), **known)
    assert len(server.requests) == 1


@pytest.mark.parametrize('known', [{'md5': MD5}, {'sha256': SHA256}, {}])
def test_dropped_connection_is_continued(server, dest, known):
    server.troubles = [('drop', 100_000), ('drop', 50_000)]
    download(server.url, dest, **known)
    assert_only_file(dest)
    assert [r.get('Range') for r in server.requests] == [None, 'bytes=100000-', 'bytes=150000-']
    assert server.requests[1]['If-Range'] == '"first"'


def test_killed_run_is_continued_by_the_next(server, dest):
    server.troubles = [('drop', 100_000)] + [503] * 9
    with pytest.raises(DownloadError, match='503.*100,000 bytes are kept.*run again'):
        download(server.url, dest, md5=MD5)
    assert not os.path.exists(dest)
    assert read(dest + '.part') == CONTENT[:100_000]
    server.troubles = []
    server.requests.clear()
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)
    assert [r['Range'] for r in server.requests] == ['bytes=100000-']


def test_changed_file_on_server_is_not_mixed_with_the_old_part(server, dest):
    server.content = b'old' * 100_000
    server.troubles = [('drop', 100_000)] + [500] * 9
    with pytest.raises(DownloadError):
        download(server.url, dest)
    server.content, server.etag, server.troubles = CONTENT, '"second"', []
    download(server.url, dest)
    assert_only_file(dest)


def test_other_address_does_not_continue_the_part(server, dest):
    server.troubles = [('drop', 1000)] + [500] * 9
    with pytest.raises(DownloadError):
        download(server.url, dest)
    server.requests.clear()
    server.troubles = []
    download(server.url + '?v=2', dest)
    assert 'Range' not in server.requests[0]
    assert_only_file(dest)


@pytest.mark.parametrize('etag', ['', 'W/"weak"'])
def test_without_validator_and_checksum_it_starts_over(server, dest, etag):
    server.etag = etag
    server.troubles = [('drop', 100_000)]
    download(server.url, dest)
    assert 'Range' not in server.requests[1]
    assert_only_file(dest)


def test_without_validator_the_checksum_allows_to_continue(server, dest):
    server.etag = ''
    server.troubles = [('drop', 100_000)]
    download(server.url, dest, md5=MD5)
    assert server.requests[1]['Range'] == 'bytes=100000-'
    assert 'If-Range' not in server.requests[1]
    assert_only_file(dest)


def test_server_that_ignores_ranges(server, dest):
    server.ranges = False
    server.troubles = [('drop', 200_000)]
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)


def test_server_that_ignores_ranges_and_always_drops_is_given_up(server, dest):
    server.ranges = False
    server.troubles = [('drop', 1000)] * 50
    with pytest.raises(DownloadError, match='ended after|IncompleteRead'):
        download(server.url, dest)
    assert len(server.requests) < 10


def test_many_drops_are_fine_as_long_as_bytes_arrive(server, dest):
    server.troubles = [('drop', 10_000)] * 29
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)


def test_wrong_continuation_is_not_believed(server, dest):
    server.troubles = [('drop', 1000), ('headers', {'Content-Range': 'bytes 7-299999/300000'})]
    download(server.url, dest)
    assert_only_file(dest)


def test_server_errors_are_waited_out(server, dest):
    server.troubles = [500, 503, 429]
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)


@pytest.mark.parametrize('status, hint', [(404, 'home page'), (403, 'licence'), (401, 'account')])
def test_refusals_are_told_at_once(server, dest, status, hint):
    server.troubles = [status]
    with pytest.raises(DownloadError, match=f'file.bin.*{status}.*{hint}'):
        download(server.url + '?token=secret', dest)
    assert len(server.requests) == 1
    assert os.listdir(os.path.dirname(dest)) == []


def test_credentials_are_not_shown(server, dest):
    server.troubles = [404]
    url = server.url.replace('//', '//user:secret@') + '?token=secret'
    with pytest.raises(DownloadError) as e:
        download(url, dest)
    assert 'secret' not in str(e.value)


def test_wrong_bytes_are_fetched_once_more(server, dest):
    server.troubles = [('body', b'x' * len(CONTENT))]
    download(server.url, dest, md5=MD5)
    assert len(server.requests) == 2
    assert_only_file(dest)


def test_wrong_bytes_twice_is_an_error_with_both_sums(server, dest):
    server.content = b'x' * len(CONTENT)
    actual = hashlib.md5(server.content).hexdigest()
    with pytest.raises(DownloadError, match=f'{actual}.*{MD5}'):
        download(server.url, dest, md5=MD5)
    assert len(server.requests) == 2
    assert os.listdir(os.path.dirname(dest)) == []


def test_damaged_part_is_recovered_from(server, dest):
    server.troubles = [('drop', 100_000)] + [500] * 9
    with pytest.raises(DownloadError):
        download(server.url, dest, md5=MD5)
    with open(dest + '.part', 'r+b') as f:
        f.write(b'damage')
    server.troubles = []
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)


def test_part_that_was_complete_is_only_checked(server, dest):
    server.troubles = [('drop', 100_000)] + [500] * 9
    with pytest.raises(DownloadError):
        download(server.url, dest, md5=MD5)
    with open(dest + '.part', 'wb') as f:
        f.write(CONTENT)
    server.troubles = []
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)


def test_part_longer_than_the_file(server, dest):
    server.troubles = [('drop', 100_000)] + [500] * 9
    with pytest.raises(DownloadError):
        download(server.url, dest, md5=MD5)
    with open(dest + '.part', 'ab') as f:
        f.write(CONTENT)
    server.troubles = []
    download(server.url, dest, md5=MD5)
    assert_only_file(dest)


def test_wrong_length_is_told_before_anything_is_fetched(server, dest):
    with pytest.raises(DownloadError, match='announces 300,000 bytes, but 299,999'):
        download(server.url, dest, size=len(CONTENT) - 1)
    assert os.listdir(os.path.dirname(dest)) == []


def test_wrong_length_without_announcement(server, dest):
    server.lengths = False
    with pytest.raises(DownloadError, match='bytes, but 299,999 are expected'):
        download(server.url, dest, size=len(CONTENT) - 1)
    download(server.url, dest, size=len(CONTENT))
    assert_only_file(dest)


def test_login_page_is_not_taken_for_the_file(server, dest):
    server.troubles = [('headers', {'Content-Type': 'text/html; charset=utf-8'})]
    with pytest.raises(DownloadError, match='web page instead of the file'):
        download(server.url, dest)
    assert os.listdir(os.path.dirname(dest)) == []


def test_compressed_file_is_stored_as_sent(server, dest):
    server.troubles = [('headers', {'Content-Encoding': 'x-gzip'})]
    download(server.url, dest + '.tar.gz', md5=MD5)
    assert_only_file(dest + '.tar.gz')
    server.troubles = [('headers', {'Content-Encoding': 'gzip'})]
    with pytest.raises(DownloadError, match='compressed'):
        download(server.url, dest)


@pytest.mark.parametrize('known', [{'md5': MD5}, {'sha256': SHA256}, {'size': len(CONTENT)}])
def test_file_that_a_person_placed_is_never_overwritten(server, dest, known):
    os.makedirs(os.path.dirname(dest))
    with open(dest, 'w') as f:
        f.write('mine')
    with pytest.raises(RawDataError, match='expected.*not overwritten. Delete it'):
        download(server.url, dest, **known)
    assert read(dest) == b'mine'
    assert server.requests == []


def test_file_that_a_person_placed_is_used(server, dest):
    os.makedirs(os.path.dirname(dest))
    with open(dest, 'w') as f:
        f.write('mine')
    download(server.url, dest)
    assert read(dest) == b'mine' and server.requests == []


def test_empty_file_in_place_is_replaced_and_a_folder_is_not(server, dest):
    os.makedirs(os.path.dirname(dest))
    open(dest, 'w').close()
    download(server.url, dest)
    assert_only_file(dest)
    os.mkdir(dest + '2')
    with pytest.raises(RawDataError, match='in the way'):
        download(server.url, dest + '2')


def test_full_disk_keeps_the_part(server, dest):
    """The limit on file size stands for the full disk: both fail the write, with another errno."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (123_456, limits[1]))
    try:
        with pytest.raises(DownloadError, match='disk is full.*123,456 bytes so far are kept'):
            download(server.url, dest, md5=MD5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert read(dest + '.part') == CONTENT[:123_456]
    server.requests.clear()
    download(server.url, dest, md5=MD5)
    assert server.requests[0]['Range'] == 'bytes=123456-'
    assert_only_file(dest)


def test_no_space_left_on_device(server, dest):
    os.makedirs(os.path.dirname(dest))
    os.symlink('/dev/full', dest + '.part')
    with pytest.raises(DownloadError, match='disk is full.*No space left'):
        download(server.url, dest)


def test_more_than_fits_on_the_disk_is_told_beforehand(server, dest):
    server.troubles = [('headers', {'Content-Length': str(10**18)})]
    with pytest.raises(DownloadError, match='are free on this disk'):
        download(server.url, dest)


def test_unusable_address(tmp_path):
    with pytest.raises(DownloadError, match='cannot fetch gopher://host/x'):
        download('gopher://host/x', tmp_path / 'x')


def test_unreachable_server(server, dest):
    server.close()
    with pytest.raises(DownloadError, match='failed 4 times in a row.*Check the network'):
        download(server.url, dest)


def test_certificates_are_verified(server, dest):
    cert = os.path.join(os.path.dirname(__file__), 'self_signed.pem')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    server.httpd.socket = context.wrap_socket(server.httpd.socket, server_side=True)
    with pytest.raises(DownloadError, match='certificate.*cannot be verified'):
        download(server.url.replace('http:', 'https:'), dest)
    assert server.requests == []


def _download_in_process(url, dest, barrier):
    barrier.wait()
    download(url, dest, md5=MD5, progress=False)


def test_processes_do_not_disturb_each_other(server, dest):
    context = multiprocessing.get_context('fork')
    barrier = context.Barrier(4)
    processes = [
        context.Process(target=_download_in_process, args=(server.url, dest, barrier))
        for _ in range(4)
    ]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    assert [p.exitcode for p in processes] == [0] * 4
    assert len(server.requests) == 1
    assert_only_file(dest)


def test_output_is_one_line_per_file_without_a_terminal(server, dest, capfd):
    server.troubles = [('drop', 1000)]
    download(server.url, dest)
    assert capfd.readouterr().err == f'Downloading {server.url} to {dest}\n'
    download(server.url, dest + '2', progress=False)
    assert capfd.readouterr().err == ''
    download(server.url, dest + '3', progress=True)
    assert 'file.bin3: 100%' in capfd.readouterr().err
