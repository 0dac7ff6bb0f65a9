"""Every command says in one line what is wrong with DATA_ROOT."""

import pytest

from posepile.cli import main
from posepile.ds.aspset import eval as aspset_eval
from posepile.ds.aspset.main import make_recipe
from posepile.pipeline import stages
from posepile.segmentation.__main__ import main as segment

WRITING = {
    'run': lambda: main(['run', 'aspset']),
    'simulate': lambda: main(['simulate', 'aspset']),
    'crops': lambda: stages.main(make_recipe, ['crops']),
    'masks': lambda: segment(['crops', 'aspset']),
}
READING = {
    'status': lambda: main(['status']),
    'verify': lambda: main(['verify', 'aspset']),
    'show': lambda: main(['show', 'aspset', '--out', 'x.png']),
    'eval': lambda: aspset_eval.main(['--predictions', '.']),
}
COMMANDS = WRITING | READING


def status_of(command):
    try:
        return command()
    except SystemExit as e:
        return e.code


@pytest.fixture(params=['unset', 'a file', 'missing', 'per%cent'])
def bad_root(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DATA_ROOT', raising=False)
    if request.param != 'unset':
        root = tmp_path / request.param
        monkeypatch.setenv('DATA_ROOT', str(root))
        if request.param == 'a file':
            root.touch()
        elif request.param == 'per%cent':
            root.mkdir()
    return request.param


@pytest.mark.parametrize('command', COMMANDS)
def test_bad_data_root(command, bad_root, capsys):
    assert status_of(COMMANDS[command]) == 1
    err = capsys.readouterr().err
    assert err.startswith('posepile: error: ') and err.count('\n') == 1
    assert 'DATA_ROOT' in err


@pytest.mark.parametrize('name', ['trailing/', 'with space', 'ünïcødé 人', '$x "q" [b] {c}'])
def test_unusual_names_of_data_root(name, tmp_path, monkeypatch, capsys):
    root = tmp_path / name
    root.mkdir()
    monkeypatch.setenv('DATA_ROOT', str(tmp_path) + '/' + name)
    assert main(['status']) == 0
    assert str(root) in capsys.readouterr().out


def test_list_and_info_need_no_data_root(bad_root, capsys):
    assert main(['list']) == 0 and main(['info', 'aspset']) == 0
    out = capsys.readouterr().out
    expected = {'unset': '(DATA_ROOT not set)', 'per%cent': 'aspset'}
    assert expected.get(bad_root, '(no such DATA_ROOT)') in out


def test_a_folder_makes_its_own_products_only(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    for stage in 'download', 'crops', 'pack':
        assert (
            status_of(lambda stage=stage: stages.main(make_recipe, [stage, '--name', 'coco'])) == 1
        )
        assert "does not make 'coco'; it makes aspset, aspset_test" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
