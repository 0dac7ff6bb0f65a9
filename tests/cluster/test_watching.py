"""What a person sees of a pipeline and does to it: status, logs, cancel, dry runs."""

import json
import os

import pytest

from posepile.cli.steps_table import progress_bar
from posepile.cluster import process


def test_status_lists_steps_that_were_never_started(pipeline):
    pipeline.write_script('step crops --tasks 2 -- WORK', 'step pack -- WORK')
    pipeline.posepile('run', 'demo', '--until', 'crops')
    lines = pipeline.posepile('status', 'demo').stdout.splitlines()
    assert lines[2].split()[:4] == ['crops', 'done', '2/2', '[############]']
    assert lines[3].split()[:4] == ['pack', 'pending', '0/?', '[............]']


def test_status_of_a_script_that_is_being_edited(pipeline):
    pipeline.write_script('step crops -- WORK')
    assert pipeline.bash().status == 0
    pipeline.write_script('step crops -- ')
    status = pipeline.posepile('status', 'demo')
    assert status.status == 0
    assert 'note: The steps of its main.sh cannot be read' in status.stdout
    assert 'crops  done' in status.stdout


def test_watching_ends_with_the_work(pipeline, until):
    pipeline.write_script('step crops --tasks 2 -- WORK wait@1=go')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: {'crops 0 end', 'crops 1 start'} <= set(pipeline.journal()), 'task 1')
    until(lambda: pipeline.is_marked('done', 'crops', 0), 'the mark of task 0')
    watching = pipeline.start(*pipeline.posepile_command('status', 'demo', '--watch', '0.2'))
    once = json.loads(pipeline.posepile('status', 'demo', '--json').stdout)[0]['steps'][0]
    assert (once['state'], once['running'], once['done']) == ('running', [1], 1)
    assert once['seconds_left'] == pytest.approx(once['task_seconds'], abs=0.1)
    pipeline.path('go').touch()
    assert running.finish().status == 0
    assert watching.finish().status == 0
    assert 'left' in watching.stdout and '2/2' in watching.stdout


def test_progress_bar_is_full_only_at_the_end():
    assert progress_bar(0, 0) == progress_bar(0, 5) == '[............]'
    assert progress_bar(9999, 10000) == '[###########.]'
    assert progress_bar(5, 5) == '[############]'


def test_logs(pipeline):
    pipeline.write_script('step crops --tasks 3 -- WORK print=hello print@1=because fail@1=3')
    assert pipeline.bash().status == 1
    table = pipeline.posepile('logs', 'demo', 'crops').stdout.splitlines()
    assert table[1].split()[:2] == ['1', 'failed'] and 'exit status 3' in table[1]
    assert {line.split()[0] for line in table[2:]} == {'0', '2'}
    assert pipeline.posepile('logs', 'demo', 'crops', '1').stdout == 'hello\nbecause\n'
    assert pipeline.posepile('logs', 'demo', 'crops', '1', '-n', '1').stdout == 'because\n'


def test_log_of_the_only_task_and_following_it(pipeline, until):
    pipeline.write_script('step pack -- WORK print=first wait=go print=last')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: pipeline.journal() == ['pack 0 start'], 'the task')
    following = pipeline.start(*pipeline.posepile_command('logs', 'demo', 'pack', '--follow'))
    pipeline.path('go').touch()
    assert running.finish().status == 0
    assert following.finish().stdout.split() == ['first', 'last']


@pytest.mark.parametrize(
    'words, expected',
    [(['croops'], "No step 'croops' of demo was started. Did you mean crops?"),
     (['crops', '9'], 'Step crops has the tasks 0 to 1.')],
)  # fmt: skip
def test_logs_that_are_not_there(pipeline, words, expected):
    pipeline.write_script('step crops --tasks 2 -- WORK')
    pipeline.bash()
    run = pipeline.posepile('logs', 'demo', *words)
    assert run.status == 1 and expected in run.stderr


