"""Registers of contracts and lists of warranties become contracts, by the usual names or a mapping file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from roadworthy_inventory.contracts import KINDS, Contract, ContractError
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
from roadworthy_inventory.importing.problems import BadRow, CellError, UnknownFormatError
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import LIFELONG, DateOrder, add_months
from roadworthy_inventory.money import round_pence

_MONTHS_A_YEAR = 12
_DAYS_A_YEAR = Fraction(3652425, 10000)  # the Gregorian calendar's mean year
COLUMNS = (
    Column("reference", "key", ("Contract reference", "Contract number", "Contract ID", "Contract no", "Reference",
                                "Agreement number", "Warranty reference", "Number", "ID")),
    Column("kind", "text", ("Kind", "Contract type", "Type")),
    Column("title", "notes", ("Contract title", "Contract name", "Title of agreement", "Title", "Description", "Name")),
    Column("supplier", "text", ("Supplier", "Supplier name", "Vendor", "Provider", "Suppliers")),
    Column("start", "date", ("Start date", "Contract start date", "Start", "Starts", "Commencement date",
                             "Warranty start")),
    Column("end", "date", ("End date", "Contract end date", "End", "Ends", "Expiry date", "Expiration date", "Expires",
                           "Warranty end", "Warranty expires")),
    Column("months", "months", ("Initial contract period", "Duration", "Contract length", "Term", "Duration (months)",
                                "Term (months)")),
    Column("notice", "date_or_months", ("Notice date", "Notice by", "Notice", "Notice period", "Review date")),
    Column("value_per_year", "money", ("Annual value", "Value per year", "Value per annum", "Annual cost", "Yearly cost",
                                       "Value p.a.", "Pounds per year")),
    Column("value_total", "money", ("Contract value", "Total value", "Total contract value", "Value", "Cost")),
    Column("covers", "notes", ("Covers", "Systems", "System", "Items covered", "Application", "Model", "Serial number")),
    Column("cost_centre", "key", ("Cost centre", "Cost centre code", "Cost center")),
    Column("unit", "text", ("Unit", "Unit path", "Owning unit", "Department", "Directorate", "Business unit")),
)  # fmt: skip
FIXED = ("kind", "cost_centre", "supplier", "unit")
_KIND_WORDS = {
    "contract": "support, maintenance, maintenance contract, support contract, licence, lease, service, framework, "
    "hardware support, software support, call-off contract, agreement, subscription",
    "warranty": "warranties, guarantee, extended warranty, manufacturer warranty",
}


def read_contracts(
    table: Table,
    *,
    on: dt.date,
    mapping: FinanceMapping = NO_MAPPING,
    strict: bool = False,
    date_order: DateOrder | None = None,
    quarantine: Callable[[BadRow], None] | None = None,
) -> Import:
    """Return the import of a contract register; `finance.flat` of it yields its Contracts.

    A length in months stands for a missing end, notice in months for a missing notice date, and a total value is
    turned into a value per year where start and end are told. Raises UnknownFormatError without a reference and any of
    end, length and start; MappingRefusedError for a mapping that does not fit; ImportRefusedError as `items.read_items` does.
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
    if "reference" not in bound or not bound & {"start", "end", "months"}:
        raise UnknownFormatError(
            table.file,
            "is no register of contracts we know: it needs a reference and a start, end or length",
            "say in a mapping file which columns they are",
            line=table.header_line,
        )
    check_words(mapping, ("kind",))
    kinds = Words("kind", KINDS, _KIND_WORDS, mapping)

    def make(found: dict[str, Any], context: Context) -> tuple[Contract, ...]:
        return _contract({**mapping.fixed, **found}, kinds, table.file, context)

    return Format(
        name="contracts",
        title="a register of contracts",
        yields="contracts",
        columns=columns,
        required=(),
        date_order=mapping.date_order,
        make=guarded(make),
        unique="reference",
    )


def _contract(row: dict[str, Any], kinds: Words, file: str, context: Context) -> tuple[Contract, ...]:
    kind = kinds.read(row.get("kind"), context)
    reference = row.get("reference")
    if reference is None:
        context.refuse("reference", "no_reference", "is empty: nothing names this contract")
        return ()
    value = row.get("value_per_year", row.get("value_total"))
    if value is not None and value < 0:
        name = "value_per_year" if "value_per_year" in row else "value_total"
        context.refuse(name, "negative_cost", "is negative; credits belong in the ledger")
    if any(problem.quarantines for problem in context.problems):
        return ()
    try:
        end = _end(row)
        return (
            Contract(
                reference=reference,
                kind=kind or "contract",  # type: ignore[arg-type]  # one of our words
                title=row.get("title"),
                supplier=row.get("supplier"),
                start=row.get("start"),
                end=end,
                notice=_notice(row.get("notice"), end),
                value_pence_per_year=_per_year(row, end),
                covers=_covers(row.get("covers")),
                cost_centre=row.get("cost_centre"),
                unit=row.get("unit"),
                source=file,
                source_line=context.line,
            ),
        )
    except (ContractError, CellError) as error:
        context.refuse("end", "not_a_contract", str(error), row.get("end", ""))
        return ()


def _end(row: dict[str, Any]) -> dt.date | None:
    end, start, months = row.get("end"), row.get("start"), row.get("months")
    if isinstance(end, dt.date) or start is None or not months or months == LIFELONG:
        return end
    return add_months(start, months)


def _notice(told: dt.date | int | None, end: dt.date | None) -> dt.date | None:
    """Return the last day to give notice: three months before 31 March is 31 December."""
    if isinstance(told, int):
        return None if end is None or told <= 0 else add_months(end + dt.timedelta(days=1), -told)
    return told


def _per_year(row: dict[str, Any], end: dt.date | None) -> int | None:
    """Return pence a year: as told, else the total over the years it runs; None where that is not told."""
    per_year, whole, start = row.get("value_per_year"), row.get("value_total"), row.get("start")
    if per_year is not None or whole is None or start is None or end is None or end < start:
        return per_year
    after = end + dt.timedelta(days=1)
    months = (after.year - start.year) * _MONTHS_A_YEAR + after.month - start.month
    if after.day == start.day and months > 0:
        return round_pence(Fraction(whole * _MONTHS_A_YEAR, months))
    return round_pence(whole * _DAYS_A_YEAR / (after - start).days)


def _covers(said: str | None) -> tuple[str, ...]:
    parts = (" ".join(part.split()) for part in re.split(r"[;\n|]", said or ""))
    return tuple(dict.fromkeys(part for part in parts if part))
