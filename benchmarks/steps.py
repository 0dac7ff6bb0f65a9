"""What steps cost beside their work: starting tasks, and planning and reading many of them.

    python benchmarks/steps.py [--tasks 10000] [--json FILE]

The overhead of a task is the time from the start of its process by the runner to the first line of
the command, less what the same command takes when it is started by hand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from posepile.cluster.overview import step_summary
from posepile.cluster.request import StepRequest
from posepile.cluster.slurm.config import Settings
from posepile.cluster.slurm.script import chunks, job_script
from posepile.cluster.state import DONE, FAILED, RUNNING, MarkReader, StepState

_COMMAND = [sys.executable, '-c', 'import time; print(time.time())']


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--tasks', type=int, default=10000)
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        os.environ['DATA_ROOT'] = root
        figures = {**overhead(), **many_tasks(args.tasks)}
    by_hand = figures['by_hand_ms']
    print(f'one task: {figures["by_runner_ms"]:.0f} ms from the step to its first line, by hand '
          f'{by_hand:.0f} ms, {figures["per_task_ms"]:.0f} ms per task of many '
          f'({figures["per_task_ms"] / by_hand:.1f} times by hand)')  # fmt: skip
    print(f'{args.tasks} tasks: planned as Slurm arrays in {figures["plan_s"]:.3f} s, read in '
          f'{figures["read_s"]:.2f} s, again in {figures["read_again_s"]:.2f} s, summed up in '
          f'{figures["summary_s"]:.2f} s (floor, reading the same files: '
          f'{figures["floor_s"]:.2f} s)')  # fmt: skip
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(figures, f, indent=1)


def overhead(n_tasks=40):
    by_hand = []
    for _ in range(10):
        start = time.time()
        by_hand.append(float(subprocess.check_output(_COMMAND)) - start)
    environment = {**os.environ, 'POSEPILE_DATASET': 'x', 'POSEPILE_JOBS': '1'}

    def run(name, n):
        words = [sys.executable, '-m', 'posepile.cluster', 'step', name, '--tasks', str(n), '--']
        start = time.time()
        env = {**environment, 'POSEPILE_TASKS': str(n)}
        subprocess.run([*words, *_COMMAND], env=env, check=True, capture_output=True)
        return start, time.time() - start

    start, one_task_step = run('one', 1)
    with open(StepState('x', 'one').log_path(0)) as f:
        first_line = float(f.read()) - start
    _, many = run('many', n_tasks)
    return {
        'by_hand_ms': 1000 * min(by_hand),
        'by_runner_ms': 1000 * first_line,
        'per_task_ms': 1000 * (many - one_task_step) / (n_tasks - 1),
    }


def many_tasks(n):
    state = StepState('x', 'huge')
    state.write({'n_tasks': n, 'command': ['true']})
    for i in range(n):
        if i % 100 == 0:
            state.set_mark(i, RUNNING, host='x', pid=1, start='', since='')
        elif i % 100 == 1:
            state.set_mark(i, FAILED, exit_code=1, problem='exit status 1', log='x', seconds=1)
        elif i % 100 < 90:
            state.set_mark(i, DONE, seconds=1.5, peak_memory_mb=100.0, report={'crops': 5})
    figures = {}
    start = time.perf_counter()
    for entry in os.scandir(state.folder):
        with open(entry.path, 'rb') as f:
            f.read()
    figures['floor_s'] = time.perf_counter() - start
    start = time.perf_counter()
    reader = MarkReader(state)
    marks = reader.read()
    figures['read_s'] = time.perf_counter() - start
    start = time.perf_counter()
    reader.read()
    figures['read_again_s'] = time.perf_counter() - start
    start = time.perf_counter()
    step_summary(state)
    figures['summary_s'] = time.perf_counter() - start
    start = time.perf_counter()
    todo = [i for i, mark in enumerate(marks) if mark['state'] != DONE]
    request = StepRequest('x', 'huge', ['true'], tasks=n)
    for offset, tasks in chunks(todo, 1001):
        job_script(request, state.folder, Settings(), tasks, offset)
    figures['plan_s'] = time.perf_counter() - start
    return figures


if __name__ == '__main__':
    main()
