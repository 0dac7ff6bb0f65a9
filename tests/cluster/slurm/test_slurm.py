"""Steps on a real Slurm, and everything that can happen to them there."""

import json
import os
import signal
from collections import Counter

import pytest

from .conftest import configure

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('slurm')]


def ends(pipeline):
    return Counter(line for line in pipeline.journal() if line.endswith('end'))


def starts(pipeline):
    return Counter(line for line in pipeline.journal() if line.endswith('start'))


def step_status(pipeline, name):
    [status] = json.loads(pipeline.posepile('status', 'demo', '--json').stdout)
    return next(step for step in status['steps'] if step['name'] == name)


def test_arrays_above_the_limit_are_split_and_only_what_is_missing_is_submitted(pipeline, slurm):
    """MaxArraySize is 5 here: 12 tasks make three jobs, and the second time one."""
    pipeline.write_script('step crops --tasks 12 -- WORK fail@7=3 \'report={"crops":2}\' environ')
    first = pipeline.bash()
    assert first.status == 1
    assert 'submitted as Slurm jobs' in first.stderr
    assert 'step crops: task 7 of 12 failed' in first.stderr
    assert pipeline.mark('crops', 7)['problem'] == 'exit status 3'
    assert ends(pipeline) == {f'crops {i} end': 1 for i in range(12) if i != 7}
    env = json.loads(pipeline.path('environ-crops-11').read_text())
    assert (env['SLURM_ARRAY_TASK_ID'], env['SLURM_ARRAY_TASK_COUNT']) == ('11', '12')
    assert not [name for name in env if name in ('POSEPILE_LOCK_FD', 'POSEPILE_EXECUTOR')]

    pipeline.write_script('step crops --tasks 12 -- WORK \'report={"crops":2}\' environ')
    second = pipeline.posepile('run', 'demo', '--keep', '--json')
    assert second.status == 0, second.stderr
    assert 'submitted as Slurm job ' in second.stderr
    assert starts(pipeline)['crops 7 start'] == 2
    assert ends(pipeline) == {f'crops {i} end': 1 for i in range(12)}
    [step] = json.loads(second.stdout)['steps']
    assert (step['state'], step['done'], step['report']) == ('done', 12, {'crops': 24})
    assert pipeline.mark('crops', 3)['peak_memory_mb'] > 5
    # What the jobs themselves wrote is gone with their success.
    assert not list(pipeline.state_dir('crops').glob('slurm-*'))


def test_detached_pipeline_runs_by_itself_in_order(pipeline, until):
    pipeline.write_script(
        'step download -- WORK wait=go',
        'step crops --tasks 7 -- WORK',
        'step masks --tasks 2 --after download -- WORK',
        'step pack -- WORK',
    )
    run = pipeline.posepile('run', 'demo', '--detach')
    assert run.status == 0, run.stderr
    assert ends(pipeline) == {}
    assert step_status(pipeline, 'pack')['state'] == 'queued'
    until(lambda: step_status(pipeline, 'pack')['waits_for'] == ['Dependency'], 'the reason')
    # Nobody else can start on it meanwhile, here or there.
    local = pipeline.posepile('run', 'demo', '--executor', 'local')
    assert local.status == 1 and 'is being worked on by the Slurm jobs' in local.stderr
    forced = pipeline.posepile('run', 'demo', '--force', 'crops')
    assert forced.status == 1 and 'is being worked on by the Slurm jobs' in forced.stderr
    again = pipeline.posepile('run', 'demo', '--detach')
    assert again.status == 0 and again.stderr.count('all that is missing is in the queue') == 4

    pipeline.path('go').touch()
    until(lambda: 'pack 0 end' in pipeline.journal(), 'the last step')
    until(lambda: step_status(pipeline, 'pack')['state'] == 'done', 'its mark')
    assert max(starts(pipeline).values()) == 1
    order = [line.split()[0] for line in pipeline.journal() if line.endswith('end')]
    assert order[0] == 'download' and order[-1] == 'pack' and len(order) == 11
    # Everything is done: another run has nothing to submit.
    assert pipeline.bash().stderr.count('done before') == 4


def test_what_follows_a_failed_step_is_not_run(pipeline, slurm, until):
    pipeline.write_script('step crops --tasks 2 -- WORK fail-unless@1=fixed', 'step pack -- WORK')
    assert pipeline.posepile('run', 'demo', '--detach').status == 0
    until(lambda: slurm.jobs() == {}, 'the end of all jobs')
    assert 'pack 0 start' not in pipeline.journal()
    status = pipeline.posepile('status', 'demo')
    assert 'step crops, task 1: exit status 1' in status.stdout
    assert 'there is no fixed' in status.stdout
    assert 'there is no fixed' in pipeline.posepile('logs', 'demo', 'crops', '1').stdout

    pipeline.path('fixed').touch()
    again = pipeline.posepile('run', 'demo', '--retry-failed')
    assert again.status == 0, again.stderr
    assert 'first 1 task that failed before' in again.stderr
    assert starts(pipeline)['crops 0 start'] == 1
    assert ends(pipeline) == {'crops 0 end': 1, 'crops 1 end': 1, 'pack 0 end': 1}


