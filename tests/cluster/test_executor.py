"""Tasks of one step: how they run, what they see, how they end."""

import json
import os
import signal
import subprocess
import sys

import pytest

from posepile.cluster import local, process, recovery, resources, step_report, task
from posepile.cluster.__main__ import main
from posepile.cluster.lock import open_lock
from posepile.cluster.state import StepState


def test_tasks_run_at_the_same_time(pipeline, step):
    assert step('crops', '--tasks', '2', 'meet=2') == 0
    assert sorted(pipeline.journal()) == [
        'crops 0 end', 'crops 0 start', 'crops 1 end', 'crops 1 start',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'options, jobs',
    [(['--tasks', '3'], 1), (['--tasks', '3', '--max-parallel', '1'], 3),
     (['--tasks', '3', '--cpus', '2'], 3)],
)  # fmt: skip
def test_no_more_tasks_at_a_time_than_allowed(pipeline, step, monkeypatch, options, jobs):
    monkeypatch.setenv('POSEPILE_JOBS', str(jobs))
    assert step('crops', *options, 'alone') == 0
    assert len(pipeline.journal()) == 6


def test_environment_of_a_task(pipeline, step, monkeypatch):
    monkeypatch.setenv('OPENBLAS_NUM_THREADS', '7')
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setenv('POSEPILE_UNTIL', 'pack')
    assert step('crops', '--tasks', '3', 'environ') == 0
    for i in range(3):
        env = json.loads(pipeline.path(f'environ-crops-{i}').read_text())
        assert env['SLURM_ARRAY_TASK_ID'] == str(i)
        assert env['SLURM_ARRAY_TASK_COUNT'] == '3'
        assert env['POSEPILE_DATASET'] == 'demo'
        assert env['POSEPILE_STEP'] == 'crops'
        assert os.path.dirname(env['POSEPILE_TASK_REPORT']) == str(pipeline.state_dir('crops'))
        assert env['OMP_NUM_THREADS'] == '1'
        assert env['OPENBLAS_NUM_THREADS'] == '7'
        assert env['stdin'] == ''
        assert 'POSEPILE_UNTIL' not in env


