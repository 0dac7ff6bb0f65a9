"""When results rest upon something that has changed."""

import json
import textwrap

import pytest

from posepile.cluster import basis as basis_module
from posepile.cluster.basis import basis, differences, import_closure
from posepile.cluster.plan import read_plan
from posepile.cluster.request import StepRequest
from posepile.errors import BadFileError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A stand-in for the package's folder; ``write(name, text)`` puts a module there."""
    monkeypatch.setattr(basis_module, '_PACKAGE_DIR', str(tmp_path / 'posepile'))
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))

    def write(name, text):
        path = tmp_path / 'posepile' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        basis_module._tree.cache_clear()
        basis_module._code_digest.cache_clear()

    write('__init__.py', '')
    write('ds/x/main.py', 'from posepile.raw import video\nfrom ...clips import Clip\n')
    write('ds/x/__init__.py', '')
    write('ds/__init__.py', '')
    write('raw/__init__.py', '')
    write('raw/video.py', 'def read():\n    from posepile import errors\n    return 1\n')
    write('clips.py', 'import posepile.cluster.state\nimport numpy\n')
    write('errors.py', 'x = 1\n')
    write('cluster/state.py', 'y = 1\n')
    write('other.py', 'z = 1\n')
    return write


def of_command(*words):
    return basis(StepRequest('x', 'crops', ['python', '-m', 'posepile.ds.x.main', *words]))


def test_closure_follows_every_kind_of_import_but_not_into_the_runner(package):
    assert list(import_closure(['posepile.ds.x.main'])) == [
        'posepile', 'posepile.clips', 'posepile.ds', 'posepile.ds.x', 'posepile.ds.x.main',
        'posepile.errors', 'posepile.raw', 'posepile.raw.video',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'module, text, is_change',
    [('raw/video.py', 'def read():\n    from posepile import errors\n    return 2\n', True),
     ('errors.py', 'x = 2\n', True),
     ('errors.py', '"""What can go wrong."""\n\n# One.\nx = (1)\n', False),
     ('raw/video.py', 'def read():\n    "One."\n    from posepile import errors\n    return 1\n',
      False),
     ('cluster/state.py', 'y = 2\n', False),
     ('other.py', 'z = 2\n', False)],
)  # fmt: skip
def test_code_counts_where_the_command_imports_it_and_comments_do_not(
    package, module, text, is_change
):
    old = of_command()
    package(module, text)
    changed = differences(old, of_command())
    assert bool(changed) == is_change
    assert all(name.startswith('code (Python ') for name in changed)


def test_command_counts(package):
    assert differences(of_command('crops'), of_command('pack')) == ['command']


def test_what_one_of_two_does_not_know_makes_no_difference(package):
    old = {'command': of_command()['command'], 'code (Python 2.7)': 'x', 'gone': 'y'}
    assert differences(old, of_command()) == []


def test_real_datasets_rest_upon_readers_and_pipeline():
    modules = import_closure(['posepile.ds.aspset.main'])
    assert {'posepile.raw.c3d', 'posepile.pipeline.warp', 'posepile.joint_info'} <= set(modules)
    assert not [name for name in modules if name.startswith(('posepile.cluster', 'posepile.cli.'))]


# --- in pipelines ---

STEPS = ['step crops --tasks 2 -- WORK', 'step pack -- WORK']


def states(pipeline):
    [status] = json.loads(pipeline.posepile('status', 'demo', '--json').stdout)
    return {step['name']: (step['state'], *step['stale']) for step in status['steps']}


def test_changed_command(pipeline):
    pipeline.write_script(*STEPS)
    assert pipeline.bash().status == 0
    assert states(pipeline) == {'crops': ('done',), 'pack': ('done',)}
    pipeline.write_script('step crops --tasks 2 -- WORK print=new', STEPS[1])
    assert states(pipeline)['crops'] == ('stale', 'command')
    assert 'step crops is stale; changed since it was done: command' in (
        pipeline.posepile('status').stdout
    )
    refused = pipeline.bash()
    assert refused.status == 1
    assert 'Step crops is stale' in refused.stderr and '--keep' in refused.stderr
    assert len(pipeline.journal()) == 6

    assert pipeline.posepile('run', 'demo', '--keep').status == 0
    assert len(pipeline.journal()) == 6
    # What was accepted once is not asked again.
    assert pipeline.bash().status == 0
    assert states(pipeline) == {'crops': ('done',), 'pack': ('done',)}


def test_changed_program_and_dataset(pipeline):
    pipeline.write_script(*STEPS)
    assert pipeline.bash().status == 0
    pipeline.worker.write_text(pipeline.worker.read_text() + '\n# more to say\n')
    assert set(states(pipeline).values()) == {('done',)}
    pipeline.worker.write_text(pipeline.worker.read_text() + '\nprint("more to do")\n')
    assert states(pipeline)['pack'] == ('stale', f'file {pipeline.worker}')
    redone = pipeline.posepile('run', 'demo', '--force', 'crops')
    assert redone.status == 0, redone.stderr
    assert len(pipeline.journal()) == 12

    toml = pipeline.dataset_dir / 'dataset.toml'
    toml.write_text(toml.read_text().replace('title = "Demo"', 'title = "Demonstration"'))
    assert set(states(pipeline).values()) == {('done',)}
    toml.write_text(toml.read_text().replace('splits = ["train"]', 'splits = ["train", "val"]'))
    assert states(pipeline)['crops'] == ('stale', 'dataset.toml')


def test_miniature_that_gives_place_to_the_real_release(pipeline):
    raw = pipeline.data_root / 'demo'
    raw.mkdir()
    (raw / 'SIMULATED.json').write_text('{"seed": 0}')
    pipeline.write_script(*STEPS)
    assert pipeline.bash().status == 0
    (raw / 'SIMULATED.json').unlink()
    assert states(pipeline)['crops'] == ('stale', 'raw release')
    assert 'was "simulated {"seed": 0}" and is "real"' in pipeline.bash().stderr


def test_earlier_step_that_was_done_anew(pipeline):
    pipeline.write_script(*STEPS)
    assert pipeline.bash().status == 0
    for path in pipeline.state_dir('crops').iterdir():
        path.unlink()
    pipeline.state_dir('crops').rmdir()
    refused = pipeline.bash()
    assert refused.status == 1 and 'Step pack is stale' in refused.stderr
    assert states(pipeline)['pack'] == ('stale', 'step crops')


def test_plan_is_what_the_script_does_and_does_nothing(pipeline):
    pipeline.write_script(
        'for part in a b; do step "crops-$part" --tasks 3 --gpu -- WORK "two words"; done',
        'if [[ $POSEPILE_DATASET == demo_test ]]; then step extra --mem 2G -- WORK; fi',
    )
    plan = read_plan(str(pipeline.script), 'demo')
    assert [(step.name, step.tasks, step.gpu) for step in plan] == [
        ('crops-a', 3, True), ('crops-b', 3, True),
    ]  # fmt: skip
    assert plan[0].command[-1] == 'two words'
    variant = read_plan(str(pipeline.script), 'demo_test', 'demo_test')
    assert (variant[-1].name, variant[-1].mem, variant[-1].dataset) == ('extra', '2G', 'demo_test')
    assert pipeline.journal() == [] and list(pipeline.data_root.iterdir()) == []


def test_script_that_fails_has_no_plan(pipeline):
    pipeline.write_script('no-such-program')
    with pytest.raises(BadFileError, match='main.sh.*no-such-program'):
        read_plan(str(pipeline.script), 'demo')
