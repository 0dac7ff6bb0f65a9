import hashlib
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time

import pytest

from posepile.ds.h36m import extract, fetch
from posepile.ds.h36m.archives import (
    KINDS,
    KNOWN_MD5,
    OLD_VIDEOS_S11_MD5,
    SERVER_IDS,
    list_archives,
    read_checksums,
)
from posepile.ds.h36m.progress import Progress
from posepile.errors import BadFileError
from posepile.raw import parallel, patience
from posepile.raw.throttle import Throttle
from posepile.simulate.origin import MARKER
from tests.ds.h36m.server import EMAIL, PASSWORD, TLS_CERTIFICATE, Server, small_release

FILES = small_release()
WITHOUT_SUM = ('Segments_mat_gt_bb', 'code-v1.2')


def checksum_lines(files=FILES):
    return [
        f'{hashlib.md5(content).hexdigest()}  archives/{name}'
        for name, content in files.items()
        if not name.startswith(WITHOUT_SUM)
    ]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(patience, 'BACKOFF', (0, 0, 0))
    monkeypatch.delenv('REQUESTS_CA_BUNDLE', raising=False)
    server = Server(dict(FILES))
    yield server
    server.close()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    monkeypatch.setenv('H36M_EMAIL', EMAIL)
    monkeypatch.setenv('H36M_PASSWORD', PASSWORD)
    monkeypatch.delenv('H36M_PHPSESSID', raising=False)
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'h36m'
    (root / 'archives').mkdir(parents=True)
    (root / 'archives' / 'checksums.txt').write_text('\n'.join(checksum_lines()) + '\n')
    return root


def run(server, *options):
    return fetch.main(['--server', server.url, '--subjects', 'S1,S5', *options])


def assert_complete(root, files=FILES):
    folder = root / 'archives'
    assert set(os.listdir(folder)) == {*files, 'checksums.txt'}
    for name, content in files.items():
        assert (folder / name).read_bytes() == content, name


def test_everything_is_fetched_once(server, root, capfd):
    assert run(server) == 0
    assert_complete(root)
    assert server.logins == 1
    n_requests = len(server.requests)
    err = capfd.readouterr().err
    assert 'Videos_S5.tgz: complete, 30' in err and 'in total 13 of 13 files' in err
    assert run(server) == 0
    assert (server.logins, len(server.requests)) == (1, n_requests)


def test_addresses_are_those_of_the_site(server, root):
    run(server, '--kinds', 'Videos,Poses_D3_Positions_mono_universal,code', '--subjects', 'S5')
    assert sorted({path for path, _ in server.requests}) == [
        '/human3.6m/code-v1.2.zip',
        '/human3.6m/filebrowser.php?download=1&filepath=Poses/D3_Positions_mono_universal'
        '&filename=SubjectSpecific_6.tgz&downloadname=S5',
        '/human3.6m/filebrowser.php?download=1&filepath=Videos'
        '&filename=SubjectSpecific_6.tgz&downloadname=S5',
    ]


def test_published_checksums():
    archives = list_archives()
    assert len(archives) == 6 * 7 + 1 and len(KNOWN_MD5) == len(set(KNOWN_MD5.values())) == 35
    by_name = {a.name: a.md5 for a in archives}
    assert by_name['Videos_S11.tgz'] == '25c25250be8f75d7991dcbf74bb9d339'
    assert by_name['Poses_D3_Positions_mono_S7.tgz'] == '807109c1a304ce67c6f0cc06a94846fc'
    assert by_name['Poses_D2_Positions_S1.tgz'] == '69e038858ace96ba5f6c5ccea52e95e8'
    assert [n for n, md5 in by_name.items() if md5 is None] == [
        'code-v1.2.zip', *(f'Segments_mat_gt_bb_S{i}.tgz' for i in SERVER_IDS)
    ]  # fmt: skip


@pytest.fixture
def many_pieces(monkeypatch):
    """Files of 300 kB come in 8 pieces."""
    original = parallel.PieceFile.opened
    monkeypatch.setattr(
        parallel.PieceFile, 'opened', lambda dest, piece_size: original(dest, 40_000)
    )


