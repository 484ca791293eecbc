"""Published supplier payments in five shapes: four recognised by their headers, the fifth by a mapping file.

The shapes are those of West Mercia Police, Eden District Council, Cannock Chase District Council and East
Cambridgeshire District Council; others, such as Bristol, whose column names vary by year, are read by the usual names
or a mapping file. West Mercia says of its columns (http://www.westmercia.police.uk/foi/expenditure/): lines may be
under 500 pounds because an invoice is broken down, INV and CRN tell invoices from credit notes, and some suppliers
are REDACTED PERSONAL DATA or REDACTED COMMERCIAL CONFIDENTIALITY.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from roadworthy_inventory.importing.values import DateOrder, yes_or_no
from roadworthy_inventory.importing.words import word_key
from roadworthy_inventory.ledger import CAPITAL_REVENUE
from roadworthy_inventory.payments import VAT_BASES, PaymentLine, is_redacted

_SUPPLIER = ("Supplier", "Supplier name", "Supplier (beneficiary)", "Supplier_Name", "Beneficiary", "Vendor", "Payee",
             "Creditor", "Merchant name")  # fmt: skip
COLUMNS = (
    Column("net", "money", ("Net amount", "SumOfAmount_Exc_VAT", "Amount exc VAT", "Amount excluding VAT", "Amount ex VAT",
                            "Amount (exc VAT)", "Net", "Net value")),
    Column("gross", "money", ("Gross amount", "SumOfAmount_Inc_VAT", "Amount inc VAT", "Amount including VAT", "Gross",
                              "Amount (inc VAT)")),
    Column("amount", "money", ("Amount", "Amount (£)", "Amount £", "Payment amount", "Invoice amount", "Value", "Total")),
    Column("irrecoverable_vat", "money", ("Irrecoverable VAT", "Non-recoverable VAT", "VAT not recoverable")),
    Column("invoice_total", "money", ("Total Invoice Amount", "Invoice total")),
    Column("date", "date", ("Transaction date", "Date (dd/mm/yyyy)", "Payment date", "Date paid", "Date of payment",
                            "Paid date", "Date", "Invoice date")),
    Column("supplier", "text", _SUPPLIER),
    Column("supplier_id", "key", ("Supplier ID", "Supplier_ID", "Supplier number", "Beneficiary ID", "Vendor ID")),
    Column("reference", "key", ("URI", "Reference", "Unique reference")),
    Column("transaction", "key", ("Voucher Number", "Transaction number", "Transaction_Number", "Payment number",
                                  "Transaction no", "Document number", "Payment reference")),
    Column("invoice", "key", ("Invoice Number", "Invoice no", "Invoice reference")),
    Column("credit_note", "text", ("INV/CRN", "Invoice/Credit note", "Document type")),
    Column("code", "key", ("G/L Code", "Expense code (4 digits)", "Expense code", "Expense_Code", "CIPFA expenditure code",
                           "Expenditure code", "GL code", "Subjective code", "Account code")),
    Column("expense_type", "text", ("G/L Description", "Detailed_Expenses_Type", "Expense Type", "Expenses_Type",
                                    "Expenditure type", "Expenditure category", "Expense category")),
    Column("category", "text", ("Procurement category", "Expenses_Type", "Merchant category", "Category",
                                "Procurement (Merchant) category", "ProClass")),
    Column("department", "text", ("Department/service", "Expense Area", "Service_Division_Categorisation", "Department",
                                  "Directorate", "Service area", "Service", "Responsible_Unit", "Organisational unit",
                                  "Service_Area_Categorisation")),
    Column("cost_centre", "key", ("Cost Centre", "Cost centre code", "Responsible_Unit")),
    Column("description", "notes", ("Purpose (narrative)", "Narrative", "Extended Description", "Description", "Purpose",
                                    "Purpose of expenditure", "Summary of purpose", "Details")),
    Column("contract", "key", ("Contract_ID", "Contract ID", "Contract reference")),
    Column("capital_revenue", "text", ("Capital_Revenue", "Capital/Revenue", "Capital or revenue")),
    Column("card", "text", ("Card transaction", "Card", "Procurement card", "Purchasing card")),
    Column("body", "text", ("Body name", "Company Name", "Organisation name", "Organisation", "Local authority")),
)  # fmt: skip
FIXED = ("body", "vat_basis", "capital_revenue")
_FUNDING_WORDS = {"capital": "cap, c", "revenue": "rev, r"}
_DOCUMENT_WORDS = {
    "invoice": "inv, i, invoices, payment, pi",
    "credit note": "crn, cn, c, credit, credit memo, credit notes, pc, refund",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A published shape, known by headers that must all be there."""

    name: str
    headers: tuple[str, ...]


SHAPES = (
    Shape("West Mercia Police", ("URI", "Voucher Number", "INV/CRN", "G/L Code", "Amount")),
    Shape(
        "Eden District Council",
        ("Expense Area", "Expense Type", "Transaction Number", "Amount", "Supplier ID"),
    ),
    Shape("Cannock Chase District Council", ("SumOfAmount_Inc_VAT", "SumOfAmount_Exc_VAT", "Supplier_Name")),
    Shape(
        "East Cambridgeshire District Council", ("Net amount", "Irrecoverable VAT", "CIPFA expenditure code")
    ),
)
OTHER_SHAPE = "supplier payments by the usual names or a mapping file"


