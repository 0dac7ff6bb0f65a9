"""What people see of a running step."""

import os
import pty
import re
import subprocess
import sys

import pytest

from posepile.cluster.overview import counts_text
from posepile.cluster.progress import duration, log_tail, rate_text


def test_live_progress_on_a_terminal(pipeline, step):
    """The bar is drawn, shows what the task writes, and gives way to the summary line."""
    terminal, inside = pty.openpty()
    command = [
        sys.executable, '-m', 'posepile.cluster', 'step', 'crops', '--tasks', '2', '--',
        'python', str(pipeline.worker), 'print=frame 17 of 90', 'wait@1=go',
    ]  # fmt: skip
    env = pipeline.env | {'POSEPILE_DATASET': 'demo', 'TERM': 'xterm', 'COLUMNS': '150'}
    process = subprocess.Popen(command, env=env, stdin=inside, stderr=inside)
    os.close(inside)
    seen = b''
    while b'frame 17 of 90' not in seen or b'1/2' not in seen:
        seen += os.read(terminal, 65536)
    pipeline.path('go').touch()
    while b'2 tasks done in' not in seen:
        seen += os.read(terminal, 65536)
    assert process.wait(timeout=60) == 0
    os.close(terminal)
    text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', seen.decode())
    assert re.search(r'demo crops .* 1/2 1 running, [\d.]+ s, .* tasks/min, about .* left', text)


@pytest.mark.parametrize(
    'seconds, expected',
    [(0.04, '0.0 s'), (59.9, '59.9 s'), (61, '1 min 1 s'), (3599.6, '1 h 0 min'),
     (7500, '2 h 5 min')],
)  # fmt: skip
def test_duration(seconds, expected):
    assert duration(seconds) == expected


def test_rate_and_time_left():
    assert rate_text(0, 5, 10) == ''
    assert rate_text(5, 0, 10) == ''
    assert rate_text(4, 8, 60) == ', 4 tasks/min, about 2 min 0 s left'


def test_counts():
    report = {'crops': 12345, 'gigabytes': 1234.5678, 'skipped': ['a', 'b'], 'none': 0}
    assert counts_text(report) == 'crops 12,345, gigabytes 1,234.57, skipped 2, none 0'


def test_log_tail(tmp_path):
    log = tmp_path / 'x.log'
    assert log_tail(log) == []
    log.write_bytes(b'\n')
    assert log_tail(log) == []
    log.write_bytes(b'one\r\n 10%\r 20%\r\x1b[31mred\x1b[0m \xff\n\nlast\n\n')
    assert log_tail(log, 20) == ['one', 'red \ufffd', '', 'last']
    assert log_tail(log, 1) == ['last']
    log.write_bytes(b'x' * 10**6 + b'\nend')
    assert log_tail(log, 1) == ['end']
