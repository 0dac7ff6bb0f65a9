import json

import pytest

from posepile.metrics.report import Report
from posepile.metrics.table import Table

REPORT = Report({'PA-MPJPE': 61.23456, 'PCK_150 %': 0.5, 'AUC': float('nan')}, 'x', {'poses': 3})


TABLE = Table(['a_b', 'Long name'], {'x': [1.25, 1000], 'PA': [float('nan'), -0.04]}, decimals=1)


def test_text_is_aligned_and_ordered():
    assert REPORT.to_text().splitlines() == [
        'PA-MPJPE   61.2346',
        'PCK_150 %   0.5000',
        'AUC            nan',
    ]
    assert str(REPORT) == REPORT.to_text()
    assert Report({}).to_text() == ''


def test_json_is_exact_and_valid():
    record = json.loads(REPORT.to_json())
    assert record == {
        'title': 'x',
        'metrics': {'PA-MPJPE': 61.23456, 'PCK_150 %': 0.5, 'AUC': None},
        'info': {'poses': 3},
    }
    assert list(record['metrics']) == list(REPORT.values)


def test_markdown():
    assert REPORT.to_markdown().splitlines()[:3] == [
        '| Metric | Value |',
        '| --- | ---: |',
        '| PA-MPJPE | 61.2346 |',
    ]


def test_latex_escapes_names():
    lines = REPORT.to_latex().splitlines()
    assert lines[0] == r'\begin{tabular}{lr}' and lines[-1] == r'\end{tabular}'
    assert r'PCK\_150 \% & 0.5000 \\' in lines


def test_values_by_name():
    assert REPORT['PCK_150 %'] == 0.5


def test_table_as_text():
    assert TABLE.to_text().splitlines() == [
        '    a_b  Long name',
        'x   1.2     1000.0',
        'PA  nan       -0.0',
    ]
    assert str(TABLE) == TABLE.to_text()


def test_table_as_markdown():
    assert TABLE.to_markdown().splitlines() == [
        '|  | a_b | Long name |',
        '| --- | ---: | ---: |',
        '| x | 1.2 | 1000.0 |',
        '| PA | nan | -0.0 |',
    ]


def test_table_as_latex():
    lines = TABLE.to_latex().splitlines()
    assert lines[0] == r'\begin{tabular}{lrr}' and lines[-1] == r'\end{tabular}'
    assert r' & a\_b & Long name \\' in lines and r'x & 1.2 & 1000.0 \\' in lines


def test_values_of_a_table_are_exact():
    assert TABLE['x'] == {'a_b': 1.25, 'Long name': 1000}
    assert TABLE.to_dict()['PA'] == {'a_b': None, 'Long name': -0.04}
    with pytest.raises(ValueError, match='3 values for 2 columns'):
        Table(['a', 'b'], {'x': [1, 2, 3]})
