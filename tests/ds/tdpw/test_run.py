"""``posepile run`` and ``posepile eval``: the unmodified main.sh, and the older names."""

import json
import os
import subprocess
import sys

import pytest

from posepile.cluster.plan import plan_of
from posepile.registry import find_dataset
from posepile.simulate.fidelity import check_product
from tests.ds.tdpw.files import write_predictions
from tests.ds.tdpw.literal import read_truth

pytestmark = pytest.mark.xdist_group('tdpw')


def program(*args):
    result = subprocess.run([sys.executable, '-m', *args], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_both_products(simulated_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(simulated_root('tdpw')))
    monkeypatch.setenv('POSEPILE_TASKS', '2')
    for name in ('tdpw', 'tdpw_parametric'):
        program('posepile.cli', 'run', name, '--jobs', '2')
        assert check_product(name).problems() == []


def test_steps(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    steps = {n: plan_of(find_dataset(n)) for n in ('tdpw', 'tdpw_parametric')}
    assert [s.name for s in steps['tdpw']] == ['download', 'crops', 'pack']
    assert [s.name for s in steps['tdpw_parametric']] == ['download', 'detect', 'crops', 'pack']
    assert '--unless' in steps['tdpw_parametric'][1].command


@pytest.mark.slow
def test_programs(gendered_release, tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.path.dirname(gendered_release))
    truths = read_truth(gendered_release)

    def content(truth):
        return dict(
            jointPositions=truth.stacked(lambda k: truth.bodies[k]['joints'] / 1000),
            vertices=truth.stacked(lambda k: truth.bodies[k]['vertices'] / 1000),
        )

    folder = str(write_predictions(tmp_path, truths, content))
    protocols = {}
    for command in (
        ('posepile.cli', 'eval', 'tdpw'),
        ('posepile.ds.tdpw.eval_simple',),
        ('posepile.ds.tdpw.eval_nonparam',),
    ):
        record = json.loads(program(*command, '--pred-path', folder, '--json', '--testset-only'))
        protocols[command[-1]] = record['info']['protocol']
        assert record['metrics']['All']['AMPJPE'] < 1e-6
    assert list(protocols.values()) == ['points', 'simple', 'points']
    for name, protocol in (('eval2', 'smpl'), ('eval_nonparam2', 'stream')):
        result = subprocess.run(
            [sys.executable, '-m', f'posepile.ds.tdpw.{name}', '--pred-path', folder],
            capture_output=True,
            text=True,
        )
        expected = {'smpl': 'has no pose', 'stream': 'no predictions (.xz)'}[protocol]
        assert result.returncode == 1 and expected in result.stderr
