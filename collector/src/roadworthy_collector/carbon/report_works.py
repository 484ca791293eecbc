"""How a workbook works a cell out: short formulas of a report's rows and figures, with names in brackets for cells.

    [kwh]                  the cell of that column in the same row
    [column kwh]           that column of the table's rows, without its total
    [total kwh]            that column of the table's total
    [table supplies kwh]   that column of another table's rows
    [cell secr value gross]  that column of another table's row of that name
    [line supply 3]        a line's kWh, adjustments in it    [lines]   those of all lines
    [factor generation]    a factor                           [sum total]   a sum, rounded

Each stays a line long whatever the number of rows. What names no cell of this report gives no formula.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from roadworthy_collector.carbon.report_model import Column, Table

SHEET_NAME = 31
FIRST_ROW = 4  # of the rows of every sheet, counted from 0
LONGEST = 8_192  # characters of a formula in Excel
_NAME = re.compile(r"\[([^\]]+)\]")


class NoCellError(Exception):
    """A name that stands for no cell of this report."""


class Here(NamedTuple):
    """Where a formula stands: its table, if it stands in one, and its row counted from 0."""

    table: Mapping[str, Any] | None = None
    row: int = 0


class Cells:
    """Finds the cells of a report's workbook."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.factors = _places(content["factors"], "key")
        self.lines = _places(content["lines"], "name")
        self.sums = _places(content["sums"], "name")
        self._tables = {one["name"]: one for one in content["tables"]}

    def formula(self, works: str, here: Here) -> str | None:
        """Return a formula with its cells, None where one of them is not there or Excel would not take it."""
        try:
            text = _NAME.sub(lambda found: self._cell(found[1], here), works)
        except NoCellError:
            return None
        return f"={text}" if len(text) < LONGEST else None

    def _cell(self, name: str, here: Here) -> str:
        head, _, rest = name.partition(" ")
        known = {
            "factor": (self.factors, "Factors!$C$"),
            "line": (self.lines, "Lines!$F$"),
            "sum": (self.sums, "Sums!$B$"),
        }
        if name == "lines":
            return f"Lines!$F${FIRST_ROW + 1}:$F${FIRST_ROW + max(1, len(self.lines))}"
        if rest and head in known:
            rows, cell = known[head]
            if rest not in rows:
                raise NoCellError(name)
            return f"{cell}{rows[rest] + 1}"
        if head == "table":
            table, _, column = rest.partition(" ")
            if table not in self._tables:
                raise NoCellError(name)
            return f"'{sheet_of(self._tables[table])}'!{_range(self._tables[table], column, '$')}"
        if head == "cell":
            return self._named(rest)
        if here.table is None:
            raise NoCellError(name)
        if rest and head == "column":
            return _range(here.table, rest)
        row = FIRST_ROW + len(here.table["rows"]) if rest and head == "total" else here.row
        return f"{_column(here.table, rest or head)}{row + 1}"

    def _named(self, said: str) -> str:
        table, column, name = said.split(" ", 2)
        held = self._tables.get(table)
        rows = [] if held is None else [row.get("name") for row in held["rows"]]
        if held is None or name not in rows:
            raise NoCellError(said)
        return f"'{sheet_of(held)}'!{_column(held, column)}{FIRST_ROW + rows.index(name) + 1}"


def _places(rows: Any, key: str) -> dict[str, int]:
    return {one[key]: at for at, one in enumerate(rows, FIRST_ROW)}


def sheet_of(table: Mapping[str, Any]) -> str:
    """Return the name of a table's sheet."""
    return str(table["name"]).replace("_", " ")[:SHEET_NAME]


