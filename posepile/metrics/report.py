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


class Table:
    """Named rows of numbers under named columns, such as the errors of each activity.

    Attributes:
        columns: names of the columns.
        rows: dict of row names to lists of floats, one for each column.
        decimals: digits after the point in all printed forms; :meth:`to_dict` is exact.
    """

    def __init__(self, columns, rows, decimals=1):
        self.columns = list(columns)
        self.rows = {name: [float(v) for v in values] for name, values in rows.items()}
        self.decimals = decimals
        for name, values in self.rows.items():
            if len(values) != len(self.columns):
                raise ValueError(f'{name}: {len(values)} values for {len(self.columns)} columns')

    def __getitem__(self, name) -> dict:
        """Values of a row by column."""
        return dict(zip(self.columns, self.rows[name], strict=True))

    def _cells(self):
        rows = [['', *self.columns]]
        for name, values in self.rows.items():
            rows.append([name, *(f'{value:.{self.decimals}f}' for value in values)])
        return rows

    def to_text(self) -> str:
        """Aligned columns for a terminal."""
        rows = self._cells()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for name, *cells in rows:
            aligned = (f'{c:>{w}}' for c, w in zip(cells, widths[1:], strict=True))
            lines.append('  '.join([f'{name:<{widths[0]}}', *aligned]))
        return '\n'.join(lines)

    __str__ = to_text

    def to_dict(self) -> dict:
        """``{row: {column: value}}`` for JSON. NaN becomes None."""
        return {
            name: {column: v if v == v else None for column, v in self[name].items()}
            for name in self.rows
        }

    def to_markdown(self) -> str:
        """A Markdown table."""
        head, *rows = self._cells()
        rule = ['---'] + ['---:'] * len(self.columns)
        return '\n'.join(f'| {" | ".join(row)} |' for row in [head, rule, *rows])

    def to_latex(self) -> str:
        """A LaTeX tabular (with booktabs rules)."""
        head, *rows = (' & '.join(map(_escape_latex, row)) + ' \\\\' for row in self._cells())
        begin = f'\\begin{{tabular}}{{l{"r" * len(self.columns)}}}'
        return '\n'.join(
            [begin, '\\toprule', head, '\\midrule', *rows, '\\bottomrule', '\\end{tabular}']
        )


def _escape_latex(text):
    return ''.join('\\' + c if c in '&%$#_{}' else c for c in text)
