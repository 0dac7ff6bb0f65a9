"""``posepile show``, ``verify`` and ``simulate`` from the command line."""

import json

import cv2
import pytest

from posepile.cli import main
from posepile.raw.images import encode_jpeg
from posepile.storage import archive
from posepile.util import TRAIN
from tests.storage.packed_samples import make_example, write_dataset


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


@pytest.fixture
def product(data_root):
    write_dataset(data_root / 'packed' / 'walkers')
    return data_root / 'packed' / 'walkers'


def test_show(product, tmp_path, capsys):
    out = tmp_path / 'sheet.png'
    assert main(['show', 'walkers', '--out', str(out), '--n', '4', '--width', '900']) == 0
    assert '900 x' in capsys.readouterr().out
    first = cv2.imread(str(out))
    assert first.shape[1] == 900
    args = ['show', str(product / 'annotations.barecat'), '--out', str(out)]
    assert main([*args, '--n', '4', '--width', '900', '--seed', '1', '--split', 'train']) == 0
    assert cv2.imread(str(out)).tobytes() != first.tobytes()
    assert not list(tmp_path.glob('*partial*'))


@pytest.mark.parametrize(
    'args, message',
    [
        (['--out', 'x.gif'], 'must end with .png or .jpg'),
        (['--out', 'no/such/folder/x.png'], 'no folder no/such/folder'),
        (['--out', 'folder.png'], 'is a folder'),
        (['--out', 'x.png', '--n', '0'], "'0' is no whole number from 1 to"),
        (['--out', 'x.png', '--n', '1.5'], "'1.5' is no whole number"),
        (['--out', 'x.png', '--width', '1'], "'1' is no whole number from 320 to"),
        (['--out', 'x.png', '--seed', '-1'], "'-1' is no whole number from 0"),
    ],
)
def test_show_refuses(product, tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder.png').mkdir()
    with pytest.raises(SystemExit) as end:
        main(['show', 'walkers', *args])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.glob('*.png')] == ['folder.png']


def test_show_of_more_than_a_jpeg_holds(product, tmp_path, monkeypatch, capsys):
    from posepile.cli import show

    monkeypatch.setattr(show, '_HIGHEST_JPEG', 1000)
    args = ['show', 'walkers', '--width', '320', '--out', str(tmp_path / 'x')]
    args[-1] += '.jpg'
    assert main(args) == 1
    assert 'let --out end with .png' in capsys.readouterr().err
    assert main([*args[:-1], str(tmp_path / 'x.PNG')]) == 0


@pytest.mark.parametrize('command', [['verify'], ['show', '--out', 'x.png']])
def test_paths_of_something_else(product, capsys, command):
    assert main([command[0], str(product), *command[1:]]) == 1
    assert 'is no annotation archive' in capsys.readouterr().err


def test_show_of_an_empty_split(data_root, capsys):
    write_dataset(data_root / 'packed' / 'one', examples=[(TRAIN, *make_example(0))])
    assert main(['show', 'one', '--split', 'val', '--out', str(data_root / 'x.png')]) == 1
    assert 'no examples in the split val' in capsys.readouterr().err


@pytest.mark.parametrize('command', [['verify'], ['show', '--out', 'x.png']])
def test_what_is_not_there(data_root, capsys, command):
    assert main([command[0], 'aspset', *command[1:]]) == 1
    assert 'posepile run aspset' in capsys.readouterr().err
    assert main([command[0], 'aspest', *command[1:]]) == 1
    assert 'Did you mean aspset' in capsys.readouterr().err
    assert main([command[0], 'nowhere/x.barecat', *command[1:]]) == 1


@pytest.mark.parametrize('deep', [[], ['--deep']])
def test_verify(product, capsys, deep):
    assert main(['verify', 'walkers', *deep]) == 0
    out = capsys.readouterr().out
    assert '5 train, 3 val, 2 test' in out and out.splitlines()[-1] == 'OK'
    assert main(['verify', str(product / 'annotations.barecat'), *deep, '--json']) == 0
    report = json.loads(capsys.readouterr().out)
    assert report['ok'] and report['images'] == 10 and report['problems'] == []


def test_verify_of_a_damaged_product(product, capsys):
    path = product / 'images.barecat'
    files = dict(archive.open_reader(path).items())
    names = sorted(files)
    files[names[0]] = files[names[0]][:100]
    del files[names[1]]
    with archive.ArchiveWriter(path) as writer:
        for key in sorted(files):
            writer.add(key, files[key])
    assert main(['verify', 'walkers', '--deep']) == 1
    out = capsys.readouterr().out
    assert f'{names[0]}: ' in out and names[1] in out and out.splitlines()[-1] == 'NOT OK'
    assert main(['verify', 'walkers', '--deep', '--json']) == 1
    problems = json.loads(capsys.readouterr().out)['problems']
    assert {p['check']: p['count'] for p in problems} == {'image': 1, 'images': 1}


