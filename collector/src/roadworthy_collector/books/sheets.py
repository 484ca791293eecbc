"""A table as CSV or XLSX for somebody's spreadsheet: nothing in it runs, and it says what it is and as at when.

A cell that begins like a formula gets an apostrophe in CSV and is written as text in XLSX. What the file holds, as at
when, with which filter and marking, stands beside the rows: in XLSX on a sheet of its own, of a CSV in a text file of its name, so that the CSV imports again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.importing.problems import neutralised

_SHEET_ROWS = 1_048_575  # what a sheet of XLSX holds under its header


class About(NamedTuple):
    """What a file is: `as_at` a time in words, `coverage` what is and is not in it, `marking` the protective marking."""

    title: str
    as_at: str
    filter: str
    coverage: str
    marking: str = "OFFICIAL"

    def lines(self) -> list[tuple[str, str]]:
        """Return (name, text) of each."""
        return [(name.replace("_", " ").capitalize(), str(value)) for name, value in self._asdict().items()]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], about: About) -> int:
    """Write `rows` to `path`, .csv or .xlsx by its name, and return how many; RoadworthyError where it cannot be."""
    ending = path.suffix.lower()
    if ending not in {".csv", ".xlsx"}:
        raise RoadworthyError(f"{path}: give a file that ends with .csv or .xlsx")
    try:
        return _csv(path, columns, rows, about) if ending == ".csv" else _xlsx(path, columns, rows, about)
    except OSError as error:
        raise RoadworthyError(f"{path}: cannot be written ({error.strerror})") from None


def _plain(value: Any) -> Any:
    """Return a cell: a number, or a text no spreadsheet runs; nothing where nothing is known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    return value.isoformat() if isinstance(value, date) else neutralised(str(value))


def _csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], about: About) -> int:
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_plain(row.get(name)) for name in columns])
            count += 1
    beside = path.with_name(path.name + ".about.txt")
    beside.write_text("".join(f"{name}: {text}\n" for name, text in about.lines()), "utf-8")
    return count


def _xlsx(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], about: About) -> int:
    # Here, because it takes a command a tenth of a second it seldom needs.
    import xlsxwriter  # type: ignore[import-untyped]  # it has no types

    # Nothing is taken for a formula, a link or a number: a cell is what it was.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(str(path), options)
    count = 0
    try:
        sheet = book.add_worksheet("Rows")
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, columns)
        for row in rows:
            if count >= _SHEET_ROWS:
                raise RoadworthyError(f"{path}: a sheet holds {_SHEET_ROWS:,} rows; export as CSV")
            count += 1
            for column, name in enumerate(columns):
                value = row.get(name)
                told = _plain(value)
                if isinstance(told, str):
                    sheet.write_string(count, column, told)
                else:
                    sheet.write_number(count, column, told)
        notes = book.add_worksheet("About")
        for line, (name, text) in enumerate(about.lines()):
            notes.write_string(line, 0, name)
            notes.write_string(line, 1, text)
    finally:
        book.close()
    return count
