"""What is downloaded from where, from a server on this machine."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from posepile.ds.tdhp import fetch as tdhp_fetch
from posepile.ds.tdhp import tree
from posepile.ds.tdhp.fetch import fetch, wanted_downloads
from posepile.errors import RawDataError

VNECT = (0, 1, 2, 4, 5, 6, 7, 8)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A DATA_ROOT whose owner has accepted the licence, and a release of one sequence each."""
    root = tmp_path / 'data'
    (root / '3dhp').mkdir(parents=True)
    (root / '3dhp/conf.ig').write_text("destination='./'\nready_to_download=1\n")
    monkeypatch.setenv('DATA_ROOT', str(root))
    monkeypatch.setattr(tree, 'N_FRAMES', {(1, 1): 6416})
    return root / '3dhp'


def publish(server, name='tdhp'):
    """Put what is wanted on the server; returns its address."""
    for file in wanted_downloads(name, with_chair_masks=True):
        path = server.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.path.endswith('test_set.zip'):
            deep = 'mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set'
            names = [f'{deep}/{p}' for p in file.provides]
            names += [f'{deep}/README.txt', f'{deep}/test_util/camera_calibration/ts.calib']
        else:
            names = [f'some/folders/{os.path.basename(p)}' for p in file.provides]
        if file.path.endswith('.zip'):
            with zipfile.ZipFile(path, 'w') as z:
                for member in names:
                    z.writestr(member, f'content of {member}')
        else:
            path.write_text(f'content of {file.path}')
    return f'http://127.0.0.1:{server.server_port}'


@pytest.fixture
def address(server, root, monkeypatch):
    monkeypatch.setattr(tdhp_fetch, '_TEST_ARCHIVE_SIZE', None)
    return publish(server)


def test_everything_is_unpacked_flat_and_nothing_fetched_twice(root, server, address):
    fetch('tdhp', server=address)
    assert sorted(os.listdir(root / 'S1/Seq1')) == [
        'FGmasks', 'annot.mat', 'camera.calibration', 'imageSequence',
    ]  # fmt: skip
    for kind in ('imageSequence', 'FGmasks'):
        assert sorted(os.listdir(root / 'S1/Seq1' / kind)) == [f'video_{i}.avi' for i in VNECT]
    text = (root / 'S1/Seq1/imageSequence/video_5.avi').read_text()
    assert text == 'content of some/folders/video_5.avi'
    for i in range(1, 7):
        assert (root / f'TS{i}/annot_data.mat').exists()
        assert (root / f'TS{i}/imageSequence/img_000001.jpg').exists()
    assert (root / 'README_testset.txt').exists() and (root / 'test_util').is_dir()
    assert not list(root.glob('**/*.zip')) and not list(root.glob('**/*.unpacking'))
    n_asked = len(server.asked)
    fetch('tdhp', server=address)
    assert len(server.asked) == n_asked
    # Chair masks on demand; then a lost video brings its archive again, and nothing else.
    fetch('tdhp', with_chair_masks=True, server=address)
    assert sorted(os.listdir(root / 'S1/Seq1/ChairMasks')) == [f'video_{i}.avi' for i in VNECT]
    os.remove(root / 'S1/Seq1/FGmasks/video_8.avi')
    n_asked = len(server.asked)
    fetch('tdhp', server=address)
    assert set(server.asked[n_asked:]) == {'/S1/Seq1/FGmasks/vnect_cameras.zip'}
    assert (root / 'S1/Seq1/FGmasks/video_8.avi').exists()


def test_all_cameras_of_the_full_product_and_no_test_set(root, server, monkeypatch):
    address = publish(server, 'tdhp_full')
    fetch('tdhp_full', server=address)
    expected = sorted(f'video_{i}.avi' for i in range(14))
    assert sorted(os.listdir(root / 'S1/Seq1/imageSequence')) == expected
    assert not (root / 'TS1').exists() and not any('test_set' in path for path in server.asked)


@pytest.mark.parametrize('conf', [None, 'ready_to_download=0\n', '# ready_to_download=1\n'])
def test_without_accepted_licence_nothing_is_fetched(root, server, address, conf):
    os.remove(root / 'conf.ig')
    if conf is not None:
        (root / 'conf.ig').write_text(conf)
    with pytest.raises(RawDataError, match='conf.ig.*accepted the licence.*ready_to_download=1'):
        fetch('tdhp', server=address)
    assert server.asked == []


def test_a_complete_release_needs_no_licence_file(root, server, address):
    fetch('tdhp', server=address)
    os.remove(root / 'conf.ig')
    fetch('tdhp', server=address)


def test_archive_without_what_it_should_hold(root, server, address):
    with zipfile.ZipFile(server.folder / 'S1/Seq1/imageSequence/vnect_cameras.zip', 'w') as z:
        z.writestr('video_0.avi', 'x')
    with pytest.raises(RawDataError, match='vnect_cameras.zip.*video_1.avi'):
        fetch('tdhp', server=address)


def test_archive_that_was_being_unpacked_is_unpacked_again(root, server, address):
    """Killed after the first files had got their names."""
    fetch('tdhp', server=address)
    shutil.copy(server.folder / 'mpi_inf_3dhp_test_set.zip', root)
    os.remove(root / 'TS3/annot_data.mat')
    n_asked = len(server.asked)
    fetch('tdhp', server=address)
    assert (root / 'TS3/annot_data.mat').exists() and len(server.asked) == n_asked
    assert not (root / 'mpi_inf_3dhp_test_set.zip').exists()


def test_number_of_files_and_their_addresses(monkeypatch):
    assert len(wanted_downloads('tdhp')) == 16 * 4 + 1
    assert len(wanted_downloads('tdhp', with_chair_masks=True)) == 16 * 5 + 1
    assert len(wanted_downloads('tdhp_full')) == 16 * 8
    paths = {file.path for file in wanted_downloads('tdhp_full')}
    assert 'S8/Seq2/FGmasks/ceiling_cameras.zip' in paths and 'S3/Seq1/annot.mat' in paths


def test_program_leaves_simulated_releases_alone(blank_release):
    result = subprocess.run(
        [sys.executable, '-m', 'posepile.ds.tdhp.fetch'], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert 'simulated' in result.stdout
