import json

import numpy as np
import pytest
import scipy.io

from posepile.errors import RawDataError
from posepile.raw.matfile import load_mat
from posepile.raw.tables import read_csv_floats, read_csv_rows, read_json


@pytest.fixture
def write(tmp_path):
    def write(text, name='t.csv'):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def test_csv_floats(write):
    path = write('\ufeffx1,y1\r\n1, 2.5\r\n\r\nnan,-1e3\r\n')
    table = read_csv_floats(path, 2, header_rows=1)
    np.testing.assert_array_equal(table, [[1, 2.5], [np.nan, -1000]])
    assert table.dtype == np.float64
    assert read_csv_floats(write('a,b,c,d\n'), 4, header_rows=1).shape == (0, 4)


@pytest.mark.parametrize(
    'text, problem',
    [
        ('1,2\n3\n', 'line 2 has 1 columns, but 2 are expected'),
        ('1,2\n\n3,4,5\n', 'line 3 has 3 columns'),
        ('1,2\n3,x\n', "line 2: 2 numbers are expected .*'x'"),
        ('1,2\n3,\n', 'line 2: 2 numbers'),
        (b'\xff\xfe\x00,2\n', 'is no comma-separated text'),
        ('1,"2\n', 'is no comma-separated text'),
    ],
)
def test_bad_csv(write, text, problem):
    with pytest.raises(RawDataError, match=rf't\.csv: {problem}'):
        read_csv_floats(write(text), 2)


def test_csv_rows(write):
    assert read_csv_rows(write('04ac,0001,train\n"a,b", c ,d\n'), 3) == [
        ['04ac', '0001', 'train'],
        ['a,b', 'c', 'd'],
    ]
    with pytest.raises(RawDataError, match='no such file'):
        read_csv_rows('/nowhere/x.csv', 3)


def test_json(write):
    content = {'K': [1, 2], 'R': None}
    assert read_json(write(json.dumps(content)), ['K', 'R']) == content
    assert read_json(write('[1]')) == [1]
    with pytest.raises(RawDataError, match="lacks the key 't'; expected are K, t"):
        read_json(write(json.dumps(content)), ['K', 't'])
    with pytest.raises(RawDataError, match='holds a list; an object with K'):
        read_json(write('[1]'), ['K'])
    with pytest.raises(RawDataError, match='line 2, column 7'):
        read_json(write('{\n "a": }'))
    with pytest.raises(RawDataError, match='no JSON'):
        read_json(write(b'\xff\xff'))
    with pytest.raises(RawDataError, match='no JSON'):
        read_json(write('[' * 200_000))
    with pytest.raises(RawDataError, match='no such file'):
        read_json('/nowhere/x.json')


def test_mat(tmp_path):
    path = tmp_path / 'a.mat'
    content = {
        'calib': {'K': np.eye(3), 'name': 'left', 'views': np.array([1.0, 2.0])},
        'people': np.array([{'id': 1}, {'id': 2}], dtype=object),
        'grid': np.array([[{'v': 1.0}, {'v': 2.0}], [{'v': 3.0}, {'v': 4.0}]], dtype=object),
        'number': 5.0,
    }
    scipy.io.savemat(path, content)
    loaded = load_mat(path)
    np.testing.assert_array_equal(loaded.calib.K, np.eye(3))
    assert loaded.calib.name == 'left' and loaded['calib']['views'] == [1, 2]
    assert [p.id for p in loaded.people] == [1, 2] and loaded.number == 5
    assert loaded.grid.shape == (2, 2) and loaded.grid[1, 0].v == 3
    with pytest.raises(AttributeError):
        _ = loaded.nothing


def test_bad_mat(tmp_path):
    path = tmp_path / 'a.mat'
    scipy.io.savemat(path, {'x': np.arange(1000.0), 's': {'a': 'text'}})
    whole = path.read_bytes()
    for n in (0, 50, 128, 200, len(whole) // 2):
        path.write_bytes(whole[:n])
        if n != 128:  # a header without variables is a valid file
            with pytest.raises(RawDataError, match='damaged'):
                load_mat(path)
    path.write_bytes(b'<html>' * 100)
    with pytest.raises(RawDataError, match='damaged'):
        load_mat(path)
    path.write_bytes(b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM' + bytes(400))
    with pytest.raises(RawDataError, match='7.3'):
        load_mat(path)
    with pytest.raises(RawDataError, match='no such file'):
        load_mat(tmp_path / 'b.mat')
