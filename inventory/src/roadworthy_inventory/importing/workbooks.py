"""A sheet of an XLSX workbook becomes rows, with the errors its formulas gave in the cells that hold them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import python_calamine

from roadworthy_inventory.importing import archive
from roadworthy_inventory.importing.problems import EmptyFileError, UnreadableFileError
from roadworthy_inventory.importing.values import Cell

CELL_LENGTH = 100_000
_SHEETS_TOLD = 10
_MOST_ERRORS = 200_000
_PIECE = 1024 * 1024
_CELL = 64 * 1024  # bytes of a cell with its formula
_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_INDEX_BYTES = 4 * 1024 * 1024
_SHEET = re.compile(rb"<(?:\w+:)?sheet\b[^>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\b[^>]*>")
_ERROR = re.compile(
    rb"<(?:\w+:)?c\b(?=[^>]*\bt\s*=\s*[\"']e[\"'])[^>]*\br\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7})[\"'][^>]*>"
    rb"(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]{1,20})</",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet `name`, one of `names`; `rows`: (line, cells); `notes`: of the others that hold something."""

    name: str
    names: tuple[str, ...]
    rows: Iterator[tuple[int, Sequence[Cell]]]
    notes: tuple[str, ...]


def open_sheet(body: BinaryIO, file: str, wanted: str | None) -> Sheet:
    """Return the sheet called `wanted`, the first for None. UnreadableFileError and EmptyFileError as of a table."""
    broken = archive.check(file, body)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(body)
        names = book.sheet_names
        name = _name(file, names, wanted)
        found = book.get_sheet_by_name(name)
        notes = tuple(_passed_over(book, names, name))
    except python_calamine.CalamineError as error:
        raise UnreadableFileError(
            file, f"is a workbook that cannot be read ({error})", "save it as CSV UTF-8"
        ) from None
    errors = _formula_errors(file, body, names.index(name), broken) if broken else {}
    return Sheet(name, tuple(names), _rows(file, name, found, errors), notes)


def _name(file: str, names: list[str], wanted: str | None) -> str:
    if not names:
        raise EmptyFileError(file, "is a workbook without sheets", "export it again")
    if wanted is None:
        return names[0]
    for name in names:
        if name.casefold() == wanted.casefold():
            return name
    raise UnreadableFileError(file, f"has no sheet {wanted!r}", f"name one of: {', '.join(names)}")


def _passed_over(book: python_calamine.CalamineWorkbook, names: list[str], name: str) -> Iterator[str]:
    for other in [one for one in names if one != name][:_SHEETS_TOLD]:
        if lines := book.get_sheet_by_name(other).height:
            yield f"sheet {other!r} not read: it has {lines:,} line{'s' if lines > 1 else ''}"


def _rows(
    file: str, name: str, sheet: python_calamine.CalamineSheet, errors: dict[int, dict[int, str]]
) -> Iterator[tuple[int, Sequence[Cell]]]:
    for line, read in enumerate(sheet.iter_rows(), 1):
        cells: Sequence[Cell] = read
        if line in errors:
            told = errors[line]
            cells = [told.get(column, cell) for column, cell in enumerate(read)]
        if not any(cell != "" for cell in cells):
            continue
        if any(isinstance(cell, str) and len(cell) > CELL_LENGTH for cell in cells):
            raise UnreadableFileError(
                file,
                f"sheet {name!r} has a cell of more than {CELL_LENGTH:,} characters",
                "shorten it",
                line=line,
            )
        yield line, cells


def _formula_errors(
    file: str, body: BinaryIO, number: int, broken: frozenset[str]
) -> dict[int, dict[int, str]]:
    """Return {line: {column from 0: `#N/A`}} of the sheet `number` from 0; the reader gives empty cells for them."""
    found: dict[int, dict[int, str]] = {}
    body.seek(0)
    with zipfile.ZipFile(body) as book:
        member = _member(book, number)
        if member not in broken:
            return found
        for count, (letters, line, text) in enumerate(_cells(book, member), 1):
            if count > _MOST_ERRORS:
                raise UnreadableFileError(
                    file,
                    f"has more than {_MOST_ERRORS:,} formulas that give an error",
                    "put the formulas right, or save the sheet as CSV UTF-8",
                    line=int(line),
                )
            column = archive.column_number(letters) - 1
            found.setdefault(int(line), {})[column] = text.decode("ascii", "replace")
    return found


def _cells(book: zipfile.ZipFile, member: str) -> Iterator[tuple[bytes, ...]]:
    """Yield (letters, line, error) of the broken cells; a piece and a cell of the sheet are held."""
    carry = b""
    with book.open(member) as stream:
        while piece := stream.read(_PIECE):
            text = carry + piece
            end = 0
            for one in _ERROR.finditer(text):
                yield one.groups()
                end = one.end()
            carry = text[max(end, len(text) - _CELL) :]


def _member(book: zipfile.ZipFile, number: int) -> str | None:
    """Return the name of the member that holds a sheet, None where the workbook does not say."""
    names = set(book.namelist())
    if _RELATIONS not in names:
        return None
    sheets = [_attribute(one, rb"\w+:id") for one in _SHEET.findall(_start(book, _BOOK))]
    if number >= len(sheets):
        return None
    for one in _RELATION.findall(_start(book, _RELATIONS)):
        if _attribute(one, rb"Id") == sheets[number]:
            target = _attribute(one, rb"Target") or ""
            return target[1:] if target.startswith("/") else f"xl/{target}"
    return None


def _start(book: zipfile.ZipFile, member: str) -> bytes:
    with book.open(member) as stream:
        return stream.read(_INDEX_BYTES)


def _attribute(element: bytes, name: bytes) -> str | None:
    found = re.search(rb"\s" + name + rb"\s*=\s*[\"']([^\"']*)[\"']", element)
    return None if found is None else found[1].decode("utf-8", "replace")
