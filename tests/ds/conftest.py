"""Simulated releases, each made once per test run; a web server on this machine."""

import functools
import http.server
import threading

import pytest

from posepile.registry import find_dataset
from posepile.simulate.release import simulate_release


@pytest.fixture(scope='session')
def simulated_root(tmp_path_factory):
    """(name of a product) -> a DATA_ROOT with the simulated raw release, joints marked."""
    roots = {}

    def root_of(name):
        info = find_dataset(name)
        if info.folder not in roots:
            root = tmp_path_factory.mktemp(info.dataset)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv('DATA_ROOT', str(root))
                simulate_release(info, markers=True)
            roots[info.folder] = root
        return roots[info.folder]

    return root_of


@pytest.fixture
def new_root(tmp_path, monkeypatch):
    """An empty DATA_ROOT."""
    root = tmp_path / 'root'
    root.mkdir()
    monkeypatch.setenv('DATA_ROOT', str(root))
    return root


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.asked.append(self.path)


@pytest.fixture
def server(tmp_path):
    """A server of ``tmp_path/www``; its attribute ``asked`` lists the requests."""
    folder = tmp_path / 'www'
    folder.mkdir()
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.asked = []
        server.folder = folder
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
