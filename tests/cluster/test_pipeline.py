"""Whole pipelines: main.sh and ``posepile run``, with everything that can interrupt them."""

import json
import os
import shlex
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from posepile.cluster import process

THREE_STEPS = (
    'step download -- WORK print=x',
    'step crops --tasks 4 -- WORK environ',
    'step pack -- WORK environ',
)


def test_steps_run_in_order_from_any_directory(pipeline, tmp_path):
    pipeline.write_script(*THREE_STEPS)
    run = pipeline.bash(cwd=tmp_path)
    assert run.status == 0, run.stderr
    steps = [line.split()[0] for line in pipeline.journal()]
    assert steps == ['download'] * 2 + ['crops'] * 8 + ['pack'] * 2
    assert pipeline.bash(cwd='/').status == 0
    assert len(pipeline.journal()) == 12


def test_script_beside_the_code_needs_no_installation(pipeline, tmp_path):
    pipeline.write_script(*THREE_STEPS)
    functions = Path(pipeline.env.pop('PYTHONPATH')) / 'posepile/functions.sh'
    text = pipeline.script.read_text().replace(
        '"$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"', str(functions)
    )
    pipeline.script.write_text(text)
    run = pipeline.bash(cwd=tmp_path)
    assert run.status == 0, run.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason='needs PYTHONSAFEPATH of Python 3.11')
def test_file_in_the_current_directory_takes_no_module_place(pipeline, tmp_path):
    pipeline.write_script(*THREE_STEPS)
    (tmp_path / 'shlex.py').write_text('raise SystemExit("imported from here")')
    run = pipeline.bash(cwd=tmp_path)
    assert run.status == 0, run.stderr


def test_run_prints_a_table(pipeline):
    pipeline.write_script(
        'step crops --tasks 2 -- WORK \'report={"crops": 3}\'', 'echo "of main.sh itself"'
    )
    run = pipeline.posepile('run', 'demo')
    assert run.status == 0, run.stderr
    assert 'of main.sh itself' in run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].split() == ['step', 'state', 'tasks', 'time', 'peak', 'MB', 'counts']
    assert lines[1].startswith('crops  done') and '2/2' in lines[1] and 'crops 6' in lines[1]

    again = pipeline.posepile('run', 'demo', '--json')
    content = json.loads(again.stdout)
    assert content['exit_status'] == 0
    assert content['steps'][0]['report'] == {'crops': 6}
    assert len(pipeline.journal()) == 4


def test_variants_have_their_own_state(pipeline):
    pipeline.write_script(*THREE_STEPS)
    assert pipeline.posepile('run', 'demo_test').status == 0
    env = json.loads(pipeline.path('environ-pack-0').read_text())
    assert env['POSEPILE_DATASET'] == 'demo_test'
    assert pipeline.state_dir('pack', 'demo_test').exists()
    assert not pipeline.state_dir('pack').exists()
    wrong = pipeline.bash('demo_tset')
    assert wrong.status == 1
    assert "does not make 'demo_tset'; it makes demo, demo_test" in wrong.stderr


def test_until(pipeline):
    pipeline.write_script(*THREE_STEPS)
    assert pipeline.posepile('run', 'demo', '--until', 'crops').status == 0
    assert len(pipeline.journal()) == 10
    assert pipeline.posepile('run', 'demo').status == 0
    assert len(pipeline.journal()) == 12


@pytest.mark.parametrize('option', ['--until', '--force'])
def test_misspelt_step_is_noticed_before_any_work(pipeline, option):
    pipeline.write_script(*THREE_STEPS)
    run = pipeline.posepile('run', 'demo', option, 'corps')
    assert run.status == 1
    assert "no step 'corps'. Did you mean crops? The steps are download, crops, pack." in run.stderr
    assert pipeline.journal() == []


def test_failed_step_stops_the_pipeline_and_tells_how_to_resume(pipeline):
    pipeline.write_script('step crops -- WORK print=because fail-unless=repaired', THREE_STEPS[2])
    run = pipeline.posepile('run', 'demo', '--jobs', '1')
    assert run.status == 1
    assert '\nbecause\n' in run.stderr
    assert '--- to resume:\n    posepile run demo --jobs 1\n' in run.stderr
    assert pipeline.journal() == ['crops 0 start']
    direct = pipeline.bash()
    command = direct.stderr.partition('--- to resume:\n')[2].splitlines()[0]
    assert shlex.split(command) == ['bash', str(pipeline.script)]

    pipeline.path('repaired').touch()
    assert pipeline.bash().status == 0


def test_changed_command_is_stale_until_forced_or_kept(pipeline):
    pipeline.write_script(*THREE_STEPS)
    assert pipeline.bash().status == 0
    pipeline.write_script(THREE_STEPS[0], THREE_STEPS[1] + ' print=new', THREE_STEPS[2])
    stale = pipeline.posepile('run', 'demo')
    assert stale.status == 1
    assert 'Step crops is stale' in stale.stderr
    assert '--force crops' in stale.stderr and '--keep' in stale.stderr
    assert len(pipeline.journal()) == 12

    assert pipeline.posepile('run', 'demo', '--keep').status == 0
    assert pipeline.posepile('run', 'demo').status == 0
    assert len(pipeline.journal()) == 12


