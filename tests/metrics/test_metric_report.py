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


def test_report_of_values_and_tables():
    report = Report({'MPJPE': 12.345}, 'T', decimals=1, tables={'by_split': TABLE})
    assert report.to_text() == 'MPJPE  12.3\n\n' + TABLE.to_text()
    assert report.to_markdown().endswith('| MPJPE | 12.3 |\n\n' + TABLE.to_markdown())
    assert report.to_latex().count('\\toprule') == 2
    record = json.loads(report.to_json())
    assert list(record) == ['title', 'metrics', 'by_split', 'info']
    assert record['by_split'] == TABLE.to_dict()


def test_report_of_tables_only():
    report = Report(title='T', tables={'metrics': TABLE}, curves={'PCK': ([0, 5], [0, 0.5])})
    assert report.to_text() == TABLE.to_text() and report.to_latex() == TABLE.to_latex()
    record = json.loads(report.to_json())
    assert record['metrics'] == TABLE.to_dict()
    assert record['curves'] == {'PCK': {'thresholds': [0, 5], 'fractions': [0, 0.5]}}


def test_what_json_does_not_have_is_null():
    record = json.loads(Report({'a': float('inf')}, tables={'t': TABLE}).to_json())
    assert record['metrics'] == {'a': None} and record['t']['PA']['a_b'] is None
