import dataclasses
import json
import shutil
import zipfile

import pytest

from posepile.ds.h3wb import fetch
from posepile.registry import find_dataset


@pytest.fixture
def served(server, monkeypatch):
    """Files of the release come from this machine; returns the function that registers one."""
    info = find_dataset('h3wb')
    local = [
        dataclasses.replace(f, url=f'http://127.0.0.1:{server.server_port}/{f.path}')
        for f in info.files
    ]
    monkeypatch.setattr(
        fetch, 'find_dataset', lambda name: dataclasses.replace(info, files=tuple(local))
    )
    return server


def test_a_simulated_release_needs_nothing(release, served):
    assert fetch.main() == 0
    assert served.asked == []


def test_missing_files_are_fetched_and_unpacked(release, served):
    folder = release / 'h3wb'
    with zipfile.ZipFile(served.folder / 'json.zip', 'w') as z:
        for path in (folder / 'json').iterdir():
            z.write(path, f'json/{path.name}')  # in a folder of its own
    shutil.move(folder / 'RGBto3D_test_3d.json', served.folder)
    shutil.rmtree(folder / 'json')
    assert fetch.main() == 0
    assert {path.split('?')[0] for path in served.asked} == {'/json.zip', '/RGBto3D_test_3d.json'}
    assert (folder / 'json/json/RGBto3D_train.json').exists()
    assert not (folder / 'json.zip').exists()
    assert json.loads((folder / 'RGBto3D_test_3d.json').read_text())
    served.asked.clear()
    assert fetch.main() == 0
    assert served.asked == []


def test_files_are_recognised_wherever_they_are(release, served):
    folder = release / 'h3wb'
    (folder / 'mine').mkdir()
    shutil.move(folder / 'json/RGBto3D_train.json', folder / 'mine')
    shutil.move(folder / 'json/RGBto3D_test_img.json', folder)
    shutil.move(folder / 'I2Dto3D_test_3d.json', folder / 'mine')
    assert fetch.main() == 0
    assert served.asked == []


def test_addresses():
    files = {f.path: f for f in find_dataset('h3wb').files}
    ids = {
        'json.zip': '1WVscFZcFIxGi_doifFP3GLTsIbU-hjXO',
        'h3wb_train.npz': '1LZh4Jsg3_ZKBF0iEPiexzoGHE4srLgfC',
        '2Dto3D_test_3d.json': '1xrzfR63pflnw8L9e631xyKe4TwUOOm4k',
        'I2Dto3D_test_3d.json': '1GBOCjzIW0GLHHLHhGmUcB32Ke8PVjDXH',
        'RGBto3D_test_3d.json': '1imYpHp_cJS2Q5F7wCTMAf45ZygKQAuDV',
    }
    assert files.keys() == ids.keys()
    for path, file in files.items():
        assert f'id={ids[path]}&' in file.url
        assert (file.group == 'npz') == (path == 'h3wb_train.npz')


def test_unpacking_that_was_stopped_is_finished(release, served):
    folder = release / 'h3wb'
    with zipfile.ZipFile(folder / 'json.zip', 'w') as z:
        for path in (folder / 'json').iterdir():
            z.write(path, path.name)
    whole = (folder / 'json/RGBto3D_train.json').read_bytes()
    (folder / 'json/RGBto3D_train.json').write_bytes(whole[:1000])
    assert fetch.main() == 0
    assert (folder / 'json/RGBto3D_train.json').read_bytes() == whole
    assert not (folder / 'json.zip').exists()
    assert served.asked == []
