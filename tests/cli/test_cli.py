"""The command line as people and scripts use it."""

import json
import os
import subprocess
import sys

import pytest

from posepile import cli, registry
from posepile.cli import COMMANDS, main
from posepile.errors import PosePileError

TOML = """
name = "walks"
title = "Walking people"
kind = "3d"
year = 2021
citation = "A. Uthor, Walks, 2021"
homepage = "https://example.org"
licence = "CC0 1.0"
access = "open"
raw = "walks"
joints = 17
splits = ["train", "val"]
[expected]
examples = 1200
[variants.walks_test]
title = "Walking people, test"
options = { test = true }
[[files]]
path = "x.tar.gz"
url = "https://example.org/x.tar.gz"
[[files]]
path = "hand.zip"
[[files]]
path = "other.zip"
group = "other"
"""


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    """A DATA_ROOT, and ``walks`` as the only dataset."""
    (tmp_path / 'ds/walks').mkdir(parents=True)
    (tmp_path / 'ds/walks/dataset.toml').write_text(TOML)
    (tmp_path / 'data').mkdir()
    monkeypatch.setattr(registry, 'DATASETS_DIR', str(tmp_path / 'ds'))
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'data'))
    return tmp_path / 'data'


@pytest.mark.parametrize(
    'argv', [['--help'], ['list'], ['info', 'walks'], ['status'], ['run', '--help']]
)
def test_light_commands_import_nothing_heavy(data_root, argv):
    code = (
        'import sys, contextlib, posepile.registry as r\n'
        'r.DATASETS_DIR = sys.argv[1]\n'
        'from posepile.cli import main\n'
        'with contextlib.suppress(SystemExit):\n'
        '    assert main(sys.argv[2:]) == 0\n'
        'heavy = {"torch", "numpy", "cv2", "scipy", "rich", "requests", "av", "asyncio"}\n'
        'print("loaded:", sorted(heavy & set(sys.modules)))\n'
    )
    command = [sys.executable, '-c', code, registry.DATASETS_DIR, *argv]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith('loaded: []\n')


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        main(['--help'])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert 'export DATA_ROOT=' in out and 'posepile run aspset' in out
    for name, text in COMMANDS.items():
        assert f'{name} ' in out and text in out


def test_without_a_command_help_is_shown(capsys):
    assert main([]) == 2
    assert 'examples:' in capsys.readouterr().out


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    assert end.value.code == 0
    assert f'usage: posepile {command}' in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(['--version'])
    assert capsys.readouterr().out.startswith('posepile 0.')


