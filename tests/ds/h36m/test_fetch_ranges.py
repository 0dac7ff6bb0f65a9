"""Ranges of files that have no checksum, where nothing else would notice what is mixed up."""

import os

import pytest

from posepile.ds.h36m.archives import list_archives
from posepile.ds.h36m.credentials import Credentials
from posepile.ds.h36m.fetch import _Source
from posepile.ds.h36m.session import Session
from posepile.raw import patience
from posepile.raw.parallel import download_in_pieces
from posepile.raw.responses import DownloadError
from tests.ds.h36m.server import Server

NAME = 'Segments_mat_gt_bb_S1.tgz'
OLD, NEW = os.urandom(300_000), os.urandom(300_000)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(patience, 'BACKOFF', (0, 0, 0))
    server = Server({NAME: NEW})
    yield server
    server.close()


def fetch(server, path, connections=1):
    """Fetch in pieces of 40 kB, believing everything."""
    session = Session(Credentials(session_id=server.new_session()), server.url)
    session.start()
    (archive,) = list_archives((1,), ('Segments_mat_gt_bb',))
    source = _Source(session, archive)
    download_in_pieces(source, path, lambda path: '', connections, piece_size=40_000)


@pytest.mark.parametrize('connections', [1, 3])
def test_range_from_another_place_is_not_believed(server, tmp_path, connections):
    server.troubles = ['ok', 'ok', ('shift', 7), 'ok', ('shift', 1)]
    fetch(server, tmp_path / 'f', connections)
    assert (tmp_path / 'f').read_bytes() == NEW


@pytest.mark.parametrize('etag', ['"2"', None])
def test_file_that_changed_between_two_runs_is_not_mixed(server, tmp_path, etag):
    server.files = {NAME: OLD}
    server.troubles = ['ok'] * 4 + [500] * 100
    with pytest.raises(DownloadError, match='500'):
        fetch(server, tmp_path / 'f')
    assert (tmp_path / 'f.part').stat().st_size == 120_000
    server.files, server.etag, server.troubles = {NAME: NEW}, etag, []
    fetch(server, tmp_path / 'f')
    assert (tmp_path / 'f').read_bytes() == NEW


@pytest.mark.parametrize('knows_if_range', [True, False])
def test_file_that_changes_in_the_middle_is_not_mixed(server, tmp_path, knows_if_range):
    server.files = {NAME: OLD}
    server.knows_if_range = knows_if_range

    class Troubles(list):
        def pop(self, i):
            if len(self) == 1:
                server.files, server.etag = {NAME: NEW}, '"2"'
            return super().pop(i)

    server.troubles = Troubles(['ok'] * 5)
    fetch(server, tmp_path / 'f')
    assert (tmp_path / 'f').read_bytes() == NEW


def test_servers_are_asked_for_one_state(server, tmp_path):
    fetch(server, tmp_path / 'f')
    assert server.if_ranges == [None] + ['"1"'] * 8
    server.etag = None
    server.if_ranges.clear()
    fetch(server, tmp_path / 'g')
    assert server.if_ranges == [None] * 9


def test_shorter_file_than_before(server, tmp_path):
    server.etag = None
    server.files = {NAME: OLD + OLD}
    server.troubles = ['ok'] * 12 + [500] * 100
    with pytest.raises(DownloadError, match='500'):
        fetch(server, tmp_path / 'f')
    server.files, server.troubles = {NAME: NEW}, []
    fetch(server, tmp_path / 'f')
    assert (tmp_path / 'f').read_bytes() == NEW
