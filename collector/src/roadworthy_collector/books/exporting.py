"""The register as a file that imports again unchanged: CSV or XLSX, with what it is in lines above its header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from sqlalchemy import Connection

from roadworthy_collector.books import sheets
from roadworthy_collector.books.register import Summary, read_all, summarise
from roadworthy_collector.books.register_wanted import Wanted
from roadworthy_collector.books.sheets import MEDIA_TYPES, About, FileKind, as_at, checked_marking
from roadworthy_inventory.importing.own import export_header, export_row

__all__ = ["MEDIA_TYPES", "FileKind", "about", "checked_marking", "csv_pieces", "write", "write_xlsx"]


def about(summary: Summary, wanted: Wanted, *, now: float, marking: str) -> About:
    """Return what the file is."""
    left_out = f"; {summary.restricted} at restricted sites left out" if summary.restricted else ""
    said = f"{summary.coverage()}{left_out}"
    return About("Register of Roadworthy", as_at(now), wanted.in_words(), said, marking)


def csv_pieces(connection: Connection, wanted: Wanted, *, now: float, marking: str = "") -> Iterator[bytes]:
    """Yield the CSV file, a piece at a time."""
    told = about(summarise(connection, wanted), wanted, now=now, marking=marking)
    cells = (export_row(row.item) for row in read_all(connection, wanted))
    yield from sheets.csv_pieces(export_header(), cells, told)


def write_xlsx(
    connection: Connection, target: BinaryIO, wanted: Wanted, *, now: float, marking: str = ""
) -> int:
    """Write the XLSX file to `target` and return how many items it has; every cell is text."""
    told = about(summarise(connection, wanted), wanted, now=now, marking=marking)
    cells = (export_row(row.item) for row in read_all(connection, wanted))
    return sheets.write_xlsx(target, export_header(), cells, told)


def write(
    connection: Connection, target: BinaryIO, wanted: Wanted, kind: FileKind, *, now: float, marking: str
) -> int:
    """Write the file to `target` and return how many items it has."""
    if kind == "xlsx":
        return write_xlsx(connection, target, wanted, now=now, marking=marking)
    told = about(summarise(connection, wanted), wanted, now=now, marking=marking)
    cells = sheets.Counted(export_row(row.item) for row in read_all(connection, wanted))
    target.writelines(sheets.csv_pieces(export_header(), cells, told))
    return cells.count
