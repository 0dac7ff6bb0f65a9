"""Files appear whole, or stay as they were."""

import os

import pytest

from posepile.atomic import replacing


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / 'a.b.json'
    with replacing(path) as partial:
        assert os.path.dirname(partial) == str(tmp_path) and partial.endswith('.json')
        with open(partial, 'w') as f:
            f.write('whole')
        assert not path.exists()
    assert path.read_text() == 'whole'
    assert os.listdir(tmp_path) == ['a.b.json']


def test_an_earlier_file_survives_an_error(tmp_path):
    path = tmp_path / 'a'
    path.write_text('before')
    with pytest.raises(KeyboardInterrupt), replacing(str(path)) as partial:
        with open(partial, 'w') as f:
            f.write('ha')
        raise KeyboardInterrupt
    assert path.read_text() == 'before'
    assert os.listdir(tmp_path) == ['a']


def test_an_error_before_anything_is_written_is_the_one_that_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing'):
        with replacing(tmp_path / 'missing' / 'a') as partial, open(partial, 'w'):
            pass


def test_nothing_is_left_where_the_name_is_taken_by_a_folder(tmp_path):
    (tmp_path / 'a').mkdir()
    with pytest.raises(IsADirectoryError):
        with replacing(tmp_path / 'a') as partial, open(partial, 'w'):
            pass
    assert os.listdir(tmp_path) == ['a']


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    path = tmp_path / 'a.json'
    with replacing(path) as partial:
        stale = partial
        with open(partial, 'w') as f:
            f.write('whole')
    with open(stale, 'w') as f:
        f.write('left by a process that was killed')
    with replacing(path) as partial, open(partial, 'w') as f:
        f.write('new')
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['a.json']
