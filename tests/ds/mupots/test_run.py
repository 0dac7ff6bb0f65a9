"""``posepile run``: the unmodified main.sh; what is downloaded."""

import dataclasses
import json
import subprocess
import sys
import zipfile

import pytest

from posepile.cluster.plan import plan_of
from posepile.pipeline.fetch import fetch_dataset
from posepile.raw.download import DownloadError
from posepile.registry import find_dataset
from posepile.simulate.fidelity import check_product

pytestmark = pytest.mark.xdist_group('mupots')


@pytest.mark.slow
def test_both_products(simulated_root, monkeypatch):
    root = simulated_root('mupots')
    monkeypatch.setenv('DATA_ROOT', str(root))
    monkeypatch.setenv('POSEPILE_TASKS', '2')
    for name in ('mupots', 'mupots_yolo'):
        result = subprocess.run(
            [sys.executable, '-m', 'posepile.cli', 'run', name, '--jobs', '2'],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert check_product(name).problems() == []
    matrices = json.loads((root / 'mupots/camera_intrinsics.json').read_text())
    assert len(matrices) == 20


def test_steps(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    steps = plan_of(find_dataset('mupots_yolo'))
    names = ['download', 'intrinsics', 'detect', 'crops', 'pack']
    assert [step.name for step in steps] == names
    command = ' '.join(steps[2].command)
    for name in ('yolov4_detections.pkl', 'yolov3_detections.pkl'):
        assert f'--unless {tmp_path}/mupots/{name}' in command


@pytest.fixture
def published(server, tmp_path, monkeypatch):
    """The dataset as a server on this machine has it."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'data'))
    (tmp_path / 'data').mkdir()
    with zipfile.ZipFile(server.folder / 'mupots-3d-eval.zip', 'w') as z:
        z.writestr('mupots-3d-eval/mpii_mupots_multiperson_eval.m', '% evaluation')
    with zipfile.ZipFile(server.folder / 'MultiPersonTestSet.zip', 'w') as z:
        for i in range(1, 21):
            z.writestr(f'MultiPersonTestSet/TS{i}/annot.mat', 'annotations')
            z.writestr(f'MultiPersonTestSet/TS{i}/img_000000.jpg', 'image')
    info = find_dataset('mupots')
    addresses = [f'http://127.0.0.1:{server.server_port}/{file.path}' for file in info.files]
    files = [
        dataclasses.replace(file, url=url) for file, url in zip(info.files, addresses, strict=True)
    ]
    return dataclasses.replace(info, files=tuple(files)), tmp_path / 'data/mupots'


def test_download_moves_contents_up(published, server):
    info, folder = published
    fetch_dataset(info)
    assert {f'TS{i}' for i in range(1, 21)} < {p.name for p in folder.iterdir()}
    assert (folder / 'mpii_mupots_multiperson_eval.m').exists()
    assert (folder / 'TS20/img_000000.jpg').exists() and not list(folder.glob('*.zip'))
    n_asked = len(server.asked)
    fetch_dataset(info)
    assert len(server.asked) == n_asked


def test_what_a_person_has_put_in_place_is_not_downloaded(published, server):
    info, folder = published
    (folder / 'TS20').mkdir(parents=True)
    (folder / 'TS20/annot.mat').write_text('annotations')
    fetch_dataset(info)
    assert server.asked == []


def test_addresses():
    info = find_dataset('mupots')
    home = 'http://gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson'
    assert [file.url for file in info.files] == [
        f'{home}/content/mupots-3d-eval.zip',
        f'{home}/MultiPersonTestSet.zip',
    ]


def test_server_that_has_nothing(published, server):
    info, _ = published
    (server.folder / 'MultiPersonTestSet.zip').unlink()
    with pytest.raises(DownloadError):
        fetch_dataset(info)
