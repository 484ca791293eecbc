"""What every register format does with a row: make the item and check that it can be true."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import compress
from typing import Any

from roadworthy_inventory.identity import canonical_uuid, normalise_serial, serial_keys
from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.fields import Columns, Context
from roadworthy_inventory.importing.problems import CellError
from roadworthy_inventory.register import UNKNOWN, RegisterItem

_A_DAY = dt.timedelta(days=1)  # a source east of here may already have tomorrow
_IDENTITIES = ("tag", "serial", "uuid", "macs")
_UNTOLD: tuple[tuple[str, Any], ...] = (
    ("macs", ()), ("kind", UNKNOWN), ("lifecycle_state", UNKNOWN), ("usage_profile", UNKNOWN),
)  # fmt: skip
_NOT_TO_COME = ("purchased", "last_seen", "bios_date", "disposed_on")
_IN_ORDER = (
    ("purchased", "disposed_on"),
    ("purchased", "planned_end"),
    ("purchased", "warranty_end"),
    ("warranty_start", "warranty_end"),
)
_MAY_BE_GONE = frozenset({UNKNOWN, "disposed", "awaiting_disposal", "lost_or_stolen"})


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
    if not (item.tag or item.macs or context.problems):
        _check_identity(item, context)
    if item.purchase_cost_pence is not None and item.purchase_cost_pence < 0:
        context.refuse(
            "purchase_cost_pence",
            "negative_cost",
            "is negative; a register holds what was paid, credits belong in the ledger",
            values.pounds(item.purchase_cost_pence),
        )
    _check_dates(item, context)
    return item


def _check_identity(item: RegisterItem, context: Context) -> None:
    """Refuse an item that nothing names: placeholders are shared by thousands, and would be new in every export."""
    if normalise_serial(item.serial) is not None or canonical_uuid(item.uuid) is not None:
        return
    said = [(name, value) for name, value in (("serial", item.serial), ("uuid", item.uuid)) if value]
    if not said:
        context.refuse(
            "tag", "no_identity", "the row has no tag, serial, UUID or hardware address to know it by"
        )
        return
    name, value = said[0]
    context.refuse(
        name,
        "no_identity",
        "is a placeholder or no UUID, and nothing else names this item: give it a tag"
        if name == "uuid"
        else "is a placeholder, which many items share, and nothing else names this one: give it a tag",
        value,
    )


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
    _check_warranty(item, context)
    if item.disposed_on is not None and item.lifecycle_state not in _MAY_BE_GONE:
        context.warn(
            "disposed_on",
            "disposed_and_in_use",
            f"is told of an item whose state is {item.lifecycle_state}: one of the two is wrong",
            item.disposed_on,
        )
    for name in ("last_seen", "bios_date", "disposed_on"):
        day = getattr(item, name)
        if day is not None and day > latest:
            context.warn(name, "future_date", f"is after {context.on.isoformat()}", day)


def _check_warranty(item: RegisterItem, context: Context) -> None:
    start, end, bought = item.warranty_start, item.warranty_end, item.purchased
    if start is not None and end is not None and end < start:
        context.refuse(
            "warranty_end", "ends_before_start", f"is before its start on {start.isoformat()}", end
        )
    elif bought is not None and end is not None and end < bought:
        context.warn("warranty_end", "warranty_before_purchase", f"is before the purchase on {bought}", end)


def check_items(columns: Columns, context: Context) -> bool:
    """Return whether `make_item` would say nothing of any of these rows (see `Format.check_many`).

    What is only doubtful is left to it: a day to come that an order may have, for one. `warranty_years` are months here.
    """
    years = columns.pop("warranty_years", None)
    if years is not None:
        columns["warranty_months"] = _first_told(columns.get("warranty_months"), years)
    rest = [columns.pop(name, None) for name in ("warranty_months", "planned_months")]
    if not _derived(columns, *rest):
        return False
    for name, usual in _UNTOLD:
        if None in (column := columns.get(name, ())):
            columns[name] = [usual if value is None else value for value in column]
    latest = context.on + _A_DAY
    return (
        _all_known(columns)
        and min(filter(None, columns.get("purchase_cost_pence", ())), default=0) >= 0
        and not any(
            max(filter(None, columns.get(name, ())), default=latest) > latest for name in _NOT_TO_COME
        )
        and _MAY_BE_GONE.issuperset(_states_of_disposed(columns))
        and not any(_out_of_order(columns.get(one), columns.get(other)) for one, other in _IN_ORDER)
    )


def _all_known(columns: Columns) -> bool:
    """Whether something names every row."""
    sure = [columns[name] for name in ("tag", "macs") if name in columns]
    if any(None not in column and () not in column for column in sure):
        return True
    known = [columns[name] for name in _IDENTITIES if name in columns]
    if not known or not all(map(any, zip(*known, strict=True))):
        return False
    count = len(known[0])
    unsure = [not any(one) for one in zip(*sure, strict=True)] if sure else [True] * count
    nothing = [None] * count
    serials = serial_keys([one or "" for one in compress(columns.get("serial", nothing), unsure)])
    return None not in serials or not any(
        serial is None and canonical_uuid(uuid) is None
        for serial, uuid in zip(serials, compress(columns.get("uuid", nothing), unsure), strict=True)
    )


def _states_of_disposed(columns: Columns) -> set[str]:
    """Return the states of the rows that tell a day of disposal."""
    days = columns.get("disposed_on")
    if days is None or not any(days):
        return set()
    states = columns.get("lifecycle_state", [UNKNOWN] * len(days))
    return {state for state, day in zip(states, days, strict=True) if day is not None}


def _first_told(one: list[Any] | None, other: list[Any]) -> list[Any]:
    """Return the values of `one`, those of `other` where it tells none."""
    return other if one is None else [b if a is None else a for a, b in zip(one, other, strict=True)]


def _out_of_order(starts: list[Any] | None, ends: list[Any] | None) -> bool:
    if starts is None or ends is None:
        return False
    return any(
        end is not None and start is not None and end < start for start, end in zip(starts, ends, strict=True)
    )


def _derived(columns: Columns, months: list[Any] | None, planned: list[Any] | None) -> bool:
    """Put in the ends that lengths of time tell; False where one cannot be told, or is said to have none."""
    bought = columns.get("purchased")
    try:
        if months is not None and any(month is not None for month in months):
            if values.LIFELONG in months:
                return False
            nothing: list[Any] = [None] * len(months)
            said = columns.get("warranty_start", nothing)
            begins = said if bought is None else _first_told(said, bought)
            columns["warranty_start"] = [
                start or (begin if month else None)
                for start, begin, month in zip(said, begins, months, strict=True)
            ]
            ends = [_end(begin, month) for begin, month in zip(begins, months, strict=True)]
            columns["warranty_end"] = _first_told(columns.get("warranty_end"), ends)
        if planned is not None and any(plan is not None for plan in planned):
            bought = bought or [None] * len(planned)
            ends = [_end(day, plan) for day, plan in zip(bought, planned, strict=True)]
            columns["planned_end"] = _first_told(columns.get("planned_end"), ends)
    except CellError:
        return False
    return True


def _end(start: dt.date | None, length: dt.date | int | None) -> dt.date | None:
    """Return the day itself, or the last one of so many months from `start`; None where that is not told."""
    if isinstance(length, dt.date):
        return length
    return values.add_months(start, length) if start is not None and length and length > 0 else None


def items_of(columns: Columns, count: int) -> Sequence[RegisterItem]:
    """Return the items of `count` rows that `check_items` found nothing wrong with."""
    names = tuple(columns)
    rows = zip(*columns.values(), strict=True) if names else [()] * count
    return [RegisterItem(**dict(zip(names, row, strict=True))) for row in rows]
