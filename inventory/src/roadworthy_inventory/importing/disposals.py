"""Lists of disposed items, as contractors and stores send them: tag, route, weight, certificate, day, pounds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from roadworthy_inventory.disposal import ROUTES, DisposalRecord, check_record
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
from roadworthy_inventory.importing.problems import BadRow, UnknownFormatError
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import DateOrder

_GRAMS_PER_KG = 1000
_MOST_KG = 10_000.0
COLUMNS = (
    Column("tag", "key", ("Asset tag", "Tag", "Asset number", "Asset no", "Asset ID", "Asset", "Barcode")),
    Column("route", "text", ("Route", "Disposal route", "Disposal method", "Method", "Outcome", "Fate")),
    Column("weight_kg", "weight", ("Weight kg", "Weight (kg)", "Weight", "Kg", "Net weight (kg)", "Mass (kg)")),
    Column("weee_category", "whole", ("WEEE category", "WEEE cat", "Category of WEEE")),
    Column("stores_data", "yes_or_no", ("Data bearing", "Data-bearing", "Holds data", "Stores data")),
    Column("certificate", "key", ("Certificate number", "Certificate", "Certificate no", "Destruction certificate",
                                  "Erasure certificate", "Certificate reference")),
    Column("certificate_date", "date", ("Certificate date", "Date of certificate", "Destroyed on", "Erased on")),
    Column("left", "date", ("Left", "Collected", "Collection date", "Date collected", "Disposal date", "Disposed on",
                            "Date of disposal", "Date disposed")),
    Column("proceeds", "money", ("Proceeds", "Resale value", "Sale price", "Rebate", "Income")),
    Column("cost", "money", ("Disposal cost", "Cost", "Charge", "Fee")),
    Column("contractor", "text", ("Contractor", "Disposal company", "Supplier", "Recycler", "AATF")),
)  # fmt: skip
FIXED = ("route", "contractor")
_ROUTE_WORDS = {
    "reuse": "reused, redeployed, donated, donation, refurbished, refurbish",
    "resale": "resold, sold, sale, remarketed, auction",
    "recycling": "recycled, recycle, weee, material recovery, weee recycling",
    "energy_recovery": "energy recovery, energy from waste, recovered, recovery, incinerated, incineration",
    "landfill": "landfilled, tipped, buried",
    "destruction": "destroyed, shredded, shredding, crushed, secure destruction, destroy",
    "return_to_lessor": "returned to lessor, lease return, returned, end of lease",
    "unknown": "other, n/a",
}


def read_disposals(
    table: Table,
    *,
    on: dt.date,
    mapping: FinanceMapping = NO_MAPPING,
    strict: bool = False,
    date_order: DateOrder | None = None,
    quarantine: Callable[[BadRow], None] | None = None,
    accept: Callable[[DisposalRecord, Context], None] | None = None,
) -> Import:
    """Return the import of a list of disposals; `finance.flat` of it yields DisposalRecords, kind `unknown`.

    `accept` may refuse a record for what only the register knows. Raises UnknownFormatError without a tag and any of
    route, certificate, day and weight; MappingRefusedError for a mapping that does not fit.
    """
    columns = mapped_columns(COLUMNS, mapping, table.header, FIXED)
    bound = {one.column.field for one in bind(columns, table.header).bound} | set(mapping.fixed)
    if "tag" not in bound or not bound & {"route", "certificate", "left", "weight_kg"}:
        raise UnknownFormatError(
            table.file,
            "is no list of disposals we know: it needs an asset tag and a route, certificate, weight or day it left",
            "say in a mapping file which columns they are",
            line=table.header_line,
        )
    check_words(mapping, ("route",))
    routes = Words("route", ROUTES, _ROUTE_WORDS, mapping)

    def make(found: dict[str, Any], context: Context) -> tuple[DisposalRecord, ...]:
        record = _record({**mapping.fixed, **found}, routes, on, context)
        if record is not None and accept is not None:
            accept(record, context)
        return () if record is None or any(one.quarantines for one in context.problems) else (record,)

    form = Format(
        name="disposals",
        title="a list of disposals",
        yields="disposal",
        columns=columns,
        required=(),
        date_order=mapping.date_order,
        make=guarded(make),
        unique="tag",
    )
    return Import(table, form, on=on, strict=strict, date_order=date_order, quarantine=quarantine)


def _record(row: dict[str, Any], routes: Words, on: dt.date, context: Context) -> DisposalRecord | None:
    tag = row.get("tag")
    if tag is None:
        context.refuse("tag", "no_identity", "is empty: nothing names this item")
        return None
    route, kilograms = routes.read(row.get("route"), context), row.get("weight_kg")
    if kilograms is not None and not 0 < kilograms <= _MOST_KG:
        context.refuse("weight_kg", "not_a_weight", f"is no weight of one item, in kg up to {_MOST_KG:,.0f}")
    if any(problem.quarantines for problem in context.problems):
        return None
    record = DisposalRecord(
        tag=tag,
        route=route or "unknown",
        weight_grams=None if kilograms is None else max(1, round(kilograms * _GRAMS_PER_KG)),
        weee_category=row.get("weee_category"),
        stores_data=row.get("stores_data"),
        certificate=row.get("certificate"),
        certificate_date=row.get("certificate_date"),
        left=row.get("left"),
        proceeds_pence=row.get("proceeds"),
        cost_pence=row.get("cost"),
        contractor=row.get("contractor"),
    )
    for sentence in check_record(record, on):
        name, _, why = sentence.partition(": ")
        context.refuse(_OURS.get(name, name), "cannot_be", why)
    return record


_OURS = {"weight_grams": "weight_kg", "proceeds_pence": "proceeds", "cost_pence": "cost"}