def test_cancel_ends_a_run_of_this_machine(pipeline, until):
    pipeline.write_script('step crops --tasks 2 -- WORK grandchild wait@1=go')
    running = pipeline.start(*pipeline.posepile_command('run', 'demo'))
    until(lambda: {'crops 0 end', 'crops 1 start'} <= set(pipeline.journal()), 'task 1')
    until(lambda: pipeline.path('grandchild-1').exists(), 'its child')
    child = int(pipeline.path('grandchild-1').read_text())
    cancelled = pipeline.posepile('cancel', 'demo')
    assert cancelled.status == 0 and 'has ended' in cancelled.stdout
    assert running.finish().status != 0
    assert process.start_mark(child) is None
    assert pipeline.posepile('cancel', 'demo').stdout == 'demo: nothing is at work\n'
    pipeline.path('go').touch()
    assert pipeline.bash().status == 0


def test_dry_run_shows_and_does_nothing(pipeline):
    pipeline.write_script('step crops --tasks 4 -- WORK', 'step pack -- WORK "two words"')
    shown = pipeline.posepile('run', 'demo', '--dry-run')
    assert shown.status == 0
    assert shown.stdout.splitlines()[0].split(maxsplit=1) == ['crops', 'up to 4 tasks']
    assert "'two words'" in shown.stdout
    assert list(pipeline.data_root.iterdir()) == [] and pipeline.journal() == []
    assert 'pack' not in pipeline.posepile('run', 'demo', '--dry-run', '--until', 'crops').stdout


def test_dry_run_for_slurm_prints_the_scripts_also_where_slurm_is_not(pipeline):
    """A thousand tasks is what Slurm's arrays hold by default."""
    pipeline.write_script(
        'step download -- WORK', 'step crops --tasks 1500 --mem 2G -- WORK', 'step pack -- WORK'
    )
    path = os.path.dirname(os.path.realpath('/bin/bash'))
    tools = pipeline.path('tools')
    tools.mkdir()
    (tools / 'bash').symlink_to(f'{path}/bash')
    (tools / 'dirname').symlink_to(f'{path}/dirname')
    shown = pipeline.posepile(
        'run', 'demo', '--executor', 'slurm', '--dry-run', env={'PATH': str(tools)}
    )
    assert shown.status == 0, shown.stderr
    assert shown.stdout.count('#!/bin/bash') == 4
    assert '#SBATCH --array=0-1000\n' in shown.stdout
    assert '#SBATCH --array=0-498\n' in shown.stdout
    assert shown.stdout.count('#SBATCH --mem=2G') == 2
    assert "#SBATCH --dependency='afterok:<download>:<crops>'" in shown.stdout
    assert list(pipeline.data_root.iterdir()) == []


def test_failed_tasks_first(pipeline):
    """As long as what failed fails again, nothing else is begun."""
    pipeline.write_script('step crops --tasks 6 -- WORK fail-unless@5=fixed fail-unless@0=fixed')
    env = {'POSEPILE_JOBS': '1', 'POSEPILE_TASKS': '6'}
    assert pipeline.posepile('run', 'demo', env=env).status == 1
    assert pipeline.journal() == ['crops 0 start']
    again = pipeline.posepile('run', 'demo', '--retry-failed', env=env)
    assert again.status == 1 and 'first 1 task that failed before' in again.stderr
    assert pipeline.journal() == ['crops 0 start'] * 2
    pipeline.path('fixed').touch()
    assert pipeline.posepile('run', 'demo', '--retry-failed', env=env).status == 0
    assert sum(line.endswith('end') for line in pipeline.journal()) == 6


def test_detaching_needs_slurm(pipeline):
    pipeline.write_script('step crops -- WORK')
    run = pipeline.posepile('run', 'demo', '--detach')
    assert run.status == 1 and '--detach needs --executor slurm' in run.stderr