def test_force_repeats_a_step_and_the_later_ones(pipeline):
    pipeline.write_script(*THREE_STEPS)
    assert pipeline.bash().status == 0
    results = [pipeline.state_dir(name) / 'results' for name in ('download', 'crops', 'pack')]
    for folder in results:
        folder.mkdir()
    assert pipeline.posepile('run', 'demo', '--force', 'crops').status == 0
    counts = Counter(line.split()[0] for line in pipeline.journal())
    assert counts == {'download': 2, 'crops': 16, 'pack': 4}
    assert [folder.exists() for folder in results] == [True, False, False]


def test_force_survives_a_failure_before_the_forced_step(pipeline):
    pipeline.write_script(*THREE_STEPS)
    assert pipeline.bash().status == 0
    pipeline.write_script(
        'step early -- WORK fail-unless=repaired', *THREE_STEPS
    )  # a new first step, so that the recorded positions are no longer those of the script
    assert pipeline.posepile('run', 'demo', '--force', 'crops').status == 1
    pipeline.path('repaired').touch()
    assert pipeline.posepile('run', 'demo').status == 0
    counts = Counter(line.split()[0] for line in pipeline.journal())
    assert counts['crops'] == 16 and counts['pack'] == 4
    assert counts['download'] == 2


def test_force_of_a_step_that_is_new_in_the_script(pipeline):
    pipeline.write_script(*THREE_STEPS)
    assert pipeline.bash().status == 0
    pipeline.write_script(*THREE_STEPS[:2], 'step masks -- WORK environ', THREE_STEPS[2])
    assert pipeline.posepile('run', 'demo', '--force', 'masks').status == 0
    counts = Counter(line.split()[0] for line in pipeline.journal())
    assert counts == {'download': 2, 'crops': 8, 'masks': 2, 'pack': 4}


def test_tasks_of_a_killed_runner_do_not_live_on(pipeline, until):
    pipeline.write_script('step crops -- WORK grandchild wait=never')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: pipeline.path('grandchild-0').exists(), 'the task')
    task = pipeline.mark('crops', 0)['pid']
    grandchild = int(pipeline.path('grandchild-0').read_text())
    os.killpg(running.pid, signal.SIGKILL)
    until(lambda: process.start_mark(task) is None, 'the end of the task')
    until(lambda: process.start_mark(grandchild) is None, 'the end of its child')
    running.finish()
    steps = json.loads(pipeline.posepile('status', '--json').stdout)[0]['steps']
    assert steps[0]['state'] == 'interrupted'


@pytest.mark.parametrize('victim', ['posepile', 'bash', 'step', 'all'])
def test_kill_9_then_restart(pipeline, until, victim):
    """Finished tasks stay finished, unfinished ones die with the runner and are repeated."""
    pipeline.write_script('step crops --tasks 4 -- WORK grandchild wait@2=go wait@3=go')
    running = pipeline.start(*pipeline.posepile_command('run', 'demo'))
    until(
        lambda: pipeline.path('grandchild-2').exists() and pipeline.path('grandchild-3').exists(),
        'tasks 2 and 3',
    )
    tasks = [pipeline.mark('crops', i)['pid'] for i in (2, 3)]
    tasks += [int(pipeline.path(f'grandchild-{i}').read_text()) for i in (2, 3)]
    lock = json.loads((pipeline.data_root / '.posepile/demo/.lock').read_text())
    bash = lock['processes'][1]['pid']
    pids = {'posepile': running.pid, 'bash': bash, 'step': parent(tasks[0])}
    for pid in pids.values() if victim == 'all' else [pids[victim]]:
        os.kill(pid, signal.SIGKILL)

    pipeline.path('grandchild-2').unlink()
    restarted = pipeline.start(*pipeline.posepile_command('run', 'demo'))
    until(lambda: pipeline.path('grandchild-2').exists(), 'the repetition of task 2')
    # The first ones were gone before the second ones began.
    assert [process.start_mark(pid) for pid in tasks] == [None] * 4
    pipeline.path('go').touch()
    assert restarted.finish().status == 0, restarted.stderr
    running.finish()
    starts = Counter(line for line in pipeline.journal() if line.endswith('start'))
    ends = Counter(line for line in pipeline.journal() if line.endswith('end'))
    assert starts == {
        'crops 0 start': 1, 'crops 1 start': 1, 'crops 2 start': 2, 'crops 3 start': 2,
    }  # fmt: skip
    assert ends == {f'crops {i} end': 1 for i in range(4)}


