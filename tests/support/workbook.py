"""A workbook's formulas worked out anew, as a spreadsheet would, to hold them against the numbers kept beside them.

Knows what our workbooks use: + - * /, SUM, ROUND, SUMIF, SUMIFS, COUNTIFS, cells and ranges of this and other sheets.
"""

from __future__ import annotations

import html
import io
import math
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

_CELL = re.compile(r'<c r="([A-Z]+)([0-9]+)"([^>]*?)(?:/>|>(.*?)</c>)', re.DOTALL)
_REFERENCE = re.compile(
    r"""(?:'([^']+)'!|([A-Za-z]+)!)?\$?([A-Z]{1,2})\$?([0-9]+)(?::\$?([A-Z]{1,2})\$?([0-9]+))?"""
)
_TEXT = re.compile(r'"[^"]*"')


class Cell(NamedTuple):
    """What a cell holds: its formula, if it has one, and the number or text that is shown."""

    formula: str | None
    value: Any


Sheets = dict[str, dict[tuple[str, int], Cell]]


def read(body: bytes) -> Sheets:
    """Return {sheet: {(column, row): cell}} of an XLSX file."""
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        held = book.read("xl/sharedStrings.xml").decode()
        texts = [
            html.unescape(re.sub("<[^>]+>", "", one)) for one in re.findall("<si>(.*?)</si>", held, re.DOTALL)
        ]
        return {
            html.unescape(name): dict(_cells(book.read(f"xl/worksheets/sheet{place}.xml").decode(), texts))
            for place, name in enumerate(names, 1)
        }


def _cells(sheet: str, texts: list[str]) -> Iterator[tuple[tuple[str, int], Cell]]:
    for column, row, about, body in _CELL.findall(sheet):
        formula, value = (re.search(f"<{tag}>(.*?)</{tag}>", body, re.DOTALL) for tag in ("f", "v"))
        shown: Any = None if value is None else value[1]
        if shown is not None:
            shown = texts[int(shown)] if 't="s"' in about else shown if 't="str"' in about else float(shown)
        yield (column, int(row)), Cell(None if formula is None else html.unescape(formula[1]), shown)


def differing(sheets: Sheets) -> list[str]:
    """Return each formula that does not come to the number beside it, in words."""
    found, worked = [], _Worked(sheets)
    for sheet, cells in sheets.items():
        for (column, row), cell in cells.items():
            if cell.formula is None:
                continue
            made = worked.value(sheet, column, row)
            # Numbers beside formulas are rounded, the most to one decimal.
            if not math.isclose(made, cell.value, rel_tol=2e-4, abs_tol=0.06):
                found.append(
                    f"{sheet}!{column}{row}: {cell.formula} comes to {made} and {cell.value} is shown"
                )
    return found


def worked_out(sheets: Sheets, sheet: str, cell: str, **instead: float) -> float:
    """Return what a cell (`B6`) comes to where cells of *Factors* hold other numbers: `C5=0.2`."""
    factors = dict(sheets["Factors"])
    for name, value in instead.items():
        column, row = _place(name)
        factors[column, row] = Cell(None, value)
    return float(_Worked(sheets | {"Factors": factors}).value(sheet, *_place(cell)))


def _place(name: str) -> tuple[str, int]:
    column = name.rstrip("0123456789")
    return column, int(name.removeprefix(column))


class _Worked:
    def __init__(self, sheets: Sheets) -> None:
        self.sheets = sheets
        self.seen: dict[tuple[str, str, int], Any] = {}

    def value(self, sheet: str, column: str, row: int) -> Any:
        """Return what a cell comes to, its formula worked out and not its kept number."""
        key = (sheet, column, row)
        if key not in self.seen:
            cell = self.sheets[sheet].get((column, row), Cell(None, None))
            self.seen[key] = cell.value if cell.formula is None else self.work(sheet, cell.formula)
        return self.seen[key]

    def work(self, sheet: str, formula: str) -> Any:
        """Return what a formula comes to."""
        words: list[str] = _TEXT.findall(formula)
        plain = _TEXT.sub("\0", formula)
        taken: list[Any] = []

        def take(found: re.Match[str]) -> str:
            taken.append(self.range(found[1] or found[2] or sheet, *found.groups()[2:]))
            return f"T[{len(taken) - 1}]"

        code = _REFERENCE.sub(take, plain)
        for word in words:
            code = code.replace("\0", word, 1)
        known = {
            "SUM": _sum,
            "ROUND": _round,
            "SUMIF": _sum_if,
            "SUMIFS": _sum_ifs,
            "COUNTIFS": _count_ifs,
            "T": taken,
        }
        return eval(code, {"__builtins__": {}}, known)  # noqa: S307 - formulas of our own workbook, in a test

    def range(self, sheet: str, column: str, row: str, to_column: str | None, to_row: str | None) -> Any:
        """Return a cell's value, or those of a range of one column."""
        if to_column is None or to_row is None:
            return self.value(sheet, column, int(row))
        assert column == to_column
        return [self.value(sheet, column, at) for at in range(int(row), int(to_row) + 1)]


def _numbers(values: Any) -> Iterator[float]:
    for one in values if isinstance(values, list) else [values]:
        if isinstance(one, (int, float)):
            yield one


def _sum(*parts: Any) -> float:
    return math.fsum(number for part in parts for number in _numbers(part))


def _round(value: float, places: int) -> float:
    return math.floor(abs(value) * 10**places + 0.5 + 1e-9) / 10**places * (1 if value >= 0 else -1)


def _meets(value: Any, wanted: str) -> bool:
    return value != wanted[2:] if wanted.startswith("<>") else bool(value == wanted)


def _sum_if(where: list[Any], wanted: str, values: list[Any]) -> float:
    return _sum_ifs(values, where, wanted)


def _sum_ifs(values: list[Any], *conditions: Any) -> float:
    pairs = list(zip(conditions[::2], conditions[1::2], strict=True))
    rows = [at for at in range(len(values)) if all(_meets(where[at], wanted) for where, wanted in pairs)]
    return _sum([values[at] for at in rows])


def _count_ifs(*conditions: Any) -> int:
    pairs = list(zip(conditions[::2], conditions[1::2], strict=True))
    count = len(conditions[0])
    return sum(all(_meets(where[at], wanted) for where, wanted in pairs) for at in range(count))