def test_verify_lists_the_bad_files(product, capsys):
    path = product / 'annotations.barecat'
    files = dict(archive.open_reader(path).items())
    names = sorted(name for name in files if '/' in name)[:7]
    for name in names:
        files[name] = b'nothing'
    with archive.ArchiveWriter(path) as writer:
        for key in sorted(files):
            writer.add(key, files[key])
    assert main(['verify', 'walkers', '--deep', '--json', '--jobs', '2']) == 1
    report = json.loads(capsys.readouterr().out)
    assert report['n_bad_files'] == 7
    assert [bad['key'] for bad in report['bad_files']] == names
    assert {(bad['archive'], bad['check']) for bad in report['bad_files']} == {
        ('annotations', 'record')
    }
    assert sum(split['examples'] for split in report['statistics'].values()) == 3
    assert main(['verify', 'walkers', '--deep']) == 1
    out = capsys.readouterr().out
    assert 'record: 7 problems' in out and '... and 2 more' in out and 'px high' in out


def test_verify_writes_a_repaired_copy(product, tmp_path, capsys):
    path = product / 'images.barecat'
    files = dict(archive.open_reader(path).items())
    name = sorted(files)[0]
    files[name] = files[name][:-100]
    with archive.ArchiveWriter(path) as writer:
        for key in sorted(files):
            writer.add(key, files[key])
    copy = tmp_path / 'copy'
    assert main(['verify', 'walkers', '--quarantine', str(copy)]) == 1
    assert 'annotations: 9 kept, 1 left out' in capsys.readouterr().out
    assert main(['verify', str(copy / 'annotations.barecat'), '--deep']) == 0
    reasons = [json.loads(line) for line in (copy / 'left_out.jsonl').open()]
    assert [reason['archive'] for reason in reasons] == ['images', 'annotations']
    assert all(name in reason['key'] for reason in reasons)
    capsys.readouterr()
    assert main(['verify', 'walkers', '--quarantine', str(copy)]) == 1
    assert 'name a new folder' in capsys.readouterr().err


@pytest.mark.parametrize('jobs', ['0', '-1', 'all', '1.5'])
def test_verify_refuses_numbers_of_jobs(product, capsys, jobs):
    with pytest.raises(SystemExit) as end:
        main(['verify', 'walkers', '--deep', '--jobs', jobs])
    assert end.value.code == 2 and 'is no whole number' in capsys.readouterr().err


def test_verify_compares_with_the_expected_count_of_real_data(data_root, capsys):
    write_dataset(data_root / 'packed' / 'aspset')
    assert main(['verify', 'aspset']) == 1
    assert '10 examples, but the complete dataset gives 124221' in capsys.readouterr().out
    (data_root / 'aspset').mkdir()
    (data_root / 'aspset' / 'SIMULATED.json').write_text('{}')
    assert main(['verify', 'aspset']) == 0


def test_verify_truth_needs_a_truth(product, capsys):
    assert main(['verify', 'walkers', '--truth']) == 1
    assert 'posepile simulate walkers' in capsys.readouterr().err
    path = str(product / 'annotations.barecat')
    assert main(['verify', path, '--truth']) == 1
    assert 'give its name' in capsys.readouterr().err


def test_simulate_never_replaces_real_data(data_root, capsys):
    (data_root / 'aspset').mkdir()
    (data_root / 'aspset' / 'precious.mkv').write_bytes(encode_jpeg(make_example(0)[1]))
    assert main(['simulate', 'aspset', '--force']) == 1
    assert 'never replaced' in capsys.readouterr().err
    assert [p.name for p in (data_root / 'aspset').iterdir()] == ['precious.mkv']
    assert main(['simulate', 'aspest']) == 1
    assert 'Did you mean aspset' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['simulate', 'aspset', '--seed', '-1'])


def test_simulate_leaves_a_running_pipeline_alone(data_root, capsys):
    from posepile.cluster import lock

    with lock.held(['aspset_test']):
        assert main(['simulate', 'aspset']) == 1
    assert 'aspset_test is being worked on by process' in capsys.readouterr().err
    assert not (data_root / 'aspset').exists()
    assert lock.holder('aspset_test') is None


@pytest.mark.slow
def test_simulated_data_all_the_way(data_root, capsys, monkeypatch):
    from posepile.ds.aspset.main import make_recipe
    from posepile.pipeline.pack import pack
    from posepile.pipeline.stages import make_crops

    assert main(['simulate', 'aspset', '--markers', '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {'dataset': 'aspset', 'data_root': str(data_root), 'folders': ['aspset']}
    make_crops(make_recipe(name='aspset'))
    pack(make_recipe(name='aspset'))
    capsys.readouterr()
    assert main(['verify', 'aspset', '--deep', '--truth']) == 0
    out = capsys.readouterr().out
    assert 'examples compared' in out and 'markers found' in out
    assert main(['simulate', 'aspset']) == 1  # with other arguments
    assert '--force' in capsys.readouterr().err
