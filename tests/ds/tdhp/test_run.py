"""``posepile run``: the unmodified main.sh."""

import subprocess
import sys

import pytest

from posepile.cluster.plan import plan_of
from posepile.registry import find_dataset
from posepile.simulate.fidelity import check_product

pytestmark = pytest.mark.xdist_group('tdhp')


@pytest.mark.slow
def test_both_products(simulated_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(simulated_root('tdhp')))
    monkeypatch.setenv('POSEPILE_TASKS', '2')
    for name in ('tdhp', 'tdhp_full'):
        result = subprocess.run(
            [sys.executable, '-m', 'posepile.cli', 'run', name, '--jobs', '2'],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert check_product(name).problems() == []


@pytest.mark.parametrize('name', ['tdhp', 'tdhp_full', 'tdhp_full_mupots'])
def test_steps(name, tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    steps = plan_of(find_dataset(name))
    mupots = ['mupots', 'intrinsics', 'detect_mupots'] * (name == 'tdhp_full_mupots')
    assert [step.name for step in steps] == ['download', 'detect', *mupots, 'crops', 'pack']
    command = ' '.join(steps[1].command)
    assert ('--every 5' in command) == (name == 'tdhp')
    assert ('detections_full' in command) == (name != 'tdhp')
