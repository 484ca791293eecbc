"""A report as a workbook that works itself out: sums, tonnes, costs and totals are formulas down to lines and factors."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, BinaryIO

from roadworthy_collector.books.sheets import checked_marking
from roadworthy_collector.carbon.report_shown import Frame, shown
from roadworthy_collector.carbon.report_works import (
    FIRST_ROW,
    SHEET_NAME,
    Cells,
    Here,
    figure_works,
    sheet_of,
    total_works,
    works_of,
)
from roadworthy_inventory.carbon.quantities import half_up

_LONGEST = 32_767
_FACTOR_COLUMNS = ("Key", "Factor", "Value", "Unit", "Set and days", "Status", "Source")


def write(target: BinaryIO, content: Mapping[str, Any], frame: Frame) -> None:
    """Write the workbook: summary, sums, a sheet a table, factors, sources."""
    # Here, because it takes a command a tenth of a second it seldom needs.
    import xlsxwriter  # type: ignore[import-untyped]  # it has no types

    book = xlsxwriter.Workbook(
        target, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    )
    book.set_properties({"title": f"{content['title']}, {content['year']}", "author": "Roadworthy"})
    try:
        _Writer(book, content, frame).write()
    finally:
        book.close()


class _Writer:
    def __init__(self, book: Any, content: Mapping[str, Any], frame: Frame) -> None:
        self.book, self.content, self.frame = book, content, frame
        self.shown = shown(content, frame)
        self.bold = book.add_format({"bold": True})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self.numbers = {
            places: book.add_format({"num_format": "#,##0" + ("." + "0" * places if places else "")})
            for places in (0, 1, 2, 3, 5)
        }
        self.cells = Cells(content)
        self.factor_rows, self.line_rows = self.cells.factors, self.cells.lines

    def write(self) -> None:
        self._summary()
        self._lines()
        self._sums(self._terms())
        for table in self.content["tables"]:
            self._table(table)
        self._factors()
        self._sources()

    def _sheet(self, name: str, title: str) -> Any:
        sheet = self.book.add_worksheet(name[:SHEET_NAME])
        marking = checked_marking(self.frame.marking) or "none stated"
        mark = f"; {self.shown['watermark']}" if self.shown["watermark"] else ""
        sheet.write_string(0, 0, f"Protective marking: {marking}{mark}")
        sheet.write_string(1, 0, title[:_LONGEST], self.bold)
        sheet.set_header(f"&L{marking.replace('&', '&&')}&R{self.content['year']}{mark}")
        sheet.set_footer(f"&L{marking.replace('&', '&&')}&RPage &P of &N")
        return sheet

    def _number(self, sheet: Any, row: int, column: int, value: Any, places: int) -> None:
        if value is None:
            sheet.write_string(row, column, "not known")
        elif isinstance(value, str):
            sheet.write_string(row, column, value[:_LONGEST])
        else:
            sheet.write_number(row, column, value, self.numbers.get(places, self.numbers[3]))

    def _worked(
        self, sheet: Any, at: tuple[int, int], value: Any, places: int, works: str, here: Here
    ) -> None:
        """Write a number as its formula where it has one, with the number as what it comes to."""
        formula = self.cells.formula(works, here) if works and isinstance(value, (int, float)) else None
        if formula is None:
            self._number(sheet, *at, value, places)
        else:
            sheet.write_formula(*at, formula, self.numbers.get(places, self.numbers[3]), value)

    def _summary(self) -> None:
        sheet = self._sheet("Summary", f"{self.content['title']}, {self.content['year']}")
        sheet.set_column(0, 0, 44)
        sheet.set_column(1, 3, 16)
        sheet.set_column(4, 5, 40)
        sheet.write_string(2, 0, f"{self.shown['state']}; figures as at {self.shown['made']}")
        for column, title in enumerate(("Figure", "Value", "Low", "High", "Unit", "Note")):
            sheet.write_string(4, column, title, self.bold)
        row = 5
        for one in self.content["figures"]:
            sheet.write_string(row, 0, one["title"])
            for column, name in ((1, "value"), (2, "low"), (3, "high")):
                if name == "value":
                    works = figure_works(self.content, one)
                    self._worked(sheet, (row, column), one[name], one["places"], works, Here())
                elif one[name] is not None:
                    self._number(sheet, row, column, one[name], one["places"])
            sheet.write_string(row, 4, one["unit"])
            sheet.write_string(row, 5, one["note"][:_LONGEST])
            row += 1
        for text in (*self.content["sentences"], *self.content["method"]):
            row += 1
            sheet.merge_range(row, 0, row, 5, text[:_LONGEST], self.wrap)
            sheet.set_row(row, 15 * (1 + len(text) // 150))

    def _lines(self) -> None:
        sheet = self._sheet("Lines", "Energy the sums are made of")
        sheet.set_column(0, 2, 34)
        sheet.set_column(3, 5, 18)
        for column, title in enumerate(
            ("Line", "Title", "Source", "kWh", "Adjustments, kWh", "Together, kWh")
        ):
            sheet.write_string(3, column, title, self.bold)
        for one in self.content["lines"]:
            row = self.line_rows[one["name"]]
            for column, name in enumerate(("name", "title", "source")):
                sheet.write_string(row, column, one[name])
            kwh, journals = (_float(one[name]) for name in ("kwh", "journals_kwh"))
            self._number(sheet, row, 3, kwh, 3)
            self._number(sheet, row, 4, journals, 3)
            sheet.write_formula(row, 5, f"=D{row + 1}+E{row + 1}", self.numbers[3], kwh + journals)

    def _terms(self) -> dict[str, str]:
        """Write a row for each line of each sum; return {sum: the cells its terms are in}."""
        sheet = self._sheet("Terms", "What each sum is made of: kWh x factor x uplift / 1000")
        sheet.set_column(0, 2, 34)
        sheet.set_column(3, 6, 18)
        titles = ("Sum", "Line", "Factor", "kWh", "kg per kWh", "Uplift", "Tonnes")
        for column, title in enumerate(titles):
            sheet.write_string(FIRST_ROW - 1, column, title, self.bold)
        lines = {one["name"]: one for one in self.content["lines"]}
        factors = {one["key"]: one for one in self.content["factors"]}
        found, row = {}, FIRST_ROW
        for one in self.content["sums"]:
            first = row
            for term in one["terms"]:
                line, factor = lines[term["line"]], factors[term["factor"]]
                kwh = _float(line["kwh"]) + _float(line["journals_kwh"])
                each, uplift = _float(factor["value"]), _float(term["uplift"])
                for column, text in enumerate((one["title"], line["title"], factor["title"])):
                    sheet.write_string(row, column, text)
                cell = f"=Lines!$F${self.line_rows[term['line']] + 1}"
                sheet.write_formula(row, 3, cell, self.numbers[3], kwh)
                cell = f"=Factors!$C${self.factor_rows[term['factor']] + 1}"
                sheet.write_formula(row, 4, cell, self.numbers[5], each)
                self._number(sheet, row, 5, uplift, 3)
                tonnes = f"=D{row + 1}*E{row + 1}*F{row + 1}/1000"
                sheet.write_formula(row, 6, tonnes, self.numbers[3], kwh * each * uplift / 1000)
                row += 1
            if row > first:
                found[one["name"]] = f"Terms!$G${first + 1}:$G${row}"
        return found

    def _sums(self, terms: Mapping[str, str]) -> None:
        sheet = self._sheet("Sums", "Tonnes: the terms of each sum, rounded once")
        sheet.set_column(0, 0, 60)
        sheet.set_column(1, 3, 18)
        for column, title in enumerate(("Sum", "Tonnes", "Unit", "Tonnes from elsewhere")):
            sheet.write_string(FIRST_ROW - 1, column, title, self.bold)
        for row, one in enumerate(self.content["sums"], FIRST_ROW):
            sheet.write_string(row, 0, one["title"])
            self._number(sheet, row, 3, _float(one["given"]), 3)
            parts = ",".join(part for part in (terms.get(one["name"]), f"D{row + 1}") if part)
            formula = f"=ROUND(SUM({parts}),{one['places']})"
            value = float(half_up(Fraction(one["tonnes"]), one["places"]))
            sheet.write_formula(row, 1, formula, self.numbers[3 if one["places"] else 0], value)
            sheet.write_string(row, 2, one["unit"])

    def _table(self, table: Mapping[str, Any]) -> None:
        sheet = self._sheet(sheet_of(table), table["title"])
        columns = table["columns"]
        sheet.set_column(0, 0, 44)
        sheet.set_column(1, max(1, len(columns) - 1), 18)
        sheet.write_string(2, 0, table["note"][:_LONGEST])
        for at, column in enumerate(columns):
            sheet.write_string(FIRST_ROW - 1, at, column["title"], self.bold)
        for row, values in enumerate(table["rows"], FIRST_ROW):
            self._row(sheet, Here(table, row), values, works_of(self.content, table, values))
        if total := table["total"]:
            works = works_of(self.content, table, total) | total_works(table, total)
            self._row(sheet, Here(table, FIRST_ROW + len(table["rows"])), total, works, known_only=True)
        sheet.freeze_panes(FIRST_ROW, 1)

    def _row(
        self,
        sheet: Any,
        here: Here,
        values: Mapping[str, Any],
        works: Mapping[str, str],
        *,
        known_only: bool = False,
    ) -> None:
        for at, column in enumerate(here.table["columns"] if here.table else ()):
            name = column["name"]
            value = values.get(name)
            if column["kind"] == "number" and not (known_only and value is None):
                places = max(values.get("places", column["places"]), 3 if name == "kwh" else 0)
                self._worked(sheet, (here.row, at), value, places, works.get(name, ""), here)
            elif value is not None:
                sheet.write_string(here.row, at, str(value)[:_LONGEST])

    def _factors(self) -> None:
        sheet = self._sheet("Factors", "Factors the formulas use")
        sheet.set_column(0, 1, 34)
        sheet.set_column(2, 6, 22)
        for column, title in enumerate(_FACTOR_COLUMNS):
            sheet.write_string(3, column, title, self.bold)
        for one in self.content["factors"]:
            row = self.factor_rows[one["key"]]
            parts = one["parts"]
            sheet.write_string(row, 0, one["key"])
            sheet.write_string(row, 1, one["title"])
            self._number(sheet, row, 2, None if one["value"] is None else _float(one["value"]), 5)
            sheet.write_string(row, 3, one["unit"])
            sheet.write_string(
                row, 4, "; ".join(f"{part['set_name']}, {part['days']} days" for part in parts)
            )
            sheet.write_string(row, 5, "; ".join(dict.fromkeys(part["status"] for part in parts)))
            told = "; ".join(dict.fromkeys(part["source"] for part in parts)) or one["reason"] or ""
            sheet.write_string(row, 6, told[:_LONGEST])

    def _sources(self) -> None:
        sheet = self._sheet("Sources", "Where every factor is from, what is left out, and who signed")
        sheet.set_column(0, 6, 28)
        row = 3
        for title, rows in (
            ("Factor rows", self.shown["factors"]),
            ("Rules", self.shown["rules"]),
            ("Exclusions", self.shown["exclusions"]),
            ("Sign-off", self.shown["steps"]),
        ):
            sheet.write_string(row, 0, title, self.bold)
            for cells in rows:
                row += 1
                for column, cell in enumerate(cells):
                    sheet.write_string(row, column, str(cell)[:_LONGEST])
            row += 2


def _float(text: str) -> float:
    return float(Fraction(text))
