"""Named rows of numbers under named columns."""

import math


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
        """``{row: {column: value}}`` for JSON. NaN and infinity become None."""
        return {
            name: {column: for_json(value) for column, value in self[name].items()}
            for name in self.rows
        }

    def to_markdown(self) -> str:
        """A Markdown table."""
        head, *rows = self._cells()
        rule = ['---'] + ['---:'] * len(self.columns)
        return '\n'.join(f'| {" | ".join(row)} |' for row in [head, rule, *rows])

    def to_latex(self) -> str:
        """A LaTeX tabular (with booktabs rules)."""
        head, *rows = (' & '.join(map(escape_latex, row)) + ' \\\\' for row in self._cells())
        begin = f'\\begin{{tabular}}{{l{"r" * len(self.columns)}}}'
        return '\n'.join(
            [begin, '\\toprule', head, '\\midrule', *rows, '\\bottomrule', '\\end{tabular}']
        )


def for_json(value):
    """The number as a float, or None if JSON has none like it."""
    return float(value) if math.isfinite(value) else None


def escape_latex(text):
    """Text in which no character has a meaning to LaTeX."""
    return ''.join('\\' + c if c in '&%$#_{}' else c for c in text)