def test_a_lone_task_has_all_threads(pipeline, step, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(resources, 'n_cores', lambda: 6)
    monkeypatch.setenv('POSEPILE_JOBS', '6')
    assert step('pack', 'environ') == 0
    assert json.loads(pipeline.path('environ-pack-0').read_text())['OMP_NUM_THREADS'] == '6'


def test_done_tasks_are_skipped(pipeline, step, capfd):
    assert step('crops', '--tasks', '3', 'print=x') == 0
    before = pipeline.journal()
    assert 'demo crops: 3 tasks done in' in capfd.readouterr().err
    assert step('crops', '--tasks', '3', 'print=x') == 0
    assert pipeline.journal() == before
    assert capfd.readouterr().err == 'demo crops: done before (3 tasks)\n'


def test_failure_lets_siblings_end_and_starts_no_others(pipeline, step, capfd):
    # Task 1 fails while task 0 waits for the trace of that failure.
    failed = pipeline.state_dir('crops') / '00001.json'
    words = ['print@1=what went wrong', f'wait@0={failed}.seen', 'fail-unless@1=repaired']
    subprocess.Popen(
        [sys.executable, '-c',
         'import os, sys, time\n'
         'while not (os.path.exists(sys.argv[1]) and "failed" in open(sys.argv[1]).read()):\n'
         '    time.sleep(0.01)\n'
         'open(sys.argv[1] + ".seen", "w")', str(failed)]
    )  # fmt: skip
    assert step('crops', '--tasks', '6', *words) == 1
    assert sorted(pipeline.journal()) == ['crops 0 end', 'crops 0 start', 'crops 1 start']
    err = capfd.readouterr().err
    assert 'task 1 failed (exit status 1)' in err
    assert 'what went wrong\nthere is no repaired\n' in err
    assert 'SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=6 python' in err
    assert pipeline.mark('crops', 1)['log'].endswith('crops/00001.log')

    pipeline.path('repaired').touch()
    assert step('crops', '--tasks', '6', *words) == 0
    ends = [line for line in pipeline.journal() if line.endswith('end')]
    assert sorted(ends) == [f'crops {i} end' for i in range(6)]


def test_only_the_last_lines_of_a_log_are_shown(step, capfd):
    assert main_step('crops', 'bash', '-c', 'seq -f "line %g" 100; exit 3') == 1
    lines = capfd.readouterr().err.splitlines()
    assert 'line 100' in lines and 'line 81' in lines
    assert 'line 80' not in lines


def test_task_killed_by_the_system(pipeline, step):
    assert main_step('crops', 'bash', '-c', 'kill -KILL $$') == 1
    mark = pipeline.mark('crops', 0)
    assert mark['exit_code'] == -signal.SIGKILL
    assert 'SIGKILL' in mark['problem'] and 'memory' in mark['problem']


def test_unknown_command(pipeline, step, capfd):
    assert main_step('crops', 'no-such-program') == 1
    assert "cannot run 'no-such-program'" in capfd.readouterr().err


def test_children_of_an_ended_task_do_not_live_on(pipeline, step, until):
    assert step('crops', 'grandchild', 'fail=1') == 1
    pid = int(pipeline.path('grandchild-0').read_text())
    until(lambda: process.start_mark(pid) is None, 'the end of the grandchild')


@pytest.mark.parametrize('tasks, jobs, expected', [(64, 2, 8), (3, 2, 3), (64, 1, 4)])
def test_number_of_tasks_is_chosen_at_the_first_start_and_kept(
    pipeline, step, monkeypatch, tasks, jobs, expected
):
    monkeypatch.setenv('POSEPILE_JOBS', str(jobs))
    assert step('crops', '--tasks', str(tasks), f'fail-unless@{expected - 1}=repaired') == 1
    monkeypatch.setenv('POSEPILE_JOBS', '3')
    monkeypatch.setenv('POSEPILE_TASKS', '5')
    pipeline.path('repaired').touch()
    assert step('crops', '--tasks', str(tasks), f'fail-unless@{expected - 1}=repaired') == 0
    ends = [line for line in pipeline.journal() if line.endswith('end')]
    assert sorted(ends) == sorted(f'crops {i} end' for i in range(expected))


def test_number_of_tasks_from_the_environment(pipeline, step, monkeypatch):
    monkeypatch.setenv('POSEPILE_TASKS', '3')
    assert step('crops', '--tasks', '64', 'print=x') == 0
    assert len(pipeline.journal()) == 6
    assert step('pack', 'print=x') == 0
    assert len(pipeline.journal()) == 8


def test_reports_are_summed(pipeline, step, capfd):
    report = '{"crops": 1200, "hours": 0.5, "skipped": ["S1/walk"]}'
    assert step('crops', '--tasks', '2', f'report={report}') == 0
    total = {'crops': 2400, 'hours': 1.0, 'skipped': ['S1/walk', 'S1/walk']}
    assert step_report('crops') == total
    assert step_report('crops', 'demo') == total
    told = capfd.readouterr().err
    assert '(crops 2,400, hours 1, skipped 2)' in told
    assert told.count('skipped: S1/walk\n') == 1
    assert not list(pipeline.state_dir('crops').glob('*.report.json'))


@pytest.mark.parametrize('report', ['no JSON', '[1]', '{"a": {"b": 1}}', '{"a": true}'])
def test_malformed_report_fails_the_task(pipeline, step, report):
    assert step('crops', f'report={report}') == 1
    assert 'report' in pipeline.mark('crops', 0)['problem']


def test_peak_memory_is_recorded(pipeline):
    # In a process of its own: until it runs its command, a task counts with its parent's memory.
    pipeline.write_script('step crops --tasks 2 -- WORK allocate@1=150000000')
    assert pipeline.bash().status == 0
    assert pipeline.mark('crops', 0)['peak_memory_mb'] < 120
    assert 150 < pipeline.mark('crops', 1)['peak_memory_mb'] < 300


def test_interruption_ends_tasks_and_leaves_them_pending(pipeline, step, monkeypatch, capfd):
    monkeypatch.setenv('POSEPILE_RESUME', 'posepile run demo')
    words = ['wait@1=crops-1-goes', 'interrupt-runner@0=SIGINT', 'wait@0=never']
    handler = signal.getsignal(signal.SIGINT)  # a test run in the background ignores it
    assert step('crops', '--tasks', '3', *words) == 130
    state = StepState('demo', 'crops')
    assert [mark['state'] for mark in state.marks()] == ['pending'] * 3
    assert 'Resume with:\n    posepile run demo' in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) == handler


