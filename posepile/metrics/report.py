"""The numbers of an evaluation and the forms in which they are printed."""

import json

import numpy as np

from posepile.metrics.table import Table, escape_latex, for_json


class Report:
    """What an evaluation found: metrics, tables and curves.

    Attributes:
        values: dict of metric names to floats, in the order of printing.
        title: what was evaluated.
        info: further facts (numbers of poses, options) that go into the JSON form.
        decimals: digits after the point of ``values`` in all printed forms but JSON, which is
            exact.
        tables: dict of names to :class:`posepile.metrics.table.Table`, printed after the values.
        curves: dict of names to (thresholds in mm, fractions of joints within them), for the plot.
    """

    def __init__(self, values=(), title='', info=None, decimals=4, tables=None, curves=None):
        self.values = dict(values)
        self.title = title
        self.info = dict(info or {})
        self.decimals = decimals
        self.tables = dict(tables or {})
        self.curves = {
            name: (np.asarray(thresholds, float), np.asarray(fractions, float))
            for name, (thresholds, fractions) in (curves or {}).items()
        }

    def __getitem__(self, name) -> float:
        return self.values[name]

    def _rows(self):
        return [(name, f'{value:.{self.decimals}f}') for name, value in self.values.items()]

    def to_text(self) -> str:
        """Aligned columns for a terminal, one metric per line; then the tables."""
        rows = self._rows()
        name_width = max((len(name) for name, _ in rows), default=0)
        value_width = max((len(value) for _, value in rows), default=0)
        lines = [f'{name:<{name_width}}  {value:>{value_width}}' for name, value in rows]
        return self._with_tables('\n'.join(lines), Table.to_text)

    __str__ = to_text

    def to_json(self) -> str:
        """One JSON object: ``title``, ``metrics``, the tables by name, ``info`` and ``curves``.

        NaN and infinity become null; what is empty is left out, but for ``info``.
        """
        record = {'title': self.title}
        if self.values or not self.tables:
            record['metrics'] = {name: for_json(value) for name, value in self.values.items()}
        record |= {name: table.to_dict() for name, table in self.tables.items()}
        record['info'] = self.info
        if self.curves:
            record['curves'] = {
                name: dict(
                    thresholds=thresholds.tolist(), fractions=[for_json(f) for f in fractions]
                )
                for name, (thresholds, fractions) in self.curves.items()
            }
        return json.dumps(record, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """Markdown tables."""
        lines = ['| Metric | Value |', '| --- | ---: |']
        lines += [f'| {name} | {value} |' for name, value in self._rows()]
        return self._with_tables('\n'.join(lines), Table.to_markdown)

    def to_latex(self) -> str:
        """LaTeX tabulars (with booktabs rules)."""
        rows = [f'{escape_latex(name)} & {value} \\\\' for name, value in self._rows()]
        lines = ['\\begin{tabular}{lr}', '\\toprule', 'Metric & Value \\\\', '\\midrule', *rows]
        lines += ['\\bottomrule', '\\end{tabular}']
        return self._with_tables('\n'.join(lines), Table.to_latex)

    def plot(self, path):
        """Draw the curves to a picture.

        Raises:
            OptionError: if there are none.
        """
        from posepile.metrics.curves import draw_curves

        draw_curves(self.curves, path, self.title)

    def _with_tables(self, text, form):
        parts = [text] if self.values or not self.tables else []
        return '\n\n'.join(parts + [form(table) for table in self.tables.values()])


def over_seeds(reports) -> Report:
    """Mean and population standard deviation over the reports of several training runs.

    The values become a table ``metrics`` with the rows Mean and Std, every row of a table becomes
    two, and curves are averaged.

    Args:
        reports: at least one, all with the same metrics, tables and curves.
    """
    first = reports[0]
    tables = {}
    if first.values:
        tables['metrics'] = _mean_and_std(
            list(first.values), first.decimals, [list(r.values.values()) for r in reports]
        )
    for name, table in first.tables.items():
        of_row = {
            row: _mean_and_std(
                table.columns, table.decimals, [r.tables[name].rows[row] for r in reports]
            )
            for row in table.rows
        }
        rows = {
            f'{row} {statistic.lower()}': values
            for row, part in of_row.items()
            for statistic, values in part.rows.items()
        }
        tables[name] = Table(table.columns, rows, table.decimals)
    curves = {
        name: (thresholds, np.mean([r.curves[name][1] for r in reports], axis=0))
        for name, (thresholds, _) in first.curves.items()
    }
    info = first.info | dict(seeds=len(reports))
    return Report((), first.title, info, first.decimals, tables, curves)


def _mean_and_std(columns, decimals, rows):
    return Table(columns, dict(Mean=np.mean(rows, axis=0), Std=np.std(rows, axis=0)), decimals)
