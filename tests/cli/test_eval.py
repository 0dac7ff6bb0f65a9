"""``posepile eval``, by the benchmark of Human3.6M on poses of its own formats."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from posepile import registry
from posepile.cli import main
from tests.ds.h36m.small_files import CAMERAS, random_poses, take_name, write_pose_cdf

# The 17 joints among the 32 recorded ones, pelvis first.
RECORDED = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
SHARED_OPTIONS = ('--predictions', '--json', '--markdown', '--latex')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    """One pose per view of S11, and predictions of two seeds that are off by 30 and 60 mm."""
    root = tmp_path_factory.mktemp('root')
    rng = np.random.default_rng(0)
    names, poses = [], []
    for action in range(2, 17):
        for sub in (1, 2):
            take = take_name(11, action, sub)
            recorded = random_poses(rng, 10)
            write_pose_cdf(str(root / f'h36m/S11/MyPoseFeatures/D3_Positions/{take}.cdf'), recorded)
            for camera in CAMERAS:
                names.append(f'h36m/S11/Images/{take}.{camera}/frame_000000.jpg')
                poses.append(recorded[0, RECORDED])
    for seed in 1, 2:
        pred = np.array(poses, float)
        pred[:, 5, 0] += 17 * 30 * seed  # of all joints together: 30 mm on average
        np.savez(root / f'seed{seed}.npz', image_path=names, coords3d_pred_world=pred)
    return root


def test_a_table(data_root, monkeypatch, capsys):
    monkeypatch.setenv('DATA_ROOT', str(data_root))
    path = str(data_root / 'seed1.npz')
    assert main(['eval', 'h36m', '--predictions', path, '--only-S11']) == 0
    protocol, metrics = capsys.readouterr().out.split('\n\n')
    assert protocol.splitlines()[1].split() == ['MPJPE', *['30.0'] * 16]
    assert metrics.splitlines()[1].split()[1] == '30.00'
    # The separator is for those who are used to it.
    assert main(['eval', 'h36m', '--predictions', path, '--json', '--', '--only-S11']) == 0
    record = json.loads(capsys.readouterr().out)
    assert record['metrics']['Average']['A-MPJPE'] == pytest.approx(30)
    assert record['curves']['A-PCK']['fractions'][0] == pytest.approx(16 / 17)


def test_seeds_and_plot(data_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('DATA_ROOT', str(data_root))
    path = str(data_root / 'seed1.npz')
    plot = str(tmp_path / 'curves.png')
    argv = ['--predictions', path, '--only-S11', '--seeds', '2', '--json', '--plot', plot]
    assert main(['eval', 'h36m', *argv]) == 0
    protocol = json.loads(capsys.readouterr().out)['protocol']
    assert protocol['Mean']['Average'] == pytest.approx(45)
    assert protocol['Std']['Average'] == pytest.approx(15)
    assert cv2.imread(plot).shape[1] > 500


def test_errors_are_one_line(data_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('DATA_ROOT', str(data_root))
    for argv, message in [
        (['h36m', '--predictions', str(tmp_path / 'x.npz'), '--only-S11'], 'x.npz'),
        (['coco', '--predictions', 'x'], 'coco has no benchmark. There are: '),
        (['h36n', '--predictions', 'x'], 'Did you mean h36m?'),
    ]:
        assert main(['eval', *argv]) == 1
        err = capsys.readouterr().err
        assert message in err and err.count('\n') == 1


def test_wrong_options_are_those_of_the_benchmark(tmp_path, capsys):
    for argv, message in [
        ([], 'NAME'),
        (['h36m'], '--predictions'),
        (['h36m', '--predictions', 'x', '--nonsense'], '--nonsense'),
        (['h36m', '--predictions', 'x', '--plot', str(tmp_path / 'no/x.png')], 'no folder'),
        (['h36m', '--predictions', 'x', '--seeds', '0'], "'0' is no whole number from 1"),
    ]:
        with pytest.raises(SystemExit) as end:
            main(['eval', *argv])
        assert end.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize('name', [i.name for i in registry.list_datasets() if i.evaluation])
def test_every_benchmark_tells_its_options(name, capsys):
    with pytest.raises(SystemExit) as end:
        main(['eval', name, '--help'])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert all(option in out for option in SHARED_OPTIONS)


def test_every_evaluation_is_known_as_a_benchmark():
    """And only where there is one."""
    for info in registry.list_datasets():
        has_program = os.path.exists(os.path.join(info.folder, 'eval.py'))
        assert has_program or not info.evaluation, info.name
        if info.variant is None:
            assert has_program == info.evaluation, info.name


def test_the_module_is_a_program_too(data_root):
    command = [sys.executable, '-m', 'posepile.ds.h36m.eval', '--only-S11', '--latex']
    command += ['--predictions', str(data_root / 'seed1.npz')]
    env = dict(os.environ, DATA_ROOT=str(data_root))
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('\\begin{tabular}') == 2
