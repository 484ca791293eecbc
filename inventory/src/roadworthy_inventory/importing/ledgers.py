"""The general ledger's export becomes ledger lines: four layouts, by the usual names or a mapping file.

One amount a row; debit and credit; budget, forecast and outturn side by side; accounting periods side by side. A
row becomes none, one or several lines. All or nothing unless said otherwise: a ledger of which a line is missing adds
up to nothing anybody can reconcile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Literal

from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.importing.fields import Column, Context, Format, bind
from roadworthy_inventory.importing.finance import (
    NO_MAPPING,
    FinanceMapping,
    Words,
    check_words,
    guarded,
    mapped_columns,
)
from roadworthy_inventory.importing.items import Import
from roadworthy_inventory.importing.problems import BadRow, MappingRefusedError, UnknownFormatError
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import DateOrder, pounds
from roadworthy_inventory.ledger import (
    CAPITAL_REVENUE,
    KINDS,
    MEASURES,
    YEAR_END_PERIOD,
    LedgerError,
    LedgerLine,
    accounting_period_of,
    parse_financial_year,
    parse_period,
)

_PERIODS = range(1, YEAR_END_PERIOD + 1)
_MONTHS = ("Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb", "Mar")
_LONG_MONTHS = (
    *("April", "May", "June", "July", "August", "September"),
    *("October", "November", "December", "January", "February", "March"),
)


def _period_aliases(number: int) -> tuple[str, ...]:
    written = tuple(
        f"{word}{digits}"
        for digits in dict.fromkeys((str(number), f"{number:02}"))
        for word in ("P", "Period ", "AP", "Accounting period ", "Month ")
    )
    return written if number > len(_MONTHS) else (*written, _MONTHS[number - 1], _LONG_MONTHS[number - 1])


COLUMNS = (
    Column(
        "amount",
        "money",
        ("Net amount", "Amount excluding VAT", "Amount ex VAT", "Amount exc VAT", "Net value", "Amount", "Value",
         "Amount GBP", "Base amount", "GL amount", "Ledger amount", "Transaction amount", "Posted amount"),
    ),
    Column("debit", "money", ("Debit", "Debit amount", "Dr", "Debits")),
    Column("credit", "money", ("Credit", "Credit amount", "Cr", "Credits")),
    Column("budget", "money", ("Current budget", "Revised budget", "Latest budget", "Period budget", "Budget amount",
                               "Budget")),
    Column("forecast", "money", ("Forecast", "Forecast outturn", "Projected outturn", "Projection",
                                 "Forecast amount")),
    Column("outturn", "money", ("Outturn", "Actual", "Actuals", "Actual amount", "Actual outturn", "Period actual",
                                "Actual spend")),
    Column("irrecoverable_vat", "money", ("Irrecoverable VAT", "Non-recoverable VAT", "VAT not recoverable")),
    Column("financial_year", "text", ("Financial year", "Fiscal year", "Fin year", "FY", "Accounting year", "Year")),
    Column("accounting_period", "text", ("Accounting period", "Period", "Financial period", "Fiscal period",
                                         "GL period", "Posting period", "Period number", "Period no", "Month")),
    Column("date", "date", ("Posting date", "Transaction date", "GL date", "Effective date", "Journal date", "Date")),
    Column("cost_centre", "key", ("Cost centre", "Cost center", "Cost centre code", "CC", "Costc", "Cost centre ID")),
    Column(
        "subjective_code",
        "key",
        ("Subjective code", "Subjective", "Account code", "Account", "Nominal code", "Nominal", "GL code", "G/L code",
         "Ledger code", "Detail code", "Expense code", "CIPFA code"),
    ),
    Column("description", "notes", ("Description", "Line description", "Narrative", "Transaction description",
                                    "Journal description", "Details", "Text")),
    Column("code_description", "text", ("Subjective description", "Account description", "Nominal description",
                                        "G/L description", "GL description", "Account name", "Subjective name")),
    Column("supplier", "text", ("Supplier", "Supplier name", "Vendor", "Vendor name", "Creditor", "Payee")),
    Column("measure", "text", ("Measure", "Scenario", "Ledger type", "Version", "Data type", "Balance type")),
    Column("capital_revenue", "text", ("Capital/Revenue", "Capital or revenue", "Cap/Rev", "Capital revenue",
                                       "Fund type", "Expenditure class")),
    Column("kind", "text", ("Kind", "Line type", "Transaction type", "Journal type", "Entry type", "Source type")),
    Column("spread_from", "date", ("Spread from", "Service from", "Service start", "Prepaid from", "Cover from",
                                   "Period from")),
    Column("spread_to", "date", ("Spread to", "Service to", "Service end", "Prepaid to", "Cover to", "Period to")),
    Column("recharge_reference", "key", ("Recharge reference", "Recharge ref", "Recharge", "Internal reference")),
    *(Column(f"p{number}", "money", _period_aliases(number)) for number in _PERIODS),
)  # fmt: skip
FIXED = (
    "measure",
    "financial_year",
    "accounting_period",
    "capital_revenue",
    "kind",
    "cost_centre",
    "single_year",
    "credit_sign",
)
_MEASURE_WORDS = {
    "budget": "current budget, revised budget, latest budget, b, bud",
    "forecast": "projection, projected, projected outturn, forecast outturn, f, fcst",
    "outturn": "actual, actuals, a, act, spend, expenditure",
}
_FUNDING_WORDS = {"capital": "cap, c, capex", "revenue": "rev, r, opex, income and expenditure"}
_KIND_WORDS = {
    "actual": "actuals, invoice, inv, purchase invoice, journal, expenditure, payment, standard, ap",
    "accrual": "accruals, accrued, accrual reversal, reversing accrual, acr",
    "depreciation": "amortisation, depreciation and amortisation, impairment, depn",
    "recharge_in": "recharge in, recharge received, internal charge received, support service charge",
    "recharge_out": "recharge out, recharge made, internal income, recharge income",
    "payroll": "pay, salary, salaries, wages, employee costs",
    "credit": "credit note, crn, cn, refund, credit memo",
}
Layout = Literal["amount", "debit and credit", "measures", "periods"]


def read_ledger(
    table: Table,
    *,
    on: dt.date,
    mapping: FinanceMapping = NO_MAPPING,
    strict: bool = True,
    date_order: DateOrder | None = None,
    quarantine: Callable[[BadRow], None] | None = None,
) -> Import:
    """Return the import of a general ledger; `finance.flat` of it yields its LedgerLines.

    `on`: the day it is of: an outturn posted after it is warned of. `mapping` may fix, for all rows, `measure`,
    `financial_year`, `accounting_period`, `capital_revenue`, `kind`, `cost_centre`, `single_year` (`starts` or `ends`:
    what a year written as 2026 names) and `credit_sign` (`plus` or `minus`: how the column of credits prints them).
    `strict`: all or nothing, the default. Raises UnknownFormatError where no amount is found, MappingRefusedError for
    a mapping that does not fit, ImportRefusedError as `items.read_items` does.
    """
    return Import(
        table,
        _format(table, mapping),
        on=on,
        strict=strict,
        date_order=date_order,
        quarantine=quarantine,
    )


def _format(table: Table, mapping: FinanceMapping) -> Format:
    columns = mapped_columns(COLUMNS, mapping, table.header, FIXED)
    bound = {one.column.field for one in bind(columns, table.header).bound}
    layout = _layout(bound, mapping, table)
    maker = _Maker(table.file, layout, bound, mapping)
    return Format(
        name="ledger",
        title=f"a general ledger ({layout})",
        yields="ledger lines",
        columns=_used(columns, layout),
        required=(),
        date_order=mapping.date_order,
        make=guarded(maker.make),
        others=True,
        note="; ".join(maker.notes(bound)),
    )


_LAYOUT_FIELDS: dict[Layout, tuple[str, ...]] = {
    "amount": ("amount",),
    "debit and credit": ("debit", "credit"),
    "measures": MEASURES,
    "periods": tuple(f"p{number}" for number in _PERIODS),
}


def _layout(bound: set[str], mapping: FinanceMapping, table: Table) -> Layout:
    """Return which columns hold the money; MappingRefusedError where two layouts are there and the mapping names neither."""
    found: list[Layout] = []
    for layout, fields in _LAYOUT_FIELDS.items():
        there = [name for name in fields if name in bound]
        if any(name in mapping.columns for name in there):
            return layout
        # One month's name is a column of its own in many files; a ledger by periods has at least a quarter of them.
        if len(there) >= {"debit and credit": 2, "periods": 3}.get(layout, 1):
            found.append(layout)
    if not found:
        raise UnknownFormatError(
            table.file,
            "has no column of amounts a general ledger would have",
            "say in a mapping file which column is amount, debit and credit, budget, forecast or outturn, or p1 to p13",
            line=table.header_line,
        )
    if len(found) > 1:
        raise MappingRefusedError(
            table.file,
            f"has columns of two layouts: {' and '.join(found)}",
            "say in a mapping file which columns hold the money, or some of it would count twice",
            line=table.header_line,
        )
    return found[0]


def _used(columns: tuple[Column, ...], layout: Layout) -> tuple[Column, ...]:
    """Return the columns of the layout and those every layout has."""
    others = {name for other, fields in _LAYOUT_FIELDS.items() if other != layout for name in fields}
    return tuple(column for column in columns if column.field not in others)


class _Maker:
    """Makes the lines of a row; holds what is the same for all rows."""

    def __init__(self, file: str, layout: Layout, bound: set[str], mapping: FinanceMapping) -> None:
        check_words(mapping, ("measure", "capital_revenue", "kind"))
        self._file = file
        self._layout = layout
        self._told = dict(mapping.fixed)
        bare = self._told.pop("single_year", None)
        if bare not in (None, "starts", "ends"):
            raise MappingRefusedError(
                file, f"{bare!r} is neither starts nor ends", "say which", column="single_year"
            )
        self._bare: Any = bare
        self._credit_sign = self._told.pop("credit_sign", None)
        if self._credit_sign not in (None, "plus", "minus"):
            raise mapping.refused(
                "credit_sign", f"{self._credit_sign!r} is neither plus nor minus", "say which"
            )
        if "measure" not in bound:
            self._told.setdefault("measure", "outturn")
        if "financial_year" not in bound and "financial_year" not in self._told and "date" not in bound:
            raise UnknownFormatError(
                file,
                "has no column that tells the financial year or a date",
                "fix financial_year in a mapping file",
            )
        self._measures = Words("measure", MEASURES, _MEASURE_WORDS, mapping)
        self._fundings = Words("capital_revenue", CAPITAL_REVENUE, _FUNDING_WORDS, mapping)
        self._kinds = Words("kind", KINDS, _KIND_WORDS, mapping)

    def notes(self, bound: set[str]) -> list[str]:
        """Return what the file does not tell, for a person to weigh."""
        found = []
        if "measure" not in bound and self._layout != "measures":
            found.append(f"no column tells budget from outturn: every amount is {self._told['measure']}")
        if "kind" not in bound and "kind" not in self._told:
            found.append(
                "no column tells kinds: depreciation, accruals, recharges and payroll are known by cost rules only"
            )
        if "capital_revenue" not in bound and "capital_revenue" not in self._told:
            found.append("no column tells capital from revenue: every line is unknown")
        return found

    def make(self, found: dict[str, Any], context: Context) -> tuple[LedgerLine, ...]:
        """Return the lines of {field: value}."""
        row = {**self._told, **found}
        amounts = self._amounts(row, context)
        year, period = self._when(row, context)
        kind = self._kinds.read(row.get("kind"), context)
        funding = self._fundings.read(row.get("capital_revenue"), context)
        measure = None
        if self._layout != "measures":
            measure = self._measures.read(row.get("measure"), context)
            if measure is None and not context.problems:
                context.refuse("measure", "no_measure", "is empty: is it budget, forecast or outturn?")
        if any(problem.quarantines for problem in context.problems) or year is None:
            return ()
        date = row.get("date")
        if measure == "outturn" and date is not None and date > context.on:
            context.warn(
                "date", "future_date", f"is after {context.on.isoformat()}, and the amount is outturn", date
            )
        if measure == "outturn" and date is None and year > financial_year_of(context.on):
            said = row.get("financial_year")
            context.warn("financial_year", "future_date", "has not begun, and the amount is outturn", said)
        lines = []
        for at, pence in amounts:
            told = {"measure": at if self._layout == "measures" else measure, "accounting_period": period}
            if self._layout == "periods":
                told["accounting_period"] = int(str(at))
            lines.append(self._line(row, pence, year, kind, funding, told, context))
        return tuple(line for line in lines if line is not None)

    def _amounts(self, row: dict[str, Any], context: Context) -> list[tuple[str, int]]:
        """Return (measure, period or nothing; pence) of every amount the row tells."""
        fields = _LAYOUT_FIELDS[self._layout]
        told = [(name, row[name]) for name in fields if name in row]
        if not told:
            context.refuse(fields[0], "no_amount", "is empty: write 0.00 where nothing was spent")
            return []
        if self._layout == "debit and credit":
            told = [("amount", self._net_of(row, context))]
        elif self._layout == "periods":
            told = [(name.removeprefix("p"), pence) for name, pence in told]
        vat = row.get("irrecoverable_vat", 0)
        if vat and len(told) > 1:
            context.refuse(
                "irrecoverable_vat", "vat_of_several", "cannot be shared between several amounts of a row"
            )
        return [(name, pence + vat) for name, pence in told]

    def _net_of(self, row: dict[str, Any], context: Context) -> int:
        """Return debit less credit; a minus before a credit means one thing in some systems, the opposite in others."""
        debit: int = row.get("debit", 0)
        credit: int = row.get("credit", 0)
        if credit < 0 and self._credit_sign is None:
            context.refuse(
                "credit",
                "signed_credit",
                "is a credit below nought: fix credit_sign in a mapping file, as minus where all credits are printed "
                "so, as plus where this one is a reversal",
                pounds(credit),
            )
        return debit + credit if self._credit_sign == "minus" else debit - credit

    def _when(self, row: dict[str, Any], context: Context) -> tuple[int | None, int | None]:
        date = row.get("date")
        year = period = None
        try:
            if row.get("accounting_period") is not None:
                period = parse_period(row["accounting_period"])
        except LedgerError as error:
            context.refuse("accounting_period", "not_a_period", str(error), row["accounting_period"])
        try:
            if row.get("financial_year") is not None:
                year = parse_financial_year(row["financial_year"], bare=self._bare)
        except LedgerError as error:
            context.refuse("financial_year", "not_a_year", str(error), row["financial_year"])
            return None, period
        if date is not None:
            # The year's own period wins over the day of posting: period 13 is posted in May.
            year = financial_year_of(date) if year is None else year
            if period is None and financial_year_of(date) == year:
                period = accounting_period_of(date)
        if year is None:
            context.refuse("financial_year", "no_year", "nothing tells the financial year of this row")
        return year, period

    def _line(
        self,
        row: dict[str, Any],
        pence: int,
        year: int,
        kind: str | None,
        funding: str | None,
        told: dict[str, Any],
        context: Context,
    ) -> LedgerLine | None:
        texts = [row.get("code_description"), row.get("description")]
        if not any(row.get(name) for name in ("cost_centre", "subjective_code", "supplier")) and not any(
            texts
        ):
            context.refuse(
                "", "bare_amount", "has an amount and nothing that says what for; is it a sum of others?"
            )
            return None
        if kind == "credit" and pence > 0:
            context.warn(
                "kind", "positive_credit", "is a credit with a positive amount; it was made negative"
            )
            pence = -pence
        try:
            return LedgerLine(
                amount_pence=pence,
                financial_year=year,
                cost_centre=row.get("cost_centre"),
                subjective_code=row.get("subjective_code"),
                description=" | ".join(text for text in texts if text) or None,
                supplier=row.get("supplier"),
                capital_revenue=funding or "unknown",  # type: ignore[arg-type]  # one of our words
                kind=kind or "actual",  # type: ignore[arg-type]  # one of our words
                spread_from=row.get("spread_from"),
                spread_to=row.get("spread_to"),
                recharge_reference=row.get("recharge_reference"),
                source=self._file,
                source_line=context.line,
                **told,
            )
        except LedgerError as error:
            context.refuse("", "not_a_line", str(error))
            return None
