"""A hundred violent deaths of a real pipeline."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys

import pytest

_COMMAND = [sys.executable, '-m', 'posepile.cli', 'run', 'aspset', '--jobs', '2']
_KILLS = 100

#: How many deaths a run may suffer before it is left in peace.
_KILLS_PER_RUN = 12


@pytest.mark.slow
def test_killed_a_hundred_times_the_product_is_the_same(tmp_path, monkeypatch):
    """Tasks, runners and whole process groups are killed at random moments."""
    monkeypatch.setenv('POSEPILE_SEGMENTER', 'none')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    release = tmp_path / 'release'
    release.mkdir()
    simulate = [sys.executable, '-m', 'posepile.cli', 'simulate', 'aspset']
    subprocess.run(simulate, env=env(release), check=True, capture_output=True)
    peaceful = fresh_root(tmp_path / 'peaceful', release)
    assert run(peaceful) == 0
    expected = product(peaceful)
    assert {'annotations.barecat', 'images.barecat', 'report.json'} < set(expected)

    rng = random.Random(0)
    n_kills = 0
    ends = {'task': 0, 'runner': 0, 'group': 0}
    while n_kills < _KILLS:
        root = fresh_root(tmp_path / 'violent', release)
        for _ in range(_KILLS_PER_RUN):
            victim = rng.choice(list(ends))
            if run(root, victim, rng.uniform(0.2, 4)) == 0:
                break
            ends[victim] += 1
            n_kills += 1
        assert run(root) == 0, (root / 'run.log').read_text()
        assert product(root) == expected
        assert leftovers(root) == []
    assert all(ends.values())


def env(root):
    return os.environ | {'DATA_ROOT': str(root)}


def fresh_root(root, release):
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(release, root)
    return root


def run(root, victim=None, seconds=None):
    """Run the pipeline, and kill ``victim`` after some seconds; returns the exit status."""
    with open(root / 'run.log', 'wb') as log:
        runner = subprocess.Popen(
            _COMMAND, env=env(root), start_new_session=True, stdout=log, stderr=log
        )
    try:
        return runner.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    if victim == 'group':
        os.killpg(runner.pid, signal.SIGKILL)
    elif victim == 'runner':
        runner.kill()
    else:
        for pid in tasks_of(root)[:1]:
            os.kill(pid, signal.SIGKILL)
    try:
        return runner.wait(60) or 0
    except subprocess.TimeoutExpired:
        os.killpg(runner.pid, signal.SIGKILL)
        raise


def tasks_of(root):
    """Processes that work for this DATA_ROOT inside a task."""
    pids = []
    for name in os.listdir('/proc'):
        if name.isdecimal():
            try:
                with open(f'/proc/{name}/environ', 'rb') as f:
                    variables = f.read().split(b'\0')
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
            if f'DATA_ROOT={root}'.encode() in variables and any(
                v.startswith(b'POSEPILE_TASK_REPORT=') for v in variables
            ):
                pids.append(int(name))
    return sorted(pids)


def product(root):
    folder = root / 'packed/aspset'
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def leftovers(root):
    """Temporary files of any kind."""
    words = ('partial', '-journal', '-wal', '.new', '.tmp')
    return [str(p) for p in root.rglob('*') if any(word in p.name for word in words)]
