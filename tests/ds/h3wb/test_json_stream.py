import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posepile.ds.h3wb import json_stream
from posepile.ds.h3wb.json_stream import iter_entries
from posepile.errors import RawDataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
same_fixtures = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'file.json'


@given(
    content=st.dictionaries(st.text(), values, max_size=6),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
    bom=st.booleans(),
)
@same_fixtures
def test_entries_are_those_of_the_object(
    path, monkeypatch, content, chunk, indent, ascii_only, bom
):
    monkeypatch.setattr(json_stream, '_CHUNK', chunk)
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode('utf-8-sig' if bom else 'utf-8', 'surrogatepass'))
    try:
        json.loads(path.read_text('utf-8-sig'))
    except UnicodeDecodeError:
        with pytest.raises(RawDataError):
            list(iter_entries(path))
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, '_CHUNK', chunk)
        assert list(iter_entries(path)) == list(content.items())


@pytest.mark.parametrize('chunk', [1, 7, 1000])
def test_a_file_cut_short_anywhere_is_damaged(path, monkeypatch, chunk):
    monkeypatch.setattr(json_stream, '_CHUNK', chunk)
    text = '{"0": {"a": [1, 2.5e3]}, "1": 12, "2": "x\\n"}'
    for n in range(len(text)):
        path.write_text(text[:n])
        with pytest.raises(RawDataError, match='file.json: is no JSON object, or a damaged one'):
            list(iter_entries(path))
    path.write_text(text)
    assert list(iter_entries(path)) == [('0', {'a': [1, 2500]}), ('1', 12), ('2', 'x\n')]


@pytest.mark.parametrize(
    'text',
    [
        '[1, 2]',
        '{"a": 1,}',
        '{"a" 1}',
        '{"a": 1 "b": 2}',
        '{1: 2}',
        '{"a": 1} x',
        '{"a": 1}{',
        '{"a": +}',
        '"text"',
        '{"a": ' + '[' * 100_000,
    ],
)
def test_what_is_no_object_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(RawDataError, match='Delete it and download it again'):
        list(iter_entries(path))


def test_no_file(path):
    with pytest.raises(RawDataError, match='there is no such file'):
        list(iter_entries(path))


def test_what_is_wrong_is_located(path):
    path.write_text('{"a": [1, 2], "b": 3; "c": 4}')
    with pytest.raises(RawDataError, match=r"'}' was expected, not ';', after 20 characters"):
        list(iter_entries(path))


def test_memory_does_not_grow_with_the_file(path):
    with open(path, 'w') as f:
        entry = json.dumps({'numbers': list(range(300))})
        f.write('{"first": 0')
        for i in range(3000):
            f.write(f', "{i}": {entry}')
        f.write('}')
    assert path.stat().st_size > 3e6
    tracemalloc.start()
    try:
        assert sum(1 for _ in iter_entries(path)) == 3001
        assert tracemalloc.get_traced_memory()[1] < 7e6
    finally:
        tracemalloc.stop()


def test_an_endless_entry_is_given_up(path, monkeypatch):
    monkeypatch.setattr(json_stream, '_LONGEST_ENTRY', 1000)
    monkeypatch.setattr(json_stream, '_CHUNK', 100)
    path.write_text('{"a": "' + 'x' * 5000 + '"}')
    with pytest.raises(RawDataError, match='an entry is far too long'):
        list(iter_entries(path))
