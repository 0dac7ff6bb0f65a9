"""The release comes from an FTP server; originals go once the list is made."""

import dataclasses
import io
import tarfile

import pytest

from posepile.ds.inria_holidays import main
from posepile.raw import download as download_module
from posepile.registry import find_dataset
from posepile.storage.results import ResultWriter, part_path
from tests.raw.ftp_server import FtpServer


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module, 'BACKOFF', (0, 0, 0))
    server = FtpServer()
    yield server
    server.close()


@pytest.fixture
def info(server):
    info = find_dataset('inria_holidays')
    address = 'ftp.inrialpes.fr'
    assert all(file.url.startswith(f'ftp://{address}/pub/') for file in info.files)
    files = [
        dataclasses.replace(file, url=file.url.replace(address, server.address))
        for file in info.files
    ]
    return dataclasses.replace(info, files=tuple(files))


def archive_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        for path in files:
            tar.add(path, f'jpg/{path.name}')
    return buffer.getvalue()


@pytest.fixture
def photographs(server, simulated_root):
    """Put the two archives on the server."""
    found = sorted((simulated_root('inria_holidays') / 'inria_holidays' / 'jpg').iterdir())
    folder = 'pub/lear/douze/data'
    server.files[f'{folder}/jpg1.tar.gz'] = archive_of(found[:5])
    server.files[f'{folder}/jpg2.tar.gz'] = archive_of(found[5:])
    return found


def test_both_archives_come_even_if_stopped_in_between(server, info, photographs, new_root):
    server.troubles = [('drop', 30_000), None, *['426 no'] * 9]
    with pytest.raises(download_module.DownloadError, match='jpg2'):
        main.download(info)
    server.troubles = []
    main.download(info)
    folder = new_root / 'inria_holidays' / 'jpg'
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in photographs
    }
    assert server.asked('REST') == ['30000']
    assert not list(folder.parent.glob('*.gz'))
    server.commands.clear()
    main.download(info)
    assert server.commands == []


def test_downloaded_originals_are_deleted_when_their_squares_are_there(
    server, info, photographs, new_root
):
    main.download(info)
    main.shrink(info)
    release = new_root / 'inria_holidays'
    squares = sorted(p.name for p in (release / 'jpg_small').iterdir())
    detections = new_root / '.posepile' / 'inria_holidays' / 'detect' / 'found'
    writer = ResultWriter(part_path(detections), dict(kind='detections'), resume=False)
    for name in squares:
        writer.add({name: []})
    writer.finish()
    main.pack(info)
    assert main.tidy(info) == {'deleted': 11}
    (damaged,) = (release / 'jpg').iterdir()
    assert damaged.name not in squares
    server.commands.clear()
    main.download(info)
    assert server.commands == [] and main.shrink(info)['kept'] == 11


@pytest.mark.parametrize('folder', ['jpg', 'jpg_small'])
def test_what_a_person_has_put_in_place_is_used_and_stays(server, info, new_root, folder, capsys):
    place = new_root / 'inria_holidays' / folder
    place.mkdir(parents=True)
    (place / '100000.jpg').write_bytes(b'mine')
    main.download(info)
    assert server.commands == [] and '1 photographs are in place' in capsys.readouterr().out
    assert main.tidy(info) == {'deleted': 0}
    assert (place / '100000.jpg').read_bytes() == b'mine'