def test_tasks_that_do_not_end_by_themselves_are_killed(pipeline, step, monkeypatch):
    monkeypatch.setattr(task, '_SECONDS_TO_TERMINATE', 0.3)
    assert step('crops', 'ignore-term', 'interrupt-runner=SIGTERM', 'wait=never') == 143
    assert StepState('demo', 'crops').mark(0)['state'] == 'pending'


def test_run_ends_with_the_process_it_works_for(pipeline, step, monkeypatch):
    started_by = subprocess.Popen(['sleep', '60'])
    monkeypatch.setenv('POSEPILE_WATCH_PIDS', f'{os.getpid()} {started_by.pid}')
    pipeline.path('kill.py').write_text(f'import os; os.kill({started_by.pid}, 9)')
    command = f'python3 {pipeline.path("kill.py")}; sleep 60'
    assert main_step('crops', 'bash', '-c', command) == 128 + signal.SIGHUP
    started_by.wait()


def test_survivor_of_a_dead_runner_is_ended_and_its_task_repeated(pipeline, step):
    survivor = subprocess.Popen(['sleep', '60'], start_new_session=True)
    state = make_running_mark(process.identity(survivor.pid))
    recovery.clear_dead_tasks(state)
    assert survivor.wait(timeout=30) == -signal.SIGKILL
    assert state.mark(0)['state'] == 'pending'


def test_another_process_with_the_number_of_a_dead_task_is_left_alone(pipeline, step):
    bystander = subprocess.Popen(['sleep', '60'], start_new_session=True)
    mark = process.identity(bystander.pid) | {'start': 'some other time'}
    state = make_running_mark(mark)
    recovery.clear_dead_tasks(state)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert state.mark(0)['state'] == 'pending'


def test_task_of_another_host(pipeline, step, capfd):
    state = make_running_mark({'host': 'node17', 'pid': 1, 'start': '1'})
    assert step('crops', '--tasks', '2', 'print=x') == 1
    assert 'node17' in capfd.readouterr().err
    assert pipeline.journal() == []

    os.utime(state.mark_path(0), (1e9, 1e9))
    assert step('crops', '--tasks', '2', 'print=x') == 0
    assert len(pipeline.journal()) == 4


def test_damaged_mark_means_repetition(pipeline, step):
    assert step('crops', '--tasks', '2', 'print=x') == 0
    (pipeline.state_dir('crops') / '00001.json').write_bytes(b'{"state": "do')
    assert step('crops', '--tasks', '2', 'print=x') == 0
    ends = [line for line in pipeline.journal() if line.endswith('end')]
    assert sorted(ends) == ['crops 0 end', 'crops 1 end', 'crops 1 end']


def test_mark_that_cannot_be_written_leaves_no_task_behind(pipeline, step, monkeypatch, capfd):
    pids = []

    def identity(pid):
        pids.append(pid)
        (pipeline.state_dir('crops') / '00000.json').mkdir()  # in the way of the mark
        return {'host': 'x', 'pid': pid, 'start': 'x'}

    monkeypatch.setattr(local.process, 'identity', identity)
    monkeypatch.setenv('POSEPILE_LOCK_FD', '0')  # the lock needs identities, too
    assert step('crops', 'wait=never') == 1
    assert '00000.json: cannot be written' in capfd.readouterr().err
    assert process.start_mark(pids[0]) is None


