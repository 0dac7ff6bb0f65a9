"""Small text formats of raw releases, with errors that name the line or key that is wrong."""

import csv
import json
from collections.abc import Sequence

import numpy as np

from posepile.errors import RawDataError

_REMEDY = 'Delete it and download it again.'


def read_csv_rows(path, n_columns, header_rows=0) -> list[list[str]]:
    """Rows of a comma-separated file as text, without blanks around the fields.

    Empty lines are left out, and so are the first ``header_rows`` other lines.

    Raises:
        RawDataError: the file is missing, is not text, or a row has another number of columns.
    """
    return [row for _, row in _numbered_rows(path, n_columns, header_rows)]


def read_csv_floats(path, n_columns, header_rows=0) -> np.ndarray:
    """Rows of a comma-separated file as float64 array (n_rows, n_columns); see read_csv_rows.

    ``nan`` and ``inf`` are numbers here.

    Raises:
        RawDataError: like read_csv_rows, or a field is no number.
    """
    numbers = []
    for i_line, row in _numbered_rows(path, n_columns, header_rows):
        try:
            numbers.append([float(field) for field in row])
        except ValueError as e:
            raise RawDataError(
                path, f'line {i_line}: {n_columns} numbers are expected ({e})', _REMEDY
            ) from e
    return np.array(numbers, np.float64).reshape(-1, n_columns)


def _numbered_rows(path, n_columns, n_skipped):
    rows = []
    try:
        with open(path, newline='', encoding='utf-8-sig') as f:
            reader = csv.reader(f, strict=True)
            for row in reader:
                if any(field.strip() for field in row):
                    rows.append((reader.line_num, [field.strip() for field in row]))
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such file', 'Put it in place.') from e
    except (csv.Error, UnicodeDecodeError) as e:
        raise RawDataError(path, f'is no comma-separated text ({e})', _REMEDY) from e
    rows = rows[n_skipped:]
    for i_line, row in rows:
        if len(row) != n_columns:
            problem = f'line {i_line} has {len(row)} columns, but {n_columns} are expected'
            raise RawDataError(path, problem, _REMEDY)
    return rows


def read_json(path, keys: Sequence[str] = (), object_hook=None):
    """Content of a JSON file. With ``keys``, it has to be an object that has all of them.

    Args:
        object_hook: called with every object as soon as it has been parsed, the innermost first;
            what it returns takes the place of the object. Keeps large files small in memory.

    Raises:
        RawDataError: the file is missing, is no JSON, or lacks one of ``keys``.
    """
    try:
        with open(path, encoding='utf-8-sig') as f:
            content = json.load(f, object_hook=object_hook)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise RawDataError(path, 'there is no such file', 'Put it in place.') from e
    except json.JSONDecodeError as e:
        problem = f'is no JSON: {e.msg} in line {e.lineno}, column {e.colno}'
        raise RawDataError(path, problem, _REMEDY) from e
    except (UnicodeDecodeError, RecursionError) as e:
        raise RawDataError(path, f'is no JSON ({e})', _REMEDY) from e
    if keys and not isinstance(content, dict):
        problem = f'holds a {type(content).__name__}; an object with {", ".join(keys)} is expected'
        raise RawDataError(path, problem, _REMEDY)
    for key in keys:
        if key not in content:
            problem = f'lacks the key {key!r}; expected are {", ".join(keys)}'
            raise RawDataError(path, problem, _REMEDY)
    return content
