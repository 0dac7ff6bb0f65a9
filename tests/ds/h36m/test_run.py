"""``posepile run h36m`` on the archives of the server alone: the unmodified main.sh."""

import os
import shutil
import subprocess
import sys

import pytest

from posepile.simulate.fidelity import check_product

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('h36m')]


def run(name, *arguments):
    result = subprocess.run(
        [sys.executable, '-m', 'posepile.cli', 'run', name, '--jobs', '2', *arguments],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_from_archives_to_the_packed_product(blank_release):
    raw = blank_release / 'h36m'
    for name in ('Release-v1.2', *(f'S{s}' for s in (1, 5, 6, 7, 8, 9, 11))):
        shutil.rmtree(raw / name)
    run('h36m')
    assert check_product('h36m').problems() == []
    boxes = raw / 'S9/BBoxes/Greeting 1.54138969.npy'
    time = os.stat(boxes).st_mtime_ns

    # The next product finds what it needs; S9 is as published.
    run('h36m_incorrect_S9')
    assert check_product('h36m_incorrect_S9').problems() == []
    assert os.stat(boxes).st_mtime_ns == time