def test_gpu_step_runs_one_task_per_visible_gpu(pipeline, step, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5,7')
    assert step('masks', '--tasks', '2', '--gpu', 'meet=2', 'environ') == 0
    devices = [
        json.loads(pipeline.path(f'environ-masks-{i}').read_text())['CUDA_VISIBLE_DEVICES']
        for i in range(2)
    ]
    assert sorted(devices) == ['5', '7']


def test_gpu_step_without_gpu_is_one_task(pipeline, step, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert step('masks', '--tasks', '16', '--gpu', 'alone') == 0
    assert len(pipeline.journal()) == 2  # one task: each would load the network again


def test_tasks_of_a_gpu_step_without_gpu_run_one_at_a_time(pipeline, step, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setenv('POSEPILE_TASKS', '4')
    assert step('masks', '--tasks', '16', '--gpu', 'alone') == 0
    assert len(pipeline.journal()) == 8


@pytest.mark.parametrize(
    'visible, expected',
    [('0', ['0']), ('2,GPU-8a', ['2', 'GPU-8a']), ('-1', []), ('1,-1,2', ['1']), ('', [])],
)
def test_visible_gpus(monkeypatch, visible, expected):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
    assert resources.visible_gpus() == expected


def test_gpus_are_counted_by_the_driver_tool(monkeypatch, tmp_path):
    tool = tmp_path / 'nvidia-smi'
    tool.write_text(
        '#!/bin/sh\n'
        'echo "GPU 0: NVIDIA H200 (UUID: GPU-1)"\n'
        'echo "  MIG 3g.71gb Device 0: (UUID: MIG-1)"\n'
        'echo "GPU 1: NVIDIA H200 (UUID: GPU-2)"\n'
    )
    tool.chmod(0o755)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    assert resources.visible_gpus() == ['0', '1']
    tool.write_text('#!/bin/sh\nexit 9\n')
    assert resources.visible_gpus() == []


def test_after_names_a_step_that_has_to_be_done(pipeline, step, capfd):
    assert step('pack', '--after', 'crops', 'print=x') == 1
    assert 'step crops, which is not done' in capfd.readouterr().err
    assert step('crops', 'print=x') == 0
    assert step('pack', '--after', 'crops', 'print=x') == 0


def test_options_for_other_executors_are_recorded(pipeline, step):
    assert step('crops', '--mem', '8G', '--time', '2:00:00', 'print=x') == 0
    record = json.loads((pipeline.state_dir('crops') / 'step.json').read_text())
    assert record['options']['mem'] == '8G'
    assert record['options']['time'] == '2:00:00'
    assert record['command'][0] == 'python'
    assert record['code_version']


@pytest.mark.parametrize(
    'variable, value, expected',
    [('POSEPILE_EXECUTOR', 'cloud', 'unknown'),
     ('POSEPILE_JOBS', 'many', 'POSEPILE_JOBS=many'),
     ('POSEPILE_JOBS', '0', 'POSEPILE_JOBS=0'),
     ('POSEPILE_TASKS', '-3', 'POSEPILE_TASKS=-3'),
     ('POSEPILE_DATASET', '', 'POSEPILE_DATASET is not set'),
     ('DATA_ROOT', '/does/not/exist', 'not an existing directory')],
)  # fmt: skip
def test_unusable_environment(pipeline, step, monkeypatch, capfd, variable, value, expected):
    monkeypatch.setenv(variable, value)
    assert step('crops', '--tasks', '2', 'print=x') == 1
    err = capfd.readouterr().err
    assert err.startswith('posepile: error: ') and expected in err
    assert pipeline.journal() == []


@pytest.mark.parametrize('words', [['crops'], ['crops', '--'], ['../x', '--', 'true']])
def test_malformed_step_line(step, capfd, words):
    assert main(['step', *words]) == 1
    assert capfd.readouterr().err.startswith('posepile: error: ')


def main_step(name, *command):
    return main(['step', name, '--', *command])


def make_running_mark(who):
    """Task 0 of 2 of step crops is marked as running by process ``who``."""
    os.close(open_lock('demo'))
    state = StepState('demo', 'crops')
    state.write({'n_tasks': 2, 'command': []})
    state.set_mark(0, 'running', **who, since='2024-01-01T00:00:00+0000')
    return state


def test_long_lists_of_a_report_are_cut_short_for_people(pipeline, step, capfd):
    lines = [f'clip {i} is damaged' for i in range(8)]
    assert step('crops', f'report={json.dumps({"skipped": lines})}') == 0
    told = capfd.readouterr().err
    assert 'skipped: clip 4 is damaged' in told and 'clip 5' not in told
    assert 'skipped: 3 more, in the logs of the tasks' in told
    assert step_report('crops') == {'skipped': lines}


def test_reset_that_was_cut_short_is_completed_at_the_next_start(pipeline, step):
    """It wrote that the step is to begin anew, and died before it deleted anything."""
    assert step('crops', '--tasks', '2') == 0
    results = pipeline.state_dir('crops') / 'shards'
    results.mkdir()
    (results / 'of old').touch()
    StepState('demo', 'crops').write({'n_tasks': None, 'forced': True})
    assert step('crops', '--tasks', '1') == 0
    assert not results.exists()
    assert [mark['state'] for mark in StepState('demo', 'crops').marks()] == ['done']
    assert not (pipeline.state_dir('crops') / '00001.json').exists()
    assert len(pipeline.journal()) == 2 * (2 + 1)
