"""The shell helpers, under bash in strict mode."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FUNCTIONS = Path(__file__).resolve().parents[2] / 'posepile/functions.sh'


def bash(script, *args, stdin='', cwd=None, **env):
    return subprocess.run(
        ['bash', '-c', f'source {FUNCTIONS}\n{script}', 'main.sh', *args],
        input=stdin, capture_output=True, text=True, cwd=cwd,
        env={'PATH': '/usr/local/bin:/usr/bin:/bin', 'POSEPILE_PYTHON': sys.executable} | env,
    )  # fmt: skip


@pytest.mark.skipif(not shutil.which('shellcheck'), reason='shellcheck is not installed')
def test_shellcheck():
    check = subprocess.run(['shellcheck', FUNCTIONS], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=40))
def test_urlencode_agrees_with_python(text):
    assert bash('urlencode "$1"', text).stdout == quote(text, safe='')


@pytest.mark.parametrize('locale', ['C', 'C.UTF-8'])
def test_urlencode_works_on_bytes(locale):
    run = bash('urlencode "$1"; echo "${#1}"', 'a/b c~ü€%"\'\n.', LC_ALL=locale)
    length = '16' if locale == 'C' else '13'
    assert run.stdout == f'a%2Fb%20c~%C3%BC%E2%82%AC%25%22%27%0A.{length}\n'


def test_ask_repeats_until_yes_or_no():
    run = bash('ask "Really?"', stdin='maybe\n\nY\n')
    assert (run.stdout, run.returncode) == ('y\n', 0)
    assert run.stderr.count('Really?') == 3
    assert bash('ask x', stdin='n\n').stdout == 'n\n'
    assert bash('ask x', stdin='perhaps\n').returncode == 1


def test_check_md5(tmp_path):
    file = tmp_path / 'a file'
    file.write_bytes(b'content')
    md5 = hashlib.md5(b'content').hexdigest()
    for argument, status in [(md5, 0), (md5.upper(), 0), ('0' * 32, 1)]:
        run = bash('check_md5 "$1" "$2"', str(file), argument)
        assert (run.returncode, run.stdout, run.stderr) == (status, '', '')
    assert bash('check_md5 "$1" "$2"', str(tmp_path / 'missing'), md5).returncode == 1


def test_mkdircd(tmp_path):
    run = bash('mkdircd "x y/-z"; mkdircd -w; pwd', cwd=tmp_path)
    assert run.stdout == f'{tmp_path}/x y/-z/-w\n'
    (tmp_path / 'file').touch()
    assert bash('mkdircd file; echo went on', cwd=tmp_path).stdout == ''


def test_check_data_root(tmp_path):
    (tmp_path / 'file').touch()
    assert bash('check_data_root; echo went on', DATA_ROOT=str(tmp_path)).stdout == 'went on\n'
    for env in [{}, {'DATA_ROOT': ''}, {'DATA_ROOT': f'{tmp_path}/file'}]:
        run = bash('check_data_root; echo went on', **env)
        assert (run.returncode, run.stdout) == (1, '')
        assert 'export DATA_ROOT=' in run.stderr


def test_code_dir():
    assert bash('echo "$CODE_DIR"').stdout == f'{FUNCTIONS.parent}\n'


def test_strict_mode():
    assert bash('false; echo went on').stdout == ''
    assert bash('echo "$nothing"; echo went on').stdout == ''
    assert bash('false | true; echo went on').stdout == ''


@pytest.mark.skipif(not find_spec('posepile.raw.unpack'), reason='needs posepile.raw.unpack')
def test_extractrm(tmp_path):
    (tmp_path / 'content').write_text('x')
    with tarfile.open(tmp_path / 'a b.tar.gz', 'w:gz') as f:
        f.add(tmp_path / 'content', 'from-tar/content')
    with zipfile.ZipFile(tmp_path / 'b.ZIP', 'w') as f:
        f.write(tmp_path / 'content', 'from-zip/content')
    run = bash('extractrm "a b.tar.gz" b.ZIP', cwd=tmp_path, PYTHONPATH=str(FUNCTIONS.parents[1]))
    assert run.returncode == 0, run.stderr
    assert (tmp_path / 'from-tar/content').read_text() == 'x'
    assert (tmp_path / 'from-zip/content').read_text() == 'x'
    assert not (tmp_path / 'a b.tar.gz').exists() and not (tmp_path / 'b.ZIP').exists()


def test_extractrm_keeps_what_it_cannot_unpack(tmp_path):
    (tmp_path / 'a.tar.gz').write_bytes(b'this is no archive')
    (tmp_path / 'b.xyz').touch()
    run = bash(
        'extractrm a.tar.gz b.xyz', cwd=tmp_path, PYTHONPATH=str(FUNCTIONS.parents[1])
    )  # fmt: skip
    assert run.returncode == 1
    assert 'b.xyz is of no known type' in run.stderr
    assert 'a.tar.gz was not unpacked and is kept' in run.stderr
    assert (tmp_path / 'a.tar.gz').exists() and (tmp_path / 'b.xyz').exists()
