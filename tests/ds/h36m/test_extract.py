import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest

from posepile.ds.h36m import extract
from posepile.ds.h36m.archives import LAYOUTS, list_archives
from posepile.simulate.origin import MARKER


def write_tar(path, members):
    """Members: (name, content) of files, or TarInfo of anything else."""
    with tarfile.open(path, 'w:gz') as t:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                t.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            t.addfile(info, io.BytesIO(member[1]))


def special(name, kind, target=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def content_of(archive):
    kinds = {
        'Videos': ['_ALL 1.54138969.mp4', 'Walking 1.54138969.mp4', 'Walking.54138969.mp4'],
        'Segments_mat_gt_bb': ['Walking 1.54138969.mat'],
        'Poses_D3_Positions': ['Walking 1.cdf', 'Walking.cdf'],
    }
    names = kinds.get(archive.kind, ['Walking 1.54138969.cdf'])
    return [(f'{archive.folder}/{n}', f'{archive.name} {n}'.encode()) for n in names]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The archives of S1 and S11 and the code, as the server has them."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    root = tmp_path / 'h36m'
    (root / 'archives').mkdir(parents=True)
    for archive in list_archives((1, 11)):
        path = root / 'archives' / archive.name
        if archive.kind == 'code':
            with zipfile.ZipFile(path, 'w') as z:
                z.writestr('Release-v1.2/metadata.xml', '<a/>')
                z.writestr('Release-v1.2/H36M/README', 'code')
        else:
            folders = [special(f'S{archive.subject}/', tarfile.DIRTYPE)]
            write_tar(path, folders + content_of(archive))
    return root


def run(*options):
    return extract.main(['--subjects', 'S1,S11', *options])


def files_below(folder):
    paths = (
        os.path.relpath(os.path.join(d, n), folder) for d, _, ns in os.walk(folder) for n in ns
    )
    return {p: open(os.path.join(folder, p), 'rb').read() for p in sorted(paths)}


def files_of_release(root):
    found = files_below(root)
    return {p: c for p, c in found.items() if not p.startswith(('archives/', '.unpacked/'))}


EXPECTED_RELEASE = {
    **{name: c for a in list_archives((1, 11)) if a.subject for name, c in content_of(a)},
    'Release-v1.2/metadata.xml': b'<a/>',
    'Release-v1.2/H36M/README': b'code',
}
EXPECTED_FETCH_SYSTEM = {
    f'S{a.subject}/{a.kind}/{os.path.basename(name)}': c
    for a in list_archives((1, 11))
    if a.kind.startswith(('Videos', 'Poses'))
    for name, c in content_of(a)
}


def test_layout_of_the_release(root):
    assert run() == 0
    assert files_of_release(root) == EXPECTED_RELEASE
    assert len(os.listdir(root / 'archives')) == 13


def test_layout_of_the_fetch_system(root):
    assert run('--layout', 'h36m-fetch') == 0
    assert files_below(root / 'extracted') == EXPECTED_FETCH_SYSTEM
    assert set(EXPECTED_FETCH_SYSTEM) >= {
        'S1/Poses_D2_Positions/Walking 1.54138969.cdf',
        'S1/Poses_D3_Positions/Walking.cdf',
        'S11/Poses_D3_Positions_mono/Walking 1.54138969.cdf',
        'S11/Poses_D3_Positions_mono_universal/Walking 1.54138969.cdf',
        'S1/Videos/Walking.54138969.mp4',
    }


def test_other_folder_for_the_fetch_system(root, tmp_path):
    archives = ['--archives', str(root / 'archives')]
    other = tmp_path / 'other'
    assert run('--layout', 'h36m-fetch', '--root', str(other), *archives) == 0
    assert files_below(other / 'extracted') == EXPECTED_FETCH_SYSTEM
    assert files_of_release(root) == {}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_second_run_changes_nothing(root, layout, capfd):
    assert run('--layout', layout) == 0
    before = {p: p.stat().st_mtime_ns for p in root.rglob('*') if p.is_file()}
    assert run('--layout', layout) == 0
    assert {p: p.stat().st_mtime_ns for p in root.rglob('*') if p.is_file()} == before


@pytest.mark.parametrize('layout', LAYOUTS)
def test_archives_are_deleted_on_request_and_not_missed(root, layout, capfd):
    assert run('--layout', layout, '--delete-archives', '--json') == 0
    left = ['Segments_mat_gt_bb_S1.tgz', 'Segments_mat_gt_bb_S11.tgz', 'code-v1.2.zip']
    assert sorted(os.listdir(root / 'archives')) == ([] if layout == 'release' else left)
    capfd.readouterr()
    assert run('--layout', layout, '--json') == 0
    assert {e['state'] for e in json.loads(capfd.readouterr().out)} == {'in place'}


def test_missing_archive_is_told(root, capfd):
    (root / 'archives' / 'Videos_S11.tgz').unlink()
    for layout in LAYOUTS:
        assert run('--layout', layout) == 1
        err = capfd.readouterr().err
        assert 'Videos_S11.tgz: there is no such archive' in err
        assert 'python -m posepile.ds.h36m.fetch' in err


@pytest.mark.parametrize('layout', LAYOUTS)
def test_archive_that_was_cut_leaves_nothing_that_looks_complete(root, layout, capfd):
    path = root / 'archives' / 'Videos_S1.tgz'
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert run('--layout', layout, '--delete-archives') == 1
    assert 'Videos_S1.tgz: is damaged or incomplete' in capfd.readouterr().err
    assert path.exists() and not (root / 'extracted' / 'S1' / 'Videos').exists()
    path.write_bytes(whole)
    assert run('--layout', layout) == 0
    if layout == 'release':
        assert files_of_release(root) == EXPECTED_RELEASE
    else:
        assert files_below(root / 'extracted') == EXPECTED_FETCH_SYSTEM


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize(
    'member',
    [
        ('../../escaped', b'x'),
        ('/tmp/escaped', b'x'),
        ('S1/Videos/../../../escaped', b'x'),
        special('S1/Videos/link', tarfile.SYMTYPE, '../../../escaped'),
        special('S1/Videos/link', tarfile.SYMTYPE, '/etc/passwd'),
        special('S1/Videos/pipe', tarfile.FIFOTYPE),
        special('S1/Videos/hard', tarfile.LNKTYPE, '../escaped'),
    ],
    ids=lambda m: m[0] if isinstance(m, tuple) else f'{m.name}->{m.linkname}',
)
def test_members_that_are_not_safe(root, tmp_path, layout, member, capfd):
    write_tar(root / 'archives' / 'Videos_S1.tgz', [('S1/Videos/a.mp4', b'a'), member])
    assert run('--layout', layout, '--kinds', 'Videos', '--subjects', 'S1') == 1
    assert 'not safe' in capfd.readouterr().err
    assert not list(tmp_path.parent.rglob('escaped'))
    assert not (root / 'extracted' / 'S1' / 'Videos').exists()


def test_regular_files_only_and_the_common_folders_are_left_out(root):
    members = [
        special('S1/empty/', tarfile.DIRTYPE),
        ('S1/Videos/deep/a.mp4', b'a'),
        ('S1/Videos/b.mp4', b'b'),
        special('S1/Videos/nothing/', tarfile.DIRTYPE),
        special('S1/Videos/link.mp4', tarfile.SYMTYPE, 'b.mp4'),
        special('S1/Videos/hard.mp4', tarfile.LNKTYPE, 'S1/Videos/b.mp4'),
    ]
    write_tar(root / 'archives' / 'Videos_S1.tgz', members)
    options = ['--kinds', 'Videos', '--subjects', 'S1']
    assert run('--layout', 'h36m-fetch', *options) == 0
    target = root / 'extracted' / 'S1' / 'Videos'
    assert files_below(target) == {'deep/a.mp4': b'a', 'b.mp4': b'b', 'hard.mp4': b'b'}
    assert sorted(os.listdir(target)) == ['b.mp4', 'deep', 'hard.mp4']
    assert os.listdir(target.parent) == ['Videos']


def test_files_without_folders(root):
    write_tar(root / 'archives' / 'Videos_S1.tgz', [('a.mp4', b'a'), ('b.mp4', b'b')])
    assert run('--layout', 'h36m-fetch', '--kinds', 'Videos', '--subjects', 'S1') == 0
    assert files_below(root / 'extracted') == {'S1/Videos/a.mp4': b'a', 'S1/Videos/b.mp4': b'b'}


def test_archives_do_not_write_into_the_folders_of_others(root, capfd):
    write_tar(
        root / 'archives' / 'Videos_S1.tgz',
        [('S1/Videos/a.mp4', b'a'), ('S5/Videos/b.mp4', b'b'), (MARKER, b'{}')],
    )
    options = ['--kinds', 'Videos', '--subjects', 'S1']
    assert run(*options) == 0
    assert files_of_release(root) == {'S1/Videos/a.mp4': b'a'}
    write_tar(root / 'archives' / 'Videos_S1.tgz', [('S5/Videos/b.mp4', b'b')])
    assert run(*options) == 1
    assert 'holds no files in S1/Videos' in capfd.readouterr().err


def test_tasks_share_the_archives(root, monkeypatch, capfd):
    n_videos = []
    monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', '7')
    for i in range(7):
        monkeypatch.setenv('SLURM_ARRAY_TASK_ID', str(i))
        assert run('--json') == 0
        names = [e['name'] for e in json.loads(capfd.readouterr().out)]
        n_videos.append(sum(n.startswith('Videos') for n in names))
    assert files_of_release(root) == EXPECTED_RELEASE
    assert sorted(n_videos) == [0] * 5 + [1] * 2


def test_videos_of_all_subjects_fall_to_different_tasks():
    videos = [i for i, a in enumerate(list_archives()) if a.kind == 'Videos']
    assert sorted(i % 7 for i in videos) == list(range(7))


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('n_files', [1, 40])
def test_killed_run_is_continued(root, layout, n_files):
    members = [(f'S1/Videos/{i:02}.mp4', os.urandom(100_000)) for i in range(60)]
    write_tar(root / 'archives' / 'Videos_S1.tgz', members)
    options = ['--layout', layout, '--kinds', 'Videos', '--subjects', 'S1']
    process = subprocess.Popen([sys.executable, '-m', 'posepile.ds.h36m.extract', *options])
    while sum(1 for p in root.rglob('??.mp4')) < n_files and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    target = root / ('S1' if layout == 'release' else 'extracted/S1') / 'Videos'
    if layout == 'h36m-fetch' and process.returncode != 0:
        assert not target.exists() or len(os.listdir(target)) == 60
    assert run(*options) == 0
    assert files_below(target) == {name[len('S1/Videos/') :]: c for name, c in members}
    assert sorted(os.listdir(target.parent)) == ['Videos']


def test_data_root_is_needed(monkeypatch, capfd):
    monkeypatch.delenv('DATA_ROOT', raising=False)
    assert run() == 1
    assert 'DATA_ROOT' in capfd.readouterr().err