@pytest.mark.parametrize('signum, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize('whom', ['posepile', 'bash', 'terminal'])
def test_interrupt_then_resume(pipeline, until, signum, status, whom):
    pipeline.write_script('step crops --tasks 2 -- WORK wait@1=go', THREE_STEPS[2])
    command = ('bash', str(pipeline.script))
    if whom == 'posepile':
        command = pipeline.posepile_command('run', 'demo')
    running = pipeline.start(*command)
    until(lambda: {'crops 0 end', 'crops 1 start'} <= set(pipeline.journal()), 'task 1')
    until(lambda: pipeline.is_marked('done', 'crops', 0), 'the mark of task 0')
    task = pipeline.mark('crops', 1)['pid']
    if whom == 'terminal':  # which signals all processes of its foreground
        os.killpg(running.pid, signum)
    else:
        os.kill(running.pid, signum)
    running.finish()
    assert running.status == status, running.stderr
    assert '1 of 2 tasks are done. Resume with:' in running.stderr
    assert process.start_mark(task) is None

    pipeline.path('go').touch()
    assert pipeline.bash().status == 0
    ends = Counter(line for line in pipeline.journal() if line.endswith('end'))
    assert ends == {'crops 0 end': 1, 'crops 1 end': 1, 'pack 0 end': 1}


def test_second_run_is_refused(pipeline, until):
    pipeline.write_script('step crops -- WORK wait=go')
    first = pipeline.start('bash', str(pipeline.script))
    until(lambda: pipeline.journal() == ['crops 0 start'], 'the first run')
    second = pipeline.posepile('run', 'demo')
    assert second.status == 1
    assert f'is being worked on by process {first.pid} on {process.hostname()}' in second.stderr
    status = json.loads(pipeline.posepile('status', 'demo', '--json').stdout)
    assert status[0]['runner']['pid'] == first.pid
    assert status[0]['steps'][0]['state'] == 'running'

    # A variant is another product; it may be made at the same time.
    other = pipeline.start('bash', str(pipeline.script), 'demo_test')
    until(lambda: len(pipeline.journal()) == 2, 'the run of the variant')
    pipeline.path('go').touch()
    assert first.finish().status == 0, first.stderr
    assert other.finish().status == 0, other.stderr
    assert json.loads(pipeline.posepile('status', 'demo', '--json').stdout)[0]['runner'] is None


def test_status_shows_failures(pipeline):
    pipeline.write_script('step crops --tasks 2 -- WORK print@1=because fail@1=3')
    assert pipeline.bash().status == 1
    status = pipeline.posepile('status')
    assert status.status == 0
    assert 'step crops, task 1: exit status 3' in status.stdout
    assert '    because' in status.stdout
    content = json.loads(pipeline.posepile('status', '--json').stdout)
    assert content[0]['steps'][0]['failed'] == [1]
    assert content[0]['failures'][0]['log_tail'] == ['because']


def test_more_than_a_variant_is_refused(pipeline):
    pipeline.write_script('step crops -- WORK')
    run = pipeline.bash('demo_small', 'crops')
    assert run.status == 1
    assert "at most one argument, a variant; given were ['demo_small', 'crops']" in run.stderr


def test_state_folder_that_cannot_be_used(pipeline):
    pipeline.write_script('step crops -- WORK')
    (pipeline.data_root / '.posepile/demo/.lock').mkdir(parents=True)
    run = pipeline.bash()
    assert run.status == 1
    assert 'posepile: error: Cannot write in the state folder' in run.stderr
    assert run.stderr.count('\n') == 1


def test_step_without_begin(pipeline):
    pipeline.write_script()
    text = pipeline.script.read_text().replace('begin demo "$@"', 'step crops -- true')
    pipeline.script.write_text(text)
    run = pipeline.bash()
    assert run.status == 1
    assert 'step without begin' in run.stderr


@pytest.mark.parametrize(
    'env, expected',
    [({'DATA_ROOT': ''}, 'DATA_ROOT is not set'),
     ({'DATA_ROOT': '/does/not/exist'}, 'not an existing directory'),
     ({'POSEPILE_PYTHON': '/bin/false'}, 'cannot import posepile'),
     ({'POSEPILE_EXECUTOR': 'pbs'}, 'POSEPILE_EXECUTOR=pbs is unknown'),
     ({'POSEPILE_DETACH': '1'}, 'POSEPILE_DETACH=1 needs POSEPILE_EXECUTOR=slurm'),
     ({'POSEPILE_JOBS': 'all'}, 'POSEPILE_JOBS=all')],
)  # fmt: skip
def test_unusable_environment_is_told_before_any_work(pipeline, env, expected):
    pipeline.write_script('touch "$DATA_ROOT/main.sh-went-on"')
    run = pipeline.bash(env=env)
    assert run.status == 1
    assert expected in run.stderr and 'Traceback' not in run.stderr
    assert not (pipeline.data_root / 'main.sh-went-on').exists()


def test_relative_data_root(pipeline):
    pipeline.write_script('cd /', *THREE_STEPS)
    run = pipeline.bash(env={'DATA_ROOT': 'data'}, cwd=pipeline.folder)
    assert run.status == 0, run.stderr
    assert pipeline.state_dir('pack').exists()


def test_error_in_the_script_itself_ends_it(pipeline):
    pipeline.write_script('false', THREE_STEPS[0])
    assert pipeline.bash().status == 1
    pipeline.write_script('echo "$no_such_variable"', THREE_STEPS[0])
    assert pipeline.bash().status == 1
    assert pipeline.journal() == []


def parent(pid):
    return int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
