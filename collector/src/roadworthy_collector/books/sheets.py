"""A table as CSV or XLSX for somebody's spreadsheet: nothing in it runs, and it says what it is and as at when.

Every table leaves through here. Above its header stand the protective marking, what it is with its filter, the time it
is as at, and its coverage. A text that begins like a formula gets an apostrophe in CSV; in XLSX it is a text as it stands, which nothing runs.
Money and shares are numbers, so that they can be added up: `-200.00` and `0.532`, which a workbook shows as 53.2 %.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.importing.problems import neutralised, restored

FileKind = Literal["csv", "xlsx"]
MEDIA_TYPES: dict[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
NO_MARKING = "none stated"
MARKING_LENGTH = 100
_PIECE_ROWS = 500
_SHEET_ROWS = 1_048_576 - 10  # what a sheet of XLSX holds, less the lines above the header
_LONGEST_CELL = 32_767  # characters in a cell of XLSX
Cells = Sequence[Any]


class Ratio(float):
    """A share as a fraction of 1."""


def ratio(value: float | None) -> Ratio | None:
    """Return a share to a hundredth of a per cent, nothing where there is none."""
    return None if value is None else Ratio(round(value, 4))


def pounds_of(pence: int | None) -> Decimal | None:
    """Return whole pence as pounds, nothing where nothing is known."""
    return None if pence is None else Decimal(pence).scaleb(-2)


class About(NamedTuple):
    """What a file is: `as_at` a time in words, `coverage` what is and is not in it, `marking` the protective marking."""

    title: str
    as_at: str
    filter: str
    coverage: str
    marking: str

    def lines(self) -> list[str]:
        """Return what stands above the header, a line a cell."""
        lines = (
            f"Protective marking: {self.marking or NO_MARKING}",
            f"{self.title}: {self.filter}",
            f"As at: {self.as_at}",
            f"Coverage: {self.coverage}",
        )
        return [neutralised(line) for line in lines]


def as_at(now: float) -> str:
    """Return a time (UTC epoch seconds) as files say it."""
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"


def checked_marking(text: str) -> str:
    """Return a protective marking; RoadworthyError unless it is one short line."""
    marking = " ".join(text.split())
    if len(marking) > MARKING_LENGTH or not marking.isprintable():
        raise RoadworthyError(f"a protective marking is one line of at most {MARKING_LENGTH} characters")
    return marking


def plain_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Yield the cells of rows: numbers, and texts no spreadsheet runs; nothing where nothing is known."""
    for row in rows:
        yield [_plain(row.get(name)) for name in columns]


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, (list, tuple)):
        value = "; ".join(map(str, value))
    return value.isoformat() if isinstance(value, date) else neutralised(str(value))


def csv_pieces(header: Sequence[str], cells: Iterable[Cells], about: About | None) -> Iterator[bytes]:
    """Yield the CSV file (UTF-8 with its mark, which spreadsheets need), a piece at a time.

    Without `about` the header is the first line, for programs that import it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([line] for line in (about.lines() if about is not None else ()))
    writer.writerow([neutralised(one) for one in header])
    yield b"\xef\xbb\xbf"
    for number, row in enumerate(cells, 1):
        writer.writerow(row)
        if number % _PIECE_ROWS == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    found = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return found


def write_xlsx(target: BinaryIO, header: Sequence[str], cells: Iterable[Cells], about: About | None) -> int:
    """Write the XLSX file to `target` and return how many rows it has; RoadworthyError beyond what a sheet holds.

    A text stays a text, so that no serial number is rounded and no formula runs.
    """
    # Here, because it takes a command a tenth of a second it seldom needs.
    import xlsxwriter  # type: ignore[import-untyped]  # it has no types

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(target, options)
    count = 0
    try:
        sheet = book.add_worksheet("Rows")
        above = about.lines() if about is not None else []
        for number, line in enumerate(above):
            sheet.write_string(number, 0, _as_text(line))
        bold = book.add_format({"bold": True})
        for column, title in enumerate(header):
            sheet.write_string(len(above), column, title, bold)
        sheet.freeze_panes(len(above) + 1, 1)
        shown_as = {
            Decimal: book.add_format({"num_format": "#,##0.00"}),
            Ratio: book.add_format({"num_format": "0.0 %"}),
        }
        for row in cells:
            if count >= _SHEET_ROWS:
                raise RoadworthyError(
                    f"a sheet holds {_SHEET_ROWS:,} rows; export as CSV, or narrow the filter"
                )
            count += 1
            _write_row(sheet, len(above) + count, row, shown_as)
    finally:
        book.close()
    return count


def _write_row(sheet: Any, number: int, row: Cells, shown_as: Mapping[type, Any]) -> None:
    for column, cell in enumerate(row):
        if isinstance(cell, str):
            if cell:
                sheet.write_string(number, column, _as_text(cell))
        else:
            sheet.write_number(number, column, float(cell), shown_as.get(type(cell)))


def _as_text(cell: str) -> str:
    """Return what a cell of XLSX holds: the text before it was made safe for CSV, unless an import would take it for that."""
    text = restored(cell)
    return (text if restored(text) == text else cell)[:_LONGEST_CELL]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], about: About) -> int:
    """Write `rows` to `path`, .csv or .xlsx by its name, and return how many; RoadworthyError where it cannot be."""
    return write_cells(path, columns, plain_rows(columns, rows), about)


def write_cells(path: Path, header: Sequence[str], cells: Iterable[Cells], about: About | None) -> int:
    """As `write_table`, of cells that are plain already."""
    ending = path.suffix.lower()
    if ending not in {".csv", ".xlsx"}:
        raise RoadworthyError(f"{path}: give a file that ends with .csv or .xlsx")
    counted = Counted(cells)
    try:
        with path.open("wb") as target:
            if ending == ".csv":
                target.writelines(csv_pieces(header, counted, about))
            else:
                write_xlsx(target, header, counted, about)
    except OSError as error:
        raise RoadworthyError(f"{path}: cannot be written ({error.strerror})") from None
    return counted.count


class Counted:
    """Rows that are counted while they go by."""

    def __init__(self, cells: Iterable[Cells]) -> None:
        self._cells = cells
        self.count = 0

    def __iter__(self) -> Iterator[Cells]:
        for row in self._cells:
            self.count += 1
            yield row
