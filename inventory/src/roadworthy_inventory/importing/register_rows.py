"""What every register format does with a row: make the item and check that it can be true."""

from __future__ import annotations

import datetime as dt
from typing import Any

from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.fields import Context
from roadworthy_inventory.importing.problems import CellError
from roadworthy_inventory.register import RegisterItem

_A_DAY = dt.timedelta(days=1)  # a source east of here may already have tomorrow


def make_item(found: dict[str, Any], context: Context) -> RegisterItem:
    """Return the item of {field: value}, after saying in `context` what cannot be true of it.

    Besides the fields of RegisterItem, `warranty_months` (LIFELONG or from the start of warranty, else purchase) and
    `planned_months` (from purchase) are taken where no date is told.
    """
    months = found.pop("warranty_months", None)
    planned = found.pop("planned_months", None)
    if months is not None:
        _warranty(found, months, context)
    if planned is not None:
        _planned(found, planned, context)
    item = RegisterItem(**found)
    if not (item.tag or item.serial or item.uuid or item.macs or context.problems):
        context.refuse(
            "tag", "no_identity", "the row has no tag, serial, UUID or hardware address to know it by"
        )
    if item.purchase_cost_pence is not None and item.purchase_cost_pence < 0:
        context.refuse(
            "purchase_cost_pence",
            "negative_cost",
            "is negative; a register holds what was paid, credits belong in the ledger",
            values.pounds(item.purchase_cost_pence),
        )
    _check_dates(item, context)
    return item


def _warranty(found: dict[str, Any], months: int, context: Context) -> None:
    if months == values.LIFELONG:
        level = found.get("warranty_level")
        told = level is None or "life" in level.casefold()
        found["warranty_level"] = (level or "Lifelong") if told else f"{level} (lifelong)"
        if found.get("warranty_end") is None:
            context.warn(
                "warranty_months",
                "no_end",
                "is a warranty without an end: kept as its level, and no day is written for its end, so lists of "
                "warranties count it as unknown",
                "Lifelong",
            )
        return
    start = found.get("warranty_start") or found.get("purchased")
    if start is None or months == 0:
        return
    found.setdefault("warranty_start", start)
    if "warranty_end" not in found:
        _add(found, "warranty_end", start, months, context)


def _planned(found: dict[str, Any], planned: dt.date | int, context: Context) -> None:
    if isinstance(planned, dt.date):
        found.setdefault("planned_end", planned)
    elif planned > 0 and "planned_end" not in found and found.get("purchased") is not None:
        _add(found, "planned_end", found["purchased"], planned, context)


def _add(found: dict[str, Any], name: str, start: dt.date, months: int, context: Context) -> None:
    try:
        found[name] = values.add_months(start, months)
    except CellError as error:
        context.refuse(name, error.code, error.message)


def _check_dates(item: RegisterItem, context: Context) -> None:
    bought = item.purchased
    latest = context.on + _A_DAY
    if bought is not None:
        if bought > latest and item.lifecycle_state != "ordered":
            context.refuse(
                "purchased",
                "future_date",
                f"is after {context.on.isoformat()}, and the item is not on order",
                bought,
            )
        if item.disposed_on is not None and item.disposed_on < bought:
            context.refuse(
                "disposed_on",
                "disposed_before_purchase",
                f"is before the purchase on {bought.isoformat()}",
                item.disposed_on,
            )
        if item.planned_end is not None and item.planned_end < bought:
            context.refuse(
                "planned_end",
                "ends_before_purchase",
                f"is before the purchase on {bought.isoformat()}",
                item.planned_end,
            )
    start, end = item.warranty_start, item.warranty_end
    if start is not None and end is not None and end < start:
        context.refuse(
            "warranty_end", "ends_before_start", f"is before its start on {start.isoformat()}", end
        )
    for name in ("last_seen", "bios_date", "disposed_on"):
        day = getattr(item, name)
        if day is not None and day > latest:
            context.warn(name, "future_date", f"is after {context.on.isoformat()}", day)
