import json

from posepile.metrics.report import Report

REPORT = Report({'PA-MPJPE': 61.23456, 'PCK_150 %': 0.5, 'AUC': float('nan')}, 'x', {'poses': 3})


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
