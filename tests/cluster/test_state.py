"""What is known about steps from their files alone, and how the work is shared out."""

import os

import pytest

from posepile.cluster import local, process, recovery, resources
from posepile.cluster.overview import INTERRUPTED, remarks, step_summary
from posepile.cluster.request import StepRequest
from posepile.cluster.state import DONE, FAILED, PENDING, RUNNING, StepState, steps_of


@pytest.fixture
def make_state(tmp_path, monkeypatch):
    """(name, marks of the tasks as (state, fields)) -> StepState"""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))

    def make(name='crops', marks=(), position=1):
        state = StepState('demo', name)
        state.write({'n_tasks': len(marks), 'position': position})
        for i, (mark, fields) in enumerate(marks):
            if mark != PENDING:
                state.set_mark(i, mark, **fields)
        return state

    return make


ENDED = (DONE, dict(seconds=1.5, peak_memory_mb=10.0, report={}))
BROKEN = (FAILED, dict(exit_code=1, log='', seconds=1.0))
TO_DO = (PENDING, {})
ALIVE = (RUNNING, process.identity(os.getpid()))
ELSEWHERE = (RUNNING, {'host': 'elsewhere', 'pid': 2**22 + 1, 'start': 0})
DEAD = (RUNNING, ELSEWHERE[1] | {'host': process.hostname()})


@pytest.mark.parametrize(
    'marks, expected',
    [
        ([], PENDING),
        ([TO_DO, TO_DO], PENDING),
        ([ENDED, ENDED], DONE),
        ([ENDED, TO_DO], INTERRUPTED),
        ([ENDED, DEAD], INTERRUPTED),
        ([TO_DO, DEAD], INTERRUPTED),
        ([ALIVE, TO_DO], RUNNING),
        ([ELSEWHERE, TO_DO], RUNNING),
        ([BROKEN, ALIVE], RUNNING),
        ([BROKEN, ENDED, TO_DO], FAILED),
    ],
)
def test_summary(make_state, marks, expected):
    summary = step_summary(make_state(marks=marks))
    assert summary['state'] == expected
    assert (summary['tasks'], summary['done']) == (len(marks), marks.count(ENDED))
    assert summary['task_seconds'] == 1.5 * marks.count(ENDED)


def test_remarks_name_the_first_few_and_count_the_others():
    assert remarks({'crops': 3, 'skipped': ['a', 'a', 'b']}, most=2) == ['skipped: a', 'skipped: b']
    assert remarks({'skipped': ['a', 'a', 'b', 'c']}, most=2) == [
        'skipped: a',
        'skipped: b',
        'skipped: 1 more, in the logs of the tasks',
    ]


def test_steps_stand_in_the_order_of_the_script(make_state):
    for position, name in enumerate(['masks', 'crops', 'pack', 'archive']):
        make_state(name, position=position)
    assert [state.name for state in steps_of('demo')] == ['masks', 'crops', 'pack', 'archive']


def test_reset_deletes_results_but_nothing_that_is_linked(make_state, tmp_path):
    state = make_state(marks=[ENDED])
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious/file').touch()
    os.symlink(tmp_path / 'precious', os.path.join(state.folder, 'link'))
    os.makedirs(os.path.join(state.folder, 'shards/below'))
    state.reset()
    assert (tmp_path / 'precious/file').exists()
    assert sorted(os.listdir(state.folder)) == ['link', 'step.json']
    assert (state.marks(), state.read()['position']) == ([], 1)


def test_threads_are_shared_among_tasks(monkeypatch):
    """No more than there are cores, nor than the user wants to be busy."""
    request = StepRequest('demo', 'crops', ['true'], tasks=2)
    for jobs, n_cores, expected in [(8, 64, 4), (64, 8, 4), (2, 64, 1)]:
        monkeypatch.setenv('POSEPILE_JOBS', str(jobs))
        monkeypatch.setattr(resources, 'n_cores', lambda n=n_cores: n)
        allotment = local._allot(request, n_tasks=2)
        assert (allotment.at_a_time, allotment.n_threads) == (2, expected)


def test_tasks_done_before_count_in_the_progress(make_state):
    state = make_state(marks=[ENDED, BROKEN, TO_DO, ENDED])
    run = local._Run(StepRequest('demo', 'crops', ['true']), state, [])
    assert (run.n_tasks, run.n_done, list(run.todo)) == (4, 2, [1, 2])


def test_marks_of_running_tasks_are_refreshed(pipeline, step, monkeypatch):
    """So that other hosts see them alive."""
    monkeypatch.setattr(recovery, 'SECONDS_BETWEEN_REFRESHES', -1)
    monkeypatch.setattr(local, '_SECONDS_BETWEEN_LOOKS', 0.01)
    refreshed = []
    monkeypatch.setattr(local.Task, 'refresh_mark', _refreshing(pipeline, refreshed))
    assert step('crops', 'wait=refreshed') == 0
    assert refreshed


def _refreshing(pipeline, refreshed):
    refresh = local.Task.refresh_mark

    def refresh_and_let_end(task):
        os.utime(task.state.mark_path(task.i_task), (0, 0))
        refresh(task)
        refreshed.append(os.stat(task.state.mark_path(task.i_task)).st_mtime > 0)
        assert refreshed[-1]
        pipeline.path('refreshed').touch()

    return refresh_and_let_end