def fetch_videos(server, *options):
    return fetch.main(['--server', server.url, '--subjects', 'S1', '--kinds', 'Videos', *options])


def assert_videos(root):
    name = 'Videos_S1.tgz'
    assert (root / 'archives' / name).read_bytes() == FILES[name]
    assert set(os.listdir(root / 'archives')) == {name, 'checksums.txt'}


def test_several_connections_at_a_time(server, root, many_pieces):
    server.delay = 0.02
    assert fetch_videos(server, '--connections', '4') == 0
    assert_videos(root)
    assert 2 <= server.most_at_a_time <= 4
    ranges = [r for _, r in server.requests]
    assert ranges[0] == 'bytes=0-0' and len(ranges) == len(set(ranges)) == 9


def test_slow_connection_does_not_hold_up_the_others(server, root):
    """A file of a single piece comes over several connections all the same."""
    server.files['Videos_S1.tgz'] = os.urandom(8 << 20)
    server.delay = 0.01
    (root / 'archives' / 'checksums.txt').write_text('\n'.join(checksum_lines(server.files)))
    assert fetch_videos(server, '--connections', '4') == 0
    assert server.most_at_a_time >= 3
    ends = [int(r.split('-')[1]) for _, r in server.requests]
    assert len(ends) > 4 and max(ends) == (8 << 20) - 1


TROUBLES = {
    'dropped connections': ['ok', ('drop', 1000), ('drop', 0), 'ok', ('drop', 39_000)],
    'errors of the server': [500, 503, 'ok', 500, 502, 'ok', 429],
    'expired session': ['ok', 'ok', 'expire'],
    'session that expires again and again': ['expire', 'ok', 'expire', 'ok', 'expire', 'ok'],
    'a page at first': ['page', 'ok', 'page'],
    'another range than asked': ['ok', ('shift', 7), 'ok'],
    'wrong bytes': ['ok', ('wrong', 5)],
    'another state': ['ok', 'ok', ('headers', {'ETag': '"2"'})],
    'a part that is announced as longer': ['ok', ('headers', {'Content-Length': '40001'})],
    'refusal at first': ['ok', 403, 401],
}


@pytest.mark.parametrize('what', TROUBLES)
@pytest.mark.parametrize('connections', [1, 4])
def test_troubles_are_got_over(server, root, many_pieces, what, connections):
    server.troubles = list(TROUBLES[what])
    assert fetch_videos(server, '--connections', str(connections)) == 0
    assert_videos(root)
    assert server.troubles == []


def test_expiry_costs_one_login_and_no_bytes(server, root, many_pieces):
    server.troubles = ['ok'] * 4 + ['expire']
    server.delay = 0.01
    assert fetch_videos(server, '--connections', '4') == 0
    assert_videos(root)
    assert server.logins == 2


@pytest.mark.parametrize('etag', ['"1"', None])
@pytest.mark.parametrize('connections', [1, 4])
def test_server_without_ranges(server, root, many_pieces, connections, etag):
    server.ranges = False
    server.etag = etag
    server.troubles = [('drop', 100_000)]
    assert fetch_videos(server, '--connections', str(connections)) == 0
    assert_videos(root)
    assert len(server.requests) == 2


def test_server_that_knows_ranges_at_times(server, root, many_pieces):
    server.troubles = ['ok', ('headers', {'Content-Range': 'bytes 0-9/10'})] * 3
    assert fetch_videos(server, '--connections', '1') == 0
    assert_videos(root)