@pytest.mark.parametrize(
    'argv, message',
    [(['lsit'], "no command 'lsit'; did you mean list?"), (['zzz'], 'there are list, info'),
     (['--verbose', 'list'], 'unrecognized arguments'),
     (['run', 'aspset', '--jobs', '0'], "'0' is no whole number from 1")],
)  # fmt: skip
def test_wrong_usage(capsys, argv, message):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_list(data_root, capsys):
    (data_root / 'walks').mkdir()
    (data_root / 'walks/x').touch()
    assert main(['list']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['name', 'title', 'kind', 'joints', 'splits', 'access', 'state']
    assert lines[1].split() == 'walks Walking people 3d 17 train val open raw'.split()
    assert lines[2].startswith('  walks_test')

    assert main(['list', '--json']) == 0
    products = json.loads(capsys.readouterr().out)
    assert [p['name'] for p in products] == ['walks', 'walks_test']
    assert products[0]['state']['raw'] is True
    assert products[0]['state']['packed'] is False


def test_list_without_data_root(data_root, capsys, monkeypatch):
    monkeypatch.delenv('DATA_ROOT')
    assert main(['list']) == 0
    assert 'DATA_ROOT not set' in capsys.readouterr().out
    assert main(['info', 'walks']) == 0
    assert '$DATA_ROOT/packed/walks' in capsys.readouterr().out
    assert main(['info', 'walks', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['state'] is None


def test_info(data_root, capsys):
    (data_root / 'packed/walks_test').mkdir(parents=True)
    for name in ('annotations', 'images'):
        (data_root / f'packed/walks_test/{name}.barecat').touch()
    assert main(['info', 'walks_test']) == 0
    out = capsys.readouterr().out
    for text in ('variant of walks', 'A. Uthor', 'CC0 1.0', 'test=True', 'place it by hand'):
        assert text in out
    assert 'walks/x.tar.gz' in out and 'other.zip' not in out
    assert f'product      {data_root}/packed/walks_test\nstate        packed\n' in out

    assert main(['info', 'walks', '--json']) == 0
    content = json.loads(capsys.readouterr().out)
    assert content['expected'] == {'examples': 1200}
    assert content['variants'] == ['walks_test']
    assert content['files'][1]['url'] is None


def test_status_of_nothing(data_root, capsys):
    assert main(['status']) == 0
    assert f'Nothing was started under DATA_ROOT={data_root}' in capsys.readouterr().out
    assert main(['status', 'walks']) == 0
    assert 'no step was started' in capsys.readouterr().out
    assert main(['status', '--json']) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert not any(data_root.iterdir()), 'looking must not write'


@pytest.mark.parametrize(
    'argv, message',
    [(['info', 'wlaks'], 'Did you mean walks'), (['status', 'wlaks'], 'Did you mean walks'),
     (['run', 'wlaks'], 'Did you mean walks'), (['run', 'walks'], 'has no pipeline'),
    ],
)  # fmt: skip
def test_errors_are_one_line(data_root, capsys, argv, message):
    assert main(argv) == 1
    err = capsys.readouterr().err
    assert err.startswith('posepile: error: ') and err.count('\n') == 1
    assert message in err


def test_data_root_has_to_be_usable(data_root, capsys, monkeypatch):
    for command in (['run', 'walks'], ['status']):
        monkeypatch.delenv('DATA_ROOT', raising=False)
        assert main(command) == 1
        assert 'export DATA_ROOT=' in capsys.readouterr().err
    monkeypatch.setenv('DATA_ROOT', str(data_root / 'missing'))
    assert main(['run', 'walks']) == 1
    assert 'mkdir -p' in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_data_root_has_to_be_writable(data_root, capsys):
    data_root.chmod(0o500)
    assert main(['run', 'walks']) == 1
    assert 'is not writable' in capsys.readouterr().err


class Command:
    """Takes the place of a command's module."""

    HELP = 'A command.'

    def __init__(self, run):
        self.run = run

    def add_arguments(self, parser):
        parser.add_argument('words', nargs='*')


@pytest.fixture
def command(monkeypatch):
    """Makes ``posepile temporary`` call a function."""

    def install(run):
        monkeypatch.setitem(COMMANDS, 'temporary', 'for a test')
        monkeypatch.setitem(sys.modules, 'posepile.cli.temporary', Command(run))

    return install


def raising(error):
    def run(args):
        raise error

    return run


def test_a_command_is_a_line_in_the_table(command):
    command(lambda args: len(args.words))
    assert main(['temporary', 'a', 'b', 'c']) == 3
    command(lambda args: None)
    assert main(['temporary']) == 0


def test_status_for_every_kind_of_end(command, capsys):
    command(raising(PosePileError('what to do')))
    assert main(['temporary']) == 1
    assert capsys.readouterr().err == 'posepile: error: what to do\n'
    command(raising(KeyboardInterrupt()))
    assert main(['temporary']) == 130
    command(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(['temporary'])


def test_reader_that_leaves_early():
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = subprocess.run(
        [sys.executable, '-m', 'posepile.cli', 'list'], stdout=write_end, stderr=subprocess.PIPE
    )
    os.close(write_end)
    assert (run.returncode, run.stderr) == (141, b'')


def test_module_is_imported_only_when_called(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, 'missing', 'has no module')
    with pytest.raises(SystemExit) as end:
        main(['--help'])
    assert end.value.code == 0
    with pytest.raises(ModuleNotFoundError):
        main(['missing'])
