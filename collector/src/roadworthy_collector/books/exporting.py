"""The register as a file that imports again unchanged: CSV or XLSX, with what it is in lines above its header."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from typing import BinaryIO, Literal

import xlsxwriter  # type: ignore[import-untyped] # it comes without types
from sqlalchemy import Connection

from roadworthy_collector.books.register import Summary, Wanted, read_all, summarise
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.importing.own import export_header, export_row
from roadworthy_inventory.importing.problems import neutralised

FileKind = Literal["csv", "xlsx"]
MEDIA_TYPES: dict[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
NO_MARKING = "none stated"
MARKING_LENGTH = 100
_PIECE_ROWS = 500
_SHEET_ROWS = 1_048_576 - 10  # what a sheet holds, less the lines above the header


def titles(summary: Summary, wanted: Wanted, *, now: float, marking: str) -> list[str]:
    """Return the lines above the header: protective marking, filter, as-at time and coverage, a cell each."""
    at = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    left_out = f"; {summary.restricted} at restricted sites left out" if summary.restricted else ""
    lines = (
        f"Protective marking: {marking or NO_MARKING}",
        f"Register of Roadworthy: {wanted.in_words()}",
        f"As at: {at}",
        f"Coverage: {summary.coverage()}{left_out}",
    )
    return [neutralised(line) for line in lines]


def checked_marking(text: str) -> str:
    """Return a protective marking; RoadworthyError unless it is one short line."""
    marking = " ".join(text.split())
    if len(marking) > MARKING_LENGTH or not marking.isprintable():
        raise RoadworthyError(f"a protective marking is one line of at most {MARKING_LENGTH} characters")
    return marking


def csv_pieces(connection: Connection, wanted: Wanted, *, now: float, marking: str = "") -> Iterator[bytes]:
    """Yield the CSV file (UTF-8 with its mark, which spreadsheets need), a piece at a time."""
    text = io.StringIO()
    writer = csv.writer(text)
    for line in titles(summarise(connection, wanted), wanted, now=now, marking=marking):
        writer.writerow([line])
    writer.writerow(export_header())
    yield b"\xef\xbb\xbf"
    for number, row in enumerate(read_all(connection, wanted), 1):
        writer.writerow(export_row(row.item))
        if number % _PIECE_ROWS == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    found = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return found


def write_xlsx(
    connection: Connection, target: BinaryIO, wanted: Wanted, *, now: float, marking: str = ""
) -> None:
    """Write the XLSX file to `target`. Every cell is text, so that no serial is rounded and no formula runs."""
    summary = summarise(connection, wanted)
    if summary.total > _SHEET_ROWS:
        raise RoadworthyError(f"a sheet holds {_SHEET_ROWS} rows; export as CSV, or narrow the filter")
    book = xlsxwriter.Workbook(target, {"constant_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("Register")
    above = titles(summary, wanted, now=now, marking=marking)
    for number, line in enumerate(above):
        sheet.write_string(number, 0, line)
    bold = book.add_format({"bold": True})
    for column, title in enumerate(export_header()):
        sheet.write_string(len(above), column, title, bold)
    for number, row in enumerate(read_all(connection, wanted), len(above) + 1):
        for column, cell in enumerate(export_row(row.item)):
            if cell:
                sheet.write_string(number, column, cell)
    sheet.freeze_panes(len(above) + 1, 1)
    book.close()