def test_wrong_bytes_for_good_are_one_error_and_the_others_are_fetched(server, root, capfd):
    server.files['Poses_D2_Positions_S1.tgz'] = b'x' + FILES['Poses_D2_Positions_S1.tgz'][1:]
    wrong = hashlib.md5(server.files['Poses_D2_Positions_S1.tgz']).hexdigest()
    assert run(server) == 1
    errors = [e for e in capfd.readouterr().err.splitlines() if 'error' in e]
    assert len(errors) == 1 and 'Poses_D2_Positions_S1.tgz' in errors[0] and wrong in errors[0]
    assert set(os.listdir(root / 'archives')) == {
        *set(FILES) - {'Poses_D2_Positions_S1.tgz'}, 'checksums.txt'
    }  # fmt: skip
    paths = [path for path, _ in server.requests]
    assert sum('D2_Positions' in p and 'downloadname=S1' in p for p in paths) <= 6
    server.files = FILES
    assert run(server) == 0
    assert_complete(root)


@pytest.mark.parametrize('name', ['Segments_mat_gt_bb_S1.tgz', 'code-v1.2.zip'])
@pytest.mark.parametrize('damage', ['cut', 'changed', 'another subject', 'nothing'])
def test_archives_without_checksum_are_read_to_their_end(server, root, capfd, name, damage):
    content = bytearray(FILES[name])
    if damage == 'changed':
        content[len(content) // 2] ^= 1
    server.files[name] = {
        'cut': content[:-30],
        'changed': content,
        'another subject': FILES['Segments_mat_gt_bb_S5.tgz'],
        'nothing': b'',
    }[damage]
    assert run(server, '--subjects', 'S1', '--kinds', 'Segments_mat_gt_bb,code') == 1
    assert name in capfd.readouterr().err
    assert not os.path.exists(root / 'archives' / name)


def test_file_with_wrong_content_is_replaced(server, root, capfd):
    path = root / 'archives' / 'Videos_S1.tgz'
    path.write_bytes(FILES['Videos_S1.tgz'][:1000])
    assert fetch_videos(server) == 0
    assert 'is expected. It is fetched again' in capfd.readouterr().err
    assert_videos(root)


def test_old_archive_of_s11_is_recognised(tmp_path, monkeypatch):
    archive = list_archives((11,), ('Videos',))[0]
    monkeypatch.setattr(
        'posepile.ds.h36m.archives.Expected.mismatch_of',
        lambda self, path: f'has md5 {OLD_VIDEOS_S11_MD5}, but {self.md5} is expected',
    )
    assert 'before 2020' in archive.find_problem(tmp_path)


def test_what_was_unpacked_is_not_fetched_again(server, root):
    (root / 'S1' / 'Videos').mkdir(parents=True)
    assert fetch_videos(server, '--list') == 0
    (root / 'S1' / 'Videos' / 'Walking.54138969.mp4').write_text('x')
    assert fetch_videos(server) == 0
    assert server.requests == [] and server.logins == 0
    (root / 'S1' / 'Videos' / 'Walking.54138969.mp4').unlink()
    assert fetch_videos(server) == 0
    assert server.logins == 1


def test_archives_of_the_fetch_system(server, root, capfd):
    options = ['--layout', 'h36m-fetch', '--json']
    assert run(server, *options) == 0
    fetched = {e['name'] for e in json.loads(capfd.readouterr().out)}
    assert fetched == {n for n in FILES if n.startswith(('Videos', 'Poses'))}
    for name in fetched:
        (root / 'archives' / name).unlink()
    kind_folder = root / 'extracted' / 'S5' / 'Poses_D3_Positions'
    kind_folder.mkdir(parents=True)
    (kind_folder / 'Walking.cdf').write_text('x')
    only = ['--kinds', 'Poses_D3_Positions']
    assert run(server, *options, *only) == 0
    assert {e['name']: e['state'] for e in json.loads(capfd.readouterr().out)} == {
        'Poses_D3_Positions_S1.tgz': 'fetched', 'Poses_D3_Positions_S5.tgz': 'unpacked'
    }  # fmt: skip


def command(server, *options):
    """The command in another process, with little pieces."""
    code = (
        'import sys; from posepile.raw import parallel; from posepile.ds.h36m import fetch;'
        'opened = parallel.PieceFile.opened;'
        'parallel.PieceFile.opened = lambda dest, piece_size: opened(dest, 40_000);'
        'parallel.PieceFile.__init__.__globals__["_RECORD_EVERY"] = 0;'
        'sys.exit(fetch.main(sys.argv[1:]))'
    )
    arguments = ['--server', server.url, '--subjects', 'S1', '--kinds', 'Videos', *options]
    return subprocess.Popen(
        [sys.executable, '-c', code, *arguments],
        stderr=subprocess.PIPE,
        # Shells have them ignored in what they start in the background, such as this test run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_run_is_continued(server, root, how):
    server.delay = 0.1
    process = command(server, '--connections', '2')
    part = root / 'archives' / 'Videos_S1.tgz.part.json'
    while not (part.exists() and len(server.requests) > 4):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait() != 0
    process.stderr.close()
    left = sum(end - start for start, end in json.loads(part.read_text())['missing'])
    assert 0 < left < len(FILES['Videos_S1.tgz'])
    with open(str(part)[:-5], 'rb') as f:
        assert len(f.read()) > 0
    assert not (root / 'archives' / 'Videos_S1.tgz').exists()

    server.delay = 0
    server.requests.clear()
    assert fetch_videos(server, '--connections', '1') == 0
    assert_videos(root)
    asked = [[int(n) for n in r.removeprefix('bytes=').split('-')] for _, r in server.requests]
    assert sum(end + 1 - start for start, end in asked) == left + 1


def test_full_disk_is_told_and_continued(server, root, many_pieces, capfd):
    """The limit on file size stands for the full disk: both fail the write, with another errno."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (123_456, limits[1]))
    try:
        assert fetch_videos(server, '--connections', '1') == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert 'disk is full (File too large). The 123,456 bytes so far' in capfd.readouterr().err
    server.requests.clear()
    assert fetch_videos(server, '--connections', '1') == 0
    assert server.requests[1][1] == 'bytes=123456-163455'
    assert_videos(root)


def test_more_than_fits_is_told_beforehand(server, root, capfd):
    headers = {'Content-Range': f'bytes 0-0/{10**18}'}
    server.troubles = [('headers', headers)]
    assert fetch_videos(server) == 1
    assert 'are free on this disk' in capfd.readouterr().err
    assert os.listdir(root / 'archives') == ['checksums.txt']


def test_server_that_fails_for_good(server, root, many_pieces, capfd):
    server.troubles = ['ok', 'ok', 'ok'] + [500] * 1000
    assert fetch_videos(server, '--connections', '1') == 1
    err = capfd.readouterr().err
    assert 'failed 4 times in a row, last with: HTTP status 500' in err and 'run again' in err
    server.troubles = []
    server.requests.clear()
    assert fetch_videos(server, '--connections', '1') == 0
    assert len(server.requests) == 1 + 8 - 2
    assert_videos(root)


@pytest.mark.parametrize('status', [404, 410])
def test_files_that_are_gone(server, root, capfd, status):
    server.troubles = [status]
    assert run(server) == 1
    assert f'code-v1.2.zip answered with HTTP status {status}' in capfd.readouterr().err
    assert set(os.listdir(root / 'archives')) == {*FILES, 'checksums.txt'} - {'code-v1.2.zip'}
    assert run(server) == 0
    assert_complete(root)


def test_rate_is_limited():
    waited = []
    throttle = Throttle(1000)
    for _ in range(10):
        throttle.take(100, waited.append)
    # Nobody has really waited, so the last one would have to wait for nearly all of it.
    assert 0.6 < waited[-1] < 1.1 and waited == sorted(waited)
    with pytest.raises(ValueError):
        Throttle(0)


def test_rate_option_reaches_all_connections(server, root, many_pieces, monkeypatch):
    taken = []
    monkeypatch.setattr(Throttle, 'take', lambda self, n, wait: taken.append((self.rate, n)))
    assert fetch_videos(server, '--limit-rate', '1.5M') == 0
    assert sum(n for _, n in taken) == len(FILES['Videos_S1.tgz'])
    assert {rate for rate, _ in taken} == {1.5e6}


def test_list_and_json_need_no_account(server, root, monkeypatch, capfd):
    monkeypatch.delenv('H36M_EMAIL')
    assert fetch.main(['--list']) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 43
    assert lines[0].startswith('-' * 32 + '  code-v1.2.zip  https://vision.imar.ro/human3.6m/code')
    assert fetch.main(['--list', '--json', '--subjects', 'S11', '--kinds', 'Videos']) == 0
    (entry,) = json.loads(capfd.readouterr().out)
    assert entry['name'] == 'Videos_S11.tgz'
    assert entry['path'] == str(root / 'archives' / 'Videos_S11.tgz')
    assert entry['url'].endswith('filename=SubjectSpecific_5.tgz&downloadname=S11')


def test_json_tells_the_state_of_each_file(server, root, capfd):
    (root / 'archives' / 'Videos_S1.tgz').write_bytes(FILES['Videos_S1.tgz'])
    assert run(server, '--kinds', 'Videos', '--json') == 0
    out = capfd.readouterr().out
    assert {e['name']: e['state'] for e in json.loads(out)} == {
        'Videos_S1.tgz': 'complete', 'Videos_S5.tgz': 'fetched'
    }  # fmt: skip


@pytest.mark.parametrize(
    'options',
    [['--subjects', 'S2'], ['--kinds', 'video'], ['--connections', '0'], ['--limit-rate', '-1'],
     ['--limit-rate', '2MB'], ['--password', 'x'], ['--insec']],
)  # fmt: skip
def test_options_that_make_no_sense(options, capfd):
    with pytest.raises(SystemExit):
        fetch.main(options)
    assert options[0] in capfd.readouterr().err


def test_checksums_of_other_forms(tmp_path):
    path = tmp_path / 'sums'
    path.write_text(f'{"A" * 32} *archives/x.tgz\n\n{"b" * 32}  y.tgz\n')
    assert read_checksums(path) == {'x.tgz': 'a' * 32, 'y.tgz': 'b' * 32}
    path.write_text('x.tgz abc\n')
    with pytest.raises(BadFileError, match='line 1'):
        read_checksums(path)
    with pytest.raises(BadFileError, match='no such list'):
        read_checksums(tmp_path / 'none')


def test_simulated_release_contacts_nobody(server, root, capfd):
    (root / MARKER).write_text('{}')
    for name, content in FILES.items():
        (root / 'archives' / name).write_bytes(content)
    assert run(server) == 0
    (root / 'archives' / 'Videos_S5.tgz').unlink()
    assert run(server) == 1
    assert 'Videos_S5.tgz: is missing; this release is simulated' in capfd.readouterr().err
    (root / 'S5' / 'Videos').mkdir(parents=True)
    (root / 'S5' / 'Videos' / 'Walking.54138969.mp4').write_text('x')
    assert run(server) == 0
    (root / 'archives' / 'Videos_S1.tgz').write_bytes(b'x')
    assert run(server) == 1
    assert 'Videos_S1.tgz: has md5' in capfd.readouterr().err
    assert server.requests == [] and server.logins == 0


def test_secrets_are_nowhere(root, monkeypatch, capfd):
    """Neither in what is printed, nor on disk, nor in the arguments of the process."""
    monkeypatch.delenv('REQUESTS_CA_BUNDLE', raising=False)
    server = Server(dict(FILES), tls=True)
    server.delay = 0.1
    process = command(server, '--insecure')
    while len(server.requests) < 3:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    with open(f'/proc/{process.pid}/cmdline', 'rb') as f:
        told = f.read()
    told += b''.join(p.read_bytes() for p in root.rglob('*') if p.is_file())
    server.delay = 0
    told += process.communicate()[1]
    assert process.returncode == 0
    assert b'Warning: --insecure' in told
    told += b''.join(p.read_bytes() for p in root.rglob('*') if p.name not in FILES and p.is_file())
    assert server.logins == 1
    for secret in [EMAIL, PASSWORD, *server.sessions]:
        assert secret.encode() not in told
    server.close()


def test_certificate_that_cannot_be_verified(root, monkeypatch, capfd):
    server = Server(dict(FILES), tls=True)
    monkeypatch.delenv('REQUESTS_CA_BUNDLE', raising=False)
    assert fetch_videos(server) == 1
    assert '--insecure' in capfd.readouterr().err and server.logins == 0
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', TLS_CERTIFICATE)
    assert fetch_videos(server) == 0
    assert_videos(root)
    server.close()


def test_stalled_connection_is_given_up_and_another_one_continues(
    server, root, many_pieces, monkeypatch
):
    monkeypatch.setattr('posepile.ds.h36m.session.TIMEOUT', (5, 0.3))
    server.troubles = ['ok', 'ok', ('stall', 20_000), 'ok', ('stall', 0)]
    assert fetch_videos(server, '--connections', '2') == 0
    assert_videos(root)


def test_bars_on_a_terminal(capfd):
    with Progress(2, is_terminal=True) as progress:
        for name in 'ab':
            progress.begin(name)
            progress.update(500, 1000)
            progress.say(f'about {name}')
            progress.end(1000)
    err = capfd.readouterr().err
    assert 'about a' in err and '2/2' in err and '2 kB' in err


def test_line_now_and_then_without_a_terminal(monkeypatch, capfd):
    monkeypatch.setattr('posepile.ds.h36m.progress._EVERY', 0)
    with Progress(2, is_terminal=False) as progress:
        progress.begin('a')
        progress.update(250_000, 1_000_000)
        progress.update(500_000, 1_000_000)
    assert 'a: 50% of 1 MB, ' in capfd.readouterr().err.splitlines()[-1]


def test_address_from_the_environment(server, root, monkeypatch):
    monkeypatch.setenv('H36M_SERVER', server.url)
    assert fetch.main(['--subjects', 'S1', '--kinds', 'Videos']) == 0
    assert_videos(root)


def test_config_file(server, root, monkeypatch, capfd):
    monkeypatch.delenv('H36M_EMAIL')
    monkeypatch.delenv('H36M_PASSWORD')
    config = root / 'config.ini'
    config.write_text(f'[General]\nPHPSESSID = {server.new_session()}\n')
    config.chmod(stat.S_IRUSR | stat.S_IRGRP)
    assert fetch_videos(server) == 1
    assert 'chmod 600' in capfd.readouterr().err
    config.chmod(stat.S_IRUSR | stat.S_IWUSR)
    server.troubles = ['ok', 'expire']
    assert fetch_videos(server) == 1
    assert 'PHPSESSID (any more)' in capfd.readouterr().err
    config.write_text(f'[General]\nPHPSESSID = {server.new_session()}\n')
    assert fetch_videos(server) == 0
    assert_videos(root)


def test_two_at_a_time_share_the_work(server, root):
    server.delay = 0.02
    processes = [command(server, '--connections', '1') for _ in range(2)]
    errors = [p.communicate()[1] for p in processes]
    assert [p.returncode for p in processes] == [0, 0], errors
    assert_videos(root)
    assert len(server.requests) == 9


@pytest.mark.slow
def test_simulated_release_comes_over_the_network_as_it_is(
    simulated_root, tmp_path, root, monkeypatch
):
    """The archives that the simulation makes are as the server has them."""
    source = simulated_root('h36m') / 'h36m'
    archives = source / 'archives'
    files = {p.name: p.read_bytes() for p in archives.iterdir() if p.suffix in ('.tgz', '.zip')}
    assert len(files) == 43
    server = Server(files)
    monkeypatch.setenv('H36M_SERVER', server.url)
    assert fetch.main(['--checksums', str(archives / 'checksums.txt')]) == 0
    server.close()
    assert extract.main([]) == 0
    for path in source.rglob('*'):
        name = path.relative_to(source)
        if path.is_file() and name.parts[0] in ('S1', 'S9', 'S11', 'Release-v1.2'):
            assert (root / name).read_bytes() == path.read_bytes(), name


def test_kinds_cover_what_the_outputs_read():
    assert len(KINDS) == 7
    assert len({a.folder for a in list_archives()}) == 43
