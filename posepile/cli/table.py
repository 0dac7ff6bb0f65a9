"""Plain text tables and JSON on standard output."""

import json


def print_table(header, rows):
    """Print columns of texts; those of which all entries are numbers are aligned to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        print('  '.join(cells).rstrip())


def print_fields(fields):
    """Print pairs of a name and a value, one per line; values of None are left out."""
    fields = [(name, value) for name, value in fields if value is not None]
    width = max(len(name) for name, _ in fields) + 2
    for name, value in fields:
        print(f'{name:{width}}{value}')


def print_json(content):
    print(json.dumps(content, indent=2, ensure_ascii=False))


def _is_number(cell):
    return cell.replace('.', '').replace(',', '').replace('/', '').isdecimal()
