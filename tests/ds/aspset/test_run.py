"""``posepile run aspset`` as users run it: the unmodified main.sh, in processes that get killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('aspset')]


def posepile(root, *arguments, **environment):
    return subprocess.run(
        [sys.executable, '-m', 'posepile.cli', *arguments],
        env={**os.environ, 'DATA_ROOT': str(root), **environment},
        capture_output=True,
        text=True,
    )


def run(root, **environment):
    result = posepile(root, 'run', 'aspset', '--jobs', '2', **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def product(root):
    folder = root / 'packed' / 'aspset'
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def start_over(root):
    import shutil

    shutil.rmtree(root / 'packed')
    for step in ('download', 'crops', 'masks', 'pack'):
        shutil.rmtree(root / '.posepile/aspset' / step)


@pytest.fixture(scope='module')
def uninterrupted(pristine_root):
    """The product of an uninterrupted run, and its seconds. Leaves the raw release as it was."""
    start = time.monotonic()
    run(pristine_root)
    seconds = time.monotonic() - start
    whole = product(pristine_root)
    start_over(pristine_root)
    return whole, seconds


@pytest.fixture(scope='module')
def expected(uninterrupted):
    return uninterrupted[0]


@pytest.mark.parametrize('n_tasks', ['1', '7'])
def test_number_of_tasks_does_not_change_a_byte(n_tasks, expected, data_root):
    run(data_root, POSEPILE_TASKS=n_tasks)
    assert product(data_root) == expected


@pytest.mark.parametrize('fraction', [0.12, 0.2, 0.3])
def test_killed_runs_end_in_the_same_bytes(fraction, uninterrupted, data_root):
    """Killed early, then again and again, later each time."""
    expected, seconds = uninterrupted
    n_killed = 0
    for attempt in range(12):
        runner = subprocess.Popen(
            [sys.executable, '-m', 'posepile.cli', 'run', 'aspset', '--jobs', '2'],
            env={**os.environ, 'DATA_ROOT': str(data_root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            runner.wait(timeout=fraction * seconds * 1.3**attempt)
            break
        except subprocess.TimeoutExpired:
            os.killpg(runner.pid, signal.SIGKILL)
            runner.wait()
            n_killed += 1
    assert n_killed > 0
    run(data_root)
    assert product(data_root) == expected
    left = [p for p in data_root.rglob('*') if 'partial' in p.name or 'journal' in p.name]
    assert left == []


def test_second_run_does_nothing_and_forced_run_makes_the_same(expected, data_root):
    run(data_root)
    results = [data_root / 'packed/aspset', data_root / '.posepile/aspset/crops/shards']
    stamps = {p: p.stat().st_mtime_ns for folder in results for p in folder.iterdir()}
    run(data_root)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    result = posepile(data_root, 'run', 'aspset', '--force', 'crops')
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(p.stat().st_mtime_ns != stamp for p, stamp in stamps.items())
    assert product(data_root) == expected


def test_main_sh_runs_by_itself_from_anywhere(expected, data_root, tmp_path):
    from posepile.registry import find_dataset

    script = os.path.join(find_dataset('aspset').folder, 'main.sh')
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']
    result = subprocess.run(
        ['bash', script],
        cwd=tmp_path,
        env={**os.environ, 'DATA_ROOT': str(data_root), 'PATH': path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert product(data_root) == expected


def test_variant_has_a_product_of_its_own(data_root):
    result = posepile(data_root, 'run', 'aspset_test')
    assert result.returncode == 0, result.stdout + result.stderr
    shown = posepile(data_root, 'verify', 'aspset_test', '--json')
    assert json.loads(shown.stdout)['examples']['test'] == 3


def test_errors_are_one_line_for_the_user(tmp_path):
    for root, arguments, words in [
        (tmp_path, ['run', 'aspsett'], 'aspset'),
        (tmp_path / 'nowhere', ['run', 'aspset'], 'not an existing directory'),
        (tmp_path, ['verify', 'aspset'], 'posepile run aspset'),
        (tmp_path, ['show', 'aspset', '--out', 'x.png'], 'posepile run aspset'),
    ]:
        result = posepile(root, *arguments)
        assert result.returncode == 1
        assert words in result.stderr
        assert 'Traceback' not in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_crops_that_fail_show_their_log_and_how_to_go_on(data_root):
    (data_root / 'aspset/data/splits.csv').write_text('one,two\n')
    result = posepile(data_root, 'run', 'aspset')
    assert result.returncode == 1
    output = result.stdout + result.stderr
    assert 'splits.csv' in output and 'posepile run aspset' in output
    assert 'Traceback' not in output


def test_full_disk_while_packing(expected, data_root):
    """A limit on the size of files stands for the full disk; the finished crops are kept."""
    code = (
        'import resource, sys, posepile.cli;'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY));'
        'sys.exit(posepile.cli.main(["run", "aspset"]))'
    )
    assert posepile(data_root, 'run', 'aspset', '--until', 'crops').returncode == 0
    result = subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, 'DATA_ROOT': str(data_root)},
        capture_output=True,
        text=True,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert 'no space is left' in output and 'Traceback' not in output
    assert not (data_root / 'packed/aspset/annotations.barecat').exists()
    run(data_root)
    assert product(data_root) == expected
