"""A dataset folder with a pipeline of real processes, and ways to run it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

DATASET_TOML = """
name = "demo"
title = "Demo"
kind = "3d"
year = 2021
citation = "Nobody et al."
homepage = "https://example.org"
licence = "CC0 1.0"
access = "open"
raw = "demo"
joints = 17
splits = ["train"]
[variants.demo_test]
options = { test = true }
"""

# What a task does: writes "STEP TASK start" and "... end" to a journal; its arguments say what it
# does between the two.
WORKER = """
import json, os, signal, subprocess, sys, time

folder = os.path.dirname(os.path.abspath(__file__))
i_task = int(os.environ['SLURM_ARRAY_TASK_ID'])
step = os.environ['POSEPILE_STEP']

def journal(what):
    fd = os.open(os.path.join(folder, 'journal'), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f'{step} {i_task} {what}\\n'.encode())
    os.close(fd)

def wait_for(name):
    deadline = time.monotonic() + 120
    while not os.path.exists(os.path.join(folder, name)):
        if time.monotonic() > deadline:
            sys.exit(f'gave up waiting for {name}')
        time.sleep(0.01)

journal('start')
for word in sys.argv[1:]:
    action, _, value = word.partition('=')
    if '@' in action:  # for one task only
        action, _, number = action.partition('@')
        if int(number) != i_task:
            continue
    if action == 'wait':
        wait_for(value)
    elif action == 'meet':  # all of so many tasks have to run at the same time
        open(os.path.join(folder, f'{step}-{i_task}-is-here'), 'w').close()
        for other in range(int(value)):
            wait_for(f'{step}-{other}-is-here')
    elif action == 'alone':  # fails if two tasks run at the same time
        os.mkdir(os.path.join(folder, 'alone'))
        time.sleep(0.05)
        os.rmdir(os.path.join(folder, 'alone'))
    elif action == 'environ':
        with open(os.path.join(folder, f'environ-{step}-{i_task}'), 'w') as f:
            json.dump(dict(os.environ) | {'stdin': sys.stdin.read()}, f)
    elif action == 'report':
        with open(os.environ['POSEPILE_TASK_REPORT'], 'w') as f:
            f.write(value)
    elif action == 'allocate':
        block = b'x' * int(value)
    elif action == 'print':
        print(value, flush=True)
    elif action == 'fail':
        sys.exit(int(value))
    elif action == 'fail-unless':
        if not os.path.exists(os.path.join(folder, value)):
            sys.exit(f'there is no {value}')
    elif action == 'interrupt-runner':
        os.kill(os.getppid(), getattr(signal, value))
    elif action == 'ignore-term':
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif action == 'grandchild':
        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
        with open(os.path.join(folder, f'grandchild-{i_task}.tmp'), 'w') as f:
            f.write(str(child.pid))
        os.rename(f.name, f.name[:-4])
    else:
        sys.exit(f'unknown action {action}')
journal('end')
"""

_RUN_COMMAND_LINE = (
    'import sys; import posepile.registry as r; r.DATASETS_DIR = sys.argv.pop(1); '
    'from posepile.cli import main; sys.exit(main())'
)


class Pipeline:
    """A dataset folder ``demo`` whose steps run :data:`WORKER` with given words."""

    def __init__(self, folder):
        self.folder = folder
        self.dataset_dir = folder / 'package/ds/demo'
        self.dataset_dir.mkdir(parents=True)
        (self.dataset_dir / 'dataset.toml').write_text(DATASET_TOML)
        self.worker = folder / 'worker.py'
        self.worker.write_text(WORKER)
        self.script = self.dataset_dir / 'main.sh'
        self.data_root = folder / 'data'
        self.data_root.mkdir()
        (folder / 'package/functions.sh').symlink_to(REPOSITORY / 'posepile/functions.sh')
        self.env = {k: v for k, v in os.environ.items() if not k.startswith('POSEPILE_')}
        self.env |= {
            'DATA_ROOT': str(self.data_root),
            'POSEPILE_PYTHON': sys.executable,
            'PYTHONPATH': str(REPOSITORY),
            'POSEPILE_JOBS': '2',
        }

    def write_script(self, *lines):
        """Lines of main.sh; ``WORK`` stands for the beginning of a worker's command."""
        work = f'python {shlex.quote(str(self.worker))}'
        head = [
            '#!/usr/bin/env bash',
            'source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"',
            'begin demo "$@"',
        ]
        lines = [line.replace('WORK', work) for line in lines]
        self.script.write_text('\n'.join([*head, *lines]) + '\n')

    def bash(self, *args, env=None, cwd=None):
        """Run main.sh to its end."""
        return self.start('bash', str(self.script), *args, env=env, cwd=cwd).finish()

    def posepile(self, *args, env=None):
        """Run the command line to its end."""
        return self.start(*self.posepile_command(*args), env=env).finish()

    def posepile_command(self, *args):
        return sys.executable, '-c', _RUN_COMMAND_LINE, str(self.dataset_dir.parent), *args

    def start(self, *command, env=None, cwd=None):
        return Started(command, self.env | (env or {}), cwd)

    def path(self, name):
        return self.folder / name

    def journal(self):
        path = self.path('journal')
        return path.read_text().splitlines() if path.exists() else []

    def state_dir(self, step, product='demo'):
        return self.data_root / '.posepile' / product / step

    def wait_patiently(self, condition, what):
        wait_until(condition, what, seconds=300)

    def mark(self, step, i_task):
        return json.loads((self.state_dir(step) / f'{i_task:05d}.json').read_text())

    def is_marked(self, state, step, *tasks):
        """Whether all these tasks bear that mark, which comes later than their last line."""
        try:
            return all(self.mark(step, i)['state'] == state for i in tasks)
        except FileNotFoundError:
            return False


class Started:
    """A process in a session of its own, with what it has written."""

    def __init__(self, command, env, cwd):
        self._written = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self._written, text=True, start_new_session=True, preexec_fn=_heed_interrupts,
        )  # fmt: skip
        self.pid = self.process.pid

    def finish(self):
        try:
            self.stdout, _ = self.process.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            raise
        self.status = self.process.returncode
        self.stderr = self.errors_so_far()
        return self

    def errors_so_far(self):
        # Not by moving the position, which the process shares.
        size = os.fstat(self._written.fileno()).st_size
        return os.pread(self._written.fileno(), size, 0).decode()


def _heed_interrupts():
    # Shells have them ignored in what they start in the background, which may be this test run.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'waited in vain for: {what}'
        time.sleep(0.01)


@pytest.fixture
def pipeline(tmp_path):
    return Pipeline(tmp_path)


@pytest.fixture
def until():
    return wait_until


@pytest.fixture
def step(pipeline, monkeypatch):
    """Runs one step inside this process; returns its exit status."""
    from posepile.cluster.__main__ import main

    for name in list(os.environ):
        if name.startswith('POSEPILE_'):
            monkeypatch.delenv(name)
    monkeypatch.setenv('DATA_ROOT', str(pipeline.data_root))
    monkeypatch.setenv('POSEPILE_DATASET', 'demo')
    monkeypatch.setenv('POSEPILE_JOBS', '2')

    def run(name, *words):
        """``run('crops', '--tasks', '4', 'print=hello')``: words with ``--`` are options."""
        i = 0
        while i < len(words) and words[i].startswith('--'):
            i += 1 if words[i] == '--gpu' else 2
        command = ['python', str(pipeline.worker), *words[i:]]
        return main(['step', name, *words[:i], '--', *command])

    return run
