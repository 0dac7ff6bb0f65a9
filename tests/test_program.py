"""How programs end, whatever happens to them."""

import os
import subprocess
import sys

import pytest

from posepile.errors import OptionError
from posepile.program import run_program


def raising(error):
    def function():
        raise error

    return function


def test_status_of_what_works():
    assert run_program(lambda: None) == 0
    assert run_program(lambda a, b: a + b, 1, 2) == 3


@pytest.mark.parametrize(
    'error, told',
    [
        (OptionError('what to do'), 'posepile: error: what to do\n'),
        (FileNotFoundError(2, 'No such file', 'a/b'), 'a/b: No such file. Check the path'),
        (PermissionError(13, 'Permission denied', 'a/b'), 'a/b: Permission denied. Change its'),
        (OSError(28, 'No space left', 'a', None, 'b'), 'b: No space left. Free some space'),
        (OSError(5, 'I/O error', b'a'), 'a: I/O error.\n'),
    ],
)
def test_errors_of_a_person_are_one_line(capsys, error, told):
    assert run_program(raising(error)) == 1
    err = capsys.readouterr().err
    assert told in err and err.count('\n') == 1


def test_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_program(raising(ZeroDivisionError()))
    assert run_program(raising(KeyboardInterrupt())) == 130


PROGRAMS = [
    ['posepile.cli', 'list'],
    ['posepile.cli', 'info', 'aspset', '--json'],
    ['posepile.segmentation', 'crops', 'aspset'],
]


@pytest.mark.parametrize('words', PROGRAMS, ids=lambda words: words[0])
@pytest.mark.parametrize('output', ['left', 'full', 'closed'])
def test_output_that_cannot_be_written(tmp_path, words, output):
    command = [sys.executable, '-m', *words]
    options = dict(stderr=subprocess.PIPE, env=os.environ | {'DATA_ROOT': str(tmp_path)})
    if output == 'left':
        read_end, write_end = os.pipe()
        os.close(read_end)
        run = subprocess.run(command, stdout=write_end, **options)
        os.close(write_end)
        assert (run.returncode, run.stderr) == (141, b'')
    elif output == 'full':
        if not os.path.exists('/dev/full'):
            pytest.skip('this system has no /dev/full')
        with open('/dev/full', 'w') as full:
            run = subprocess.run(command, stdout=full, **options)
        assert run.returncode == 1
        assert run.stderr.startswith(b'posepile: error: ') and run.stderr.count(b'\n') == 1
    else:
        run = subprocess.run(['sh', '-c', '"$@" >&-', 'sh', *command], **options)
        assert (run.returncode, run.stderr) == (0, b'')
