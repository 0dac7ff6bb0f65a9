"""A whole dataset through Slurm."""

import hashlib
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('slurm')]

CLUSTER = """
mem = "3G"
here = ["download"]
[gpu]
flag = ""
"""


def posepile(data_root, *args, **env):
    command = [sys.executable, '-m', 'posepile.cli', *args]
    env = os.environ | {'DATA_ROOT': str(data_root), 'OMP_NUM_THREADS': '1'} | env
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return result


def product(data_root):
    folder = data_root / 'packed/aspset'
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_product_is_the_same_as_that_of_a_local_run(tmp_path, slurm):
    products = []
    for executor in ('local', 'slurm'):
        root = tmp_path / executor
        root.mkdir()
        (root / 'cluster.toml').write_text(CLUSTER)
        posepile(root, 'simulate', 'aspset')
        env = {'POSEPILE_TASKS': '1'}
        if executor == 'slurm':
            env = slurm.env | {'POSEPILE_TASKS': '3'}
        run = posepile(root, 'run', 'aspset', '--executor', executor, **env)
        assert ('submitted as Slurm job' in run.stderr) == (executor == 'slurm')
        products.append(product(root))
    assert products[0] == products[1]
    assert {'annotations.barecat', 'images.barecat', 'report.json'} < set(products[0])
    assert 'OK' in posepile(root, 'verify', 'aspset', '--deep', '--truth').stdout