def test_throttle_also_holds_for_arrays_that_were_split(pipeline):
    pipeline.write_script('step crops --tasks 7 --max-parallel 1 -- WORK alone')
    run = pipeline.bash()
    assert run.status == 0, run.stderr
    assert len(ends(pipeline)) == 7


def test_cancel_then_go_on(pipeline, slurm, until):
    pipeline.write_script('step crops --tasks 3 -- WORK grandchild wait@1=go', 'step pack -- WORK')
    assert pipeline.posepile('run', 'demo', '--detach').status == 0
    until(lambda: pipeline.is_marked('done', 'crops', 0, 2), 'tasks 0 and 2')
    until(lambda: pipeline.path('grandchild-1').exists(), 'the child of task 1')
    grandchild = int(pipeline.path('grandchild-1').read_text())
    cancelled = pipeline.posepile('cancel', 'demo')
    assert cancelled.status == 0 and 'cancelled Slurm job' in cancelled.stdout, cancelled.stderr
    assert slurm.jobs() == {}
    until(lambda: not os.path.exists(f'/proc/{grandchild}'), 'the end of what the task started')
    assert pipeline.posepile('cancel', 'demo').stdout == 'demo: nothing is at work\n'
    assert step_status(pipeline, 'crops')['done'] == 2

    pipeline.path('go').touch()
    run = pipeline.bash()
    assert run.status == 0, run.stderr
    assert ends(pipeline) == {f'crops {i} end': 1 for i in range(3)} | {'pack 0 end': 1}


def test_jobs_cancelled_by_somebody_else(pipeline, slurm, until):
    pipeline.write_script('step crops --tasks 2 -- WORK wait=never')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: len(pipeline.journal()) == 2, 'both tasks')
    slurm.call('scancel', *{job for job, _ in slurm.jobs()})
    running.finish()
    assert running.status == 1
    assert '2 tasks of step crops cancelled in Slurm' in running.stderr
    assert step_status(pipeline, 'crops')['state'] == 'pending'


def test_requeued_task_is_run_again(pipeline, slurm, until):
    """As after preemption or the loss of a node."""
    pipeline.write_script('step crops --tasks 2 -- WORK wait@1=go')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: pipeline.is_marked('done', 'crops', 0), 'task 0')
    until(lambda: 'crops 1 start' in pipeline.journal(), 'task 1')
    slurm.call('scontrol', 'requeue', pipeline.mark('crops', 1)['job'])
    until(lambda: starts(pipeline)['crops 1 start'] == 2, 'its second start')
    pipeline.path('go').touch()
    assert running.finish().status == 0, running.stderr
    assert starts(pipeline)['crops 0 start'] == 1
    assert ends(pipeline) == {'crops 0 end': 1, 'crops 1 end': 1}


def test_drained_node_delays_and_nothing_else(pipeline, slurm, until):
    slurm.set_node('drain')
    try:
        pipeline.write_script('step crops --tasks 2 -- WORK')
        running = pipeline.start('bash', str(pipeline.script))
        until(lambda: set(slurm.jobs().values()) == {'PENDING'}, 'the queue')
        until(lambda: step_status(pipeline, 'crops')['state'] == 'queued', 'the status')
        assert pipeline.journal() == []
    finally:
        slurm.set_node('resume')
    assert running.finish().status == 0, running.stderr
    assert len(ends(pipeline)) == 2


def test_memory_limit_is_told_and_can_be_raised(pipeline):
    pipeline.write_script('step crops --tasks 2 -- WORK allocate@1=400000000 wait@1=go')
    killed = pipeline.bash()
    assert killed.status == 1
    assert 'it needs more memory: mem in cluster.toml' in killed.stderr
    assert 'it needs more memory' in pipeline.posepile('status', 'demo').stdout
    configure(pipeline, mem='900M')
    pipeline.path('go').touch()
    assert pipeline.bash().status == 0
    assert starts(pipeline) == {'crops 0 start': 1, 'crops 1 start': 2}
    assert ends(pipeline) == {'crops 0 end': 1, 'crops 1 end': 1}


def test_task_near_its_time_limit_goes_back_into_the_queue(pipeline, until):
    """The limit is a minute, the warning comes a quarter of it before; Slurm looks seldom."""
    pipeline.write_script('step crops --tasks 2 --time 1 -- WORK wait@1=go')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: 'crops 1 start' in pipeline.journal(), 'task 1')
    pipeline.wait_patiently(lambda: starts(pipeline)['crops 1 start'] == 2, 'its second start')
    pipeline.path('go').touch()
    assert running.finish().status == 0, running.stderr
    assert ends(pipeline) == {'crops 0 end': 1, 'crops 1 end': 1}


def test_time_limit_without_requeues_is_a_failure(pipeline):
    configure(pipeline, time='1', requeues=0)
    pipeline.write_script('step crops -- WORK wait=never')
    run = pipeline.bash()
    assert run.status == 1
    assert 'ran into its time limit 1 times; give it a longer one' in run.stderr