def recognise(header: tuple[str, ...]) -> str:
    """Return the name of the shape a header has, OTHER_SHAPE where it is none of the four."""
    keys = {word_key(name) for name in header}
    return next(
        (shape.name for shape in SHAPES if all(word_key(name) in keys for name in shape.headers)), OTHER_SHAPE
    )


def read_payments(
    table: Table,
    *,
    on: dt.date,
    mapping: FinanceMapping = NO_MAPPING,
    strict: bool = False,
    date_order: DateOrder | None = None,
    quarantine: Callable[[BadRow], None] | None = None,
) -> Import:
    """Return the import of published payments; `finance.flat` of it yields its PaymentLines.

    `mapping` may fix, for all rows, `body`, `capital_revenue` and `vat_basis` (`net` or `gross`: what a column
    called no more than Amount holds). Raises UnknownFormatError where there is no amount or nothing that says whom or what
    was paid for, MappingRefusedError for a mapping that does not fit, ImportRefusedError as `items.read_items` does.
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
    if not bound & {"net", "gross", "amount"} or not bound & {
        "supplier",
        "description",
        "expense_type",
        "code",
    }:
        raise UnknownFormatError(
            table.file,
            "is no supplier payments we know: it needs an amount, and a supplier, code or description",
            "say in a mapping file which columns they are",
            line=table.header_line,
        )
    if bound & {"net", "gross"} and "amount" in bound and "amount" not in mapping.columns:
        columns = tuple(column for column in columns if column.field != "amount")
    maker = _Maker(table.file, bound, mapping)
    return Format(
        name="payments",
        title=f"published supplier payments ({recognise(table.header)})",
        yields="payments",
        columns=columns,
        required=(),
        date_order=mapping.date_order,
        make=guarded(maker.make),
        others=True,
        note=maker.note,
    )


class _Maker:
    """Makes the payment line of a row."""

    def __init__(self, file: str, bound: set[str], mapping: FinanceMapping) -> None:
        check_words(mapping, ("capital_revenue", "credit_note"))
        self._file = file
        self._told = dict(mapping.fixed)
        self._basis = self._told.pop("vat_basis", "unknown")
        if self._basis not in VAT_BASES:
            raise mapping.refused("vat_basis", f"{self._basis!r} is neither net nor gross", "say which")
        self._fundings = Words("capital_revenue", CAPITAL_REVENUE, _FUNDING_WORDS, mapping)
        self._documents = Words("credit_note", ("invoice", "credit note"), _DOCUMENT_WORDS, mapping)
        bare = self._basis == "unknown" and not bound & {"net", "gross"}
        self.note = "nothing says whether amounts hold VAT" if bare else ""

    def make(self, found: dict[str, Any], context: Context) -> tuple[PaymentLine, ...]:
        """Return the line of {field: value}, in a tuple."""
        row = {**self._told, **found}
        funding = self._fundings.read(row.get("capital_revenue"), context)
        document = self._documents.read(row.get("credit_note"), context)
        amounts = {
            name: row.get(name) for name in ("net", "gross", "amount", "irrecoverable_vat", "invoice_total")
        }
        if amounts["net"] is None and amounts["gross"] is None and amounts["amount"] is None:
            titles = [name for name in ("net", "gross", "amount") if name in context.titles]
            context.refuse(
                titles[0] if titles else "amount", "no_amount", "is empty: what was paid is not told"
            )
        date = row.get("date")
        if date is not None and date > context.on:
            context.refuse("date", "future_date", f"is after {context.on.isoformat()}: not paid yet", date)
        if any(problem.quarantines for problem in context.problems):
            return ()
        if document == "credit note":
            # Some bodies print credit notes without a sign and tell them by this column only.
            amounts = {name: None if pence is None else -abs(pence) for name, pence in amounts.items()}
        return (self._line(row, amounts, funding, document == "credit note", context),)

    def _line(
        self,
        row: dict[str, Any],
        amounts: dict[str, int | None],
        funding: str | None,
        is_credit: bool,  # noqa: FBT001  # a field, passed on
        context: Context,
    ) -> PaymentLine:
        bare = amounts["amount"]
        redacted = is_redacted(row.get("supplier"))
        texts = {
            name: row.get(name)
            for name in (
                *("supplier_id", "reference", "transaction", "invoice", "code", "expense_type", "category"),
                *("department", "cost_centre", "description", "contract", "body"),
            )
        }
        return PaymentLine(
            paid=row.get("date"),
            net_pence=bare if amounts["net"] is None and self._basis == "net" else amounts["net"],
            gross_pence=bare if amounts["gross"] is None and self._basis == "gross" else amounts["gross"],
            amount_pence=bare if self._basis == "unknown" else None,
            irrecoverable_vat_pence=amounts["irrecoverable_vat"],
            invoice_total_pence=amounts["invoice_total"],
            supplier=None if redacted else row.get("supplier"),
            supplier_redacted=redacted,
            capital_revenue=funding or "unknown",  # type: ignore[arg-type]  # one of our words
            card=_card(row.get("card"), context),
            credit_note=is_credit or (amounts["net"] or amounts["gross"] or bare or 0) < 0,
            source=self._file,
            source_line=context.line,
            **texts,
        )


def _card(said: str | None, context: Context) -> bool | None:
    if said is None:
        return None
    try:
        return yes_or_no(said)
    except CellError:
        context.warn("card", "unknown_word", "is neither yes nor no; whether a card paid is not known", said)
        return None
