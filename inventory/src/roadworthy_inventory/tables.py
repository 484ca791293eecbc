"""The dated, sourced tables that ship with this package: read once, checked row by row, never at import.

Every table is a CSV file in `data/` whose rows carry `source` (a public address) and `as_of` (the day the row was
taken from that source or a stored copy of it).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from importlib.resources import files
from urllib.parse import urlsplit


class TableError(ValueError):
    """A data file is not what its schema says; the text names file, line and column."""


def read_text(name: str) -> str:
    """Return the text of `data/<name>`."""
    return files("roadworthy_inventory").joinpath("data", name).read_text("utf-8")


def rows(name: str, text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of the CSV `text`; columns must be exactly `columns`, in that order.

    Raises TableError naming `name` and the line where a header, a row's width, a source or a date is wrong.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    header = next(reader, [])
    if header != list(columns):
        raise TableError(f"{name}: line 1: columns are {','.join(header)}; expected {','.join(columns)}")
    for cells in reader:
        line = reader.line_num
        if len(cells) != len(columns):
            raise TableError(f"{name}: line {line}: {len(cells)} cells; expected {len(columns)}")
        row = dict(zip(columns, cells, strict=True))
        if urlsplit(row["source"]).scheme != "https":
            raise TableError(f"{name}: line {line}: source: {row['source']!r} is no public https address")
        iso_date(name, line, "as_of", row["as_of"])
        yield line, row


def iso_date(name: str, line: int, column: str, text: str) -> date:
    """Return the date `text` says as YYYY-MM-DD; TableError otherwise."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise TableError(f"{name}: line {line}: {column}: {text!r} is no date such as 2025-10-14") from None


def one_of(name: str, line: int, column: str, text: str, allowed: Iterable[str]) -> str:
    """Return `text` if it is one of `allowed`; TableError otherwise."""
    if text not in allowed:
        raise TableError(f"{name}: line {line}: {column}: {text!r} is none of {', '.join(sorted(allowed))}")
    return text