def test_controller_restarted_in_the_middle(pipeline, slurm, until):
    pipeline.write_script('step crops --tasks 6 -- WORK wait@1=go', 'step pack -- WORK')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: 'crops 1 start' in pipeline.journal(), 'task 1')
    slurm.stop_controller()
    try:
        pipeline.path('go').touch()
        until(lambda: 'crops 1 end' in pipeline.journal(), 'the end of task 1')
        until(lambda: 'Slurm does not answer' in running.errors_so_far(), 'the notice')
        assert running.process.poll() is None
    finally:
        slurm.start_controller()
    assert running.finish().status == 0, running.stderr
    assert max(starts(pipeline).values()) == 1
    assert ends(pipeline) == {f'crops {i} end': 1 for i in range(6)} | {'pack 0 end': 1}


def test_runner_killed_and_started_again_goes_on_with_its_jobs(pipeline, until):
    pipeline.write_script('step crops --tasks 3 -- WORK wait@1=go', 'step pack -- WORK')
    killed = pipeline.start('bash', str(pipeline.script))
    until(lambda: 'crops 1 start' in pipeline.journal(), 'task 1')
    os.killpg(killed.pid, signal.SIGKILL)
    killed.finish()
    again = pipeline.start('bash', str(pipeline.script))
    until(lambda: 'is at work already; waiting for it' in again.errors_so_far(), 'the adoption')
    pipeline.path('go').touch()
    assert again.finish().status == 0, again.stderr
    assert max(starts(pipeline).values()) == 1
    assert ends(pipeline) == {f'crops {i} end': 1 for i in range(3)} | {'pack 0 end': 1}


def test_interrupt_cancels_the_jobs_and_can_be_resumed(pipeline, slurm, until):
    pipeline.write_script('step crops --tasks 2 -- WORK wait@1=go')
    running = pipeline.start('bash', str(pipeline.script))
    until(lambda: pipeline.is_marked('done', 'crops', 0), 'task 0')
    until(lambda: 'crops 1 start' in pipeline.journal(), 'task 1')
    os.killpg(running.pid, signal.SIGINT)
    running.finish()
    assert running.status == 130, running.stderr
    assert '1 of 2 tasks are done. Resume with:' in running.stderr
    assert slurm.jobs() == {}
    pipeline.path('go').touch()
    assert pipeline.bash().status == 0
    assert ends(pipeline) == {'crops 0 end': 1, 'crops 1 end': 1}


def test_second_run_says_who_holds_the_first(pipeline, until):
    pipeline.write_script('step crops -- WORK wait=go')
    first = pipeline.start('bash', str(pipeline.script))
    until(lambda: pipeline.journal() == ['crops 0 start'], 'the task')
    second = pipeline.bash()
    assert second.status == 1
    assert f'is being worked on by process {first.pid}' in second.stderr
    pipeline.path('go').touch()
    assert first.finish().status == 0, first.stderr


def test_steps_that_run_here_and_an_environment_that_fails(pipeline, slurm, until):
    configure(pipeline, here=['download'])
    pipeline.write_script('step download -- WORK environ', 'step crops -- WORK environ')
    assert pipeline.bash().status == 0
    environments = [
        json.loads(pipeline.path(f'environ-{step}-0').read_text()) for step in ('download', 'crops')
    ]
    assert ['SLURM_JOB_ID' in env for env in environments] == [False, True]

    configure(pipeline, setup='echo the module is not there >&2; exit 3')
    failed = pipeline.posepile('run', 'demo', '--force', 'crops')
    assert failed.status == 1
    assert 'ended by Slurm: FAILED' in failed.stderr
    assert 'the module is not there' in failed.stderr
    assert 'the module is not there' in pipeline.posepile('logs', 'demo', 'crops').stdout

    # Without anybody to see it, too.
    detached = pipeline.posepile('run', 'demo', '--detach')
    assert detached.status == 0, detached.stderr
    until(lambda: slurm.jobs() == {}, 'the end of the job')
    status = pipeline.posepile('status', 'demo').stdout
    assert 'ended by Slurm: FAILED' in status and 'the module is not there' in status


def test_options_that_slurm_refuses(pipeline):
    configure(pipeline, partition='nowhere')
    pipeline.write_script('step crops -- WORK')
    run = pipeline.bash()
    assert run.status == 1
    assert 'posepile: error: sbatch:' in run.stderr and 'invalid partition' in run.stderr
    assert 'Traceback' not in run.stderr


def test_nothing_is_queued_behind_jobs_that_have_ended_already(pipeline):
    """An environment that fails at once must not let the next step begin."""
    configure(pipeline, setup='exit 3')
    pipeline.write_script('step crops -- WORK', 'sleep_in_plan', 'step pack -- WORK')
    text = pipeline.script.read_text()
    pipeline.script.write_text(
        text.replace('sleep_in_plan', '[[ -n ${POSEPILE_PLAN_FD:-} ]] || sleep 4')
    )
    run = pipeline.posepile('run', 'demo', '--detach')
    assert run.status == 1
    assert 'step crops: task 0 of 1 failed' in run.stderr
    assert pipeline.journal() == []
