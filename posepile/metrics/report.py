"""The numbers of an evaluation and the forms in which they are printed."""

import json


class Report:
    """An ordered table of metric names and values.

    Attributes:
        values: dict of metric names to floats, in the order of printing.
        title: what was evaluated.
        info: further facts (numbers of poses, options) that go into the JSON form.
        decimals: digits after the point in all printed forms but JSON, which is exact.
    """

    def __init__(self, values, title='', info=None, decimals=4):
        self.values = dict(values)
        self.title = title
        self.info = dict(info or {})
        self.decimals = decimals

    def __getitem__(self, name) -> float:
        return self.values[name]

    def _rows(self):
        return [(name, f'{value:.{self.decimals}f}') for name, value in self.values.items()]

    def to_text(self) -> str:
        """Aligned columns for a terminal, one metric per line."""
        rows = self._rows()
        name_width = max((len(name) for name, _ in rows), default=0)
        value_width = max((len(value) for _, value in rows), default=0)
        return '\n'.join(f'{name:<{name_width}}  {value:>{value_width}}' for name, value in rows)

    __str__ = to_text

    def to_json(self) -> str:
        """One JSON object: ``title``, ``metrics`` and ``info``. NaN becomes null."""
        metrics = {name: value if value == value else None for name, value in self.values.items()}
        record = {'title': self.title, 'metrics': metrics, 'info': self.info}
        return json.dumps(record, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """A Markdown table."""
        lines = ['| Metric | Value |', '| --- | ---: |']
        return '\n'.join(lines + [f'| {name} | {value} |' for name, value in self._rows()])

    def to_latex(self) -> str:
        """A LaTeX tabular (with booktabs rules)."""
        rows = [f'{_escape_latex(name)} & {value} \\\\' for name, value in self._rows()]
        return '\n'.join(
            ['\\begin{tabular}{lr}', '\\toprule', 'Metric & Value \\\\', '\\midrule']
            + rows
            + ['\\bottomrule', '\\end{tabular}']
        )


def _escape_latex(text):
    return ''.join('\\' + c if c in '&%$#_{}' else c for c in text)