def letter(column: int) -> str:
    """Return the letters of a column counted from 0."""
    return (letter(column // 26 - 1) if column >= 26 else "") + chr(ord("A") + column % 26)


def _column(table: Mapping[str, Any], name: str) -> str:
    names = [one["name"] for one in table["columns"]]
    if name not in names:
        raise NoCellError(name)
    return letter(names.index(name))


def _range(table: Mapping[str, Any], name: str, fixed: str = "") -> str:
    column, last = _column(table, name), FIRST_ROW + max(1, len(table["rows"]))
    return f"{fixed}{column}{fixed}{FIRST_ROW + 1}:{fixed}{column}{fixed}{last}"


def works_of(content: Mapping[str, Any], table: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
    """Return {column: formula} of a row: its own, tonnes of kWh, and rows that are one of the report's sums."""
    found: dict[str, str] = dict(row.get("works") or {})
    if how := table.get("tonnes_of"):
        result, kwh, factor = how
        if row.get(kwh) is not None:
            found.setdefault(result, f"[{kwh}]*[factor {factor}]/1000")
    if table["name"] == "secr" and (works := _secr_works(content, str(row.get("name")))):
        found.setdefault("value", works)
    if content["kind"] == "crc" and table["name"] == "bridge" and row is table["rows"][0]:
        found["tonnes"] = "[sum total]"  # the bridge begins at what this report says
    return found


def _secr_works(content: Mapping[str, Any], name: str) -> str:
    """Return the formula of a row in the shape of SECR: one of the report's sums, or the kWh of its lines."""
    if name == "gross":
        return "[sum total]"
    if name == "energy":
        return "+".join(f"[line {one['name']}]" for one in content["lines"] if one["name"] != "home")
    if name == "scope2_market" and any(one["name"] == "market" for one in content["tables"]):
        return "SUM([table market tco2e])"
    return f"[sum {name}]" if any(name == one["name"] for one in content["sums"]) else ""


_DIVISORS = {
    "intensity_fte": "full-time equivalents, by the carbon settings",
    "intensity_device": "devices, as the energy ledger counts them",
    "intensity_gbp_m": "million pounds of revenue, by the carbon settings",
}


def with_divisors(table: Table, by: Mapping[str, Any]) -> list[Table]:
    """Return the table in the shape of SECR with its intensities worked out of the total, and what they are divided by.

    `by` {row: divisor}, None or nought where there is none.
    """
    known = {name: float(some) for name, some in by.items() if some}
    rows = [
        {**row, "works": {"value": f"[sum total]/[cell divisors value {row['name']}]"}}
        if row["name"] in known
        else row
        for row in table.rows
    ]
    if not known:
        return [table]
    divisors = [{"name": name, "title": _DIVISORS[name], "value": value} for name, value in known.items()]
    columns = (Column("title", "", "text"), Column("value", "Number", places=3))
    return [
        replace(table, rows=rows),
        Table("divisors", "What the intensities are divided by", columns, divisors),
    ]


def total_works(table: Mapping[str, Any], total: Mapping[str, Any]) -> dict[str, str]:
    """Return {column: formula} of a total: its own, and a sum of each column whose rows come to it."""
    found: dict[str, str] = dict(total.get("works") or {})
    for one in table["columns"]:
        name, value = one["name"], total.get(one["name"])
        # What is not known is a text in its cell, and SUM passes texts over.
        cells = [cell for row in table["rows"] if (cell := row.get(name)) is not None]
        if name in found or not isinstance(value, (int, float)) or not cells:
            continue
        if any(not isinstance(cell, (int, float)) for cell in cells):
            continue
        # Rows are rounded to three decimals each, shares of them to fewer.
        apart = 0.5 * 10.0 ** -min(3, one["places"] or 3) * (len(cells) + 1)
        if abs(sum(cells) - value) <= apart:
            found[name] = f"SUM([column {name}])"
    return found


def figure_works(content: Mapping[str, Any], figure: Mapping[str, Any]) -> str:
    """Return the formula of a figure of the first page, empty where it has none."""
    if found := figure.get("works"):
        return str(found)
    if any(one["name"] == figure["name"] for one in content["sums"]):
        return f"[sum {figure['name']}]"
    if content["kind"] == "secr":
        return f"[cell secr value {figure['name']}]"
    is_all = content["kind"] == "carbon" and figure["name"] == "kwh"
    return "SUM([lines])" if is_all else ""
