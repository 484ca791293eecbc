"""Disposal as the store keeps it: records by register item, what their certificates lack, and what they add up to."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, or_, select, update

from roadworthy_collector.books.cost_lines import counts
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import batches, disposals, register_items
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.disposal import (
    DisposalRecord,
    DisposalTotal,
    category_of,
    check_record,
    missing_certificates,
    total,
    totals,
    weee_categories,
    year_of,
)

FIGURE = "disposal"
GONE = ("disposed", "awaiting_disposal")
_TEXTS = {"certificate": 128, "contractor": 128}


class DisposalError(RoadworthyError):
    """What was said of a disposal cannot be; the message says which field and why."""


class Held(NamedTuple):
    """A record under its register item; `told` is whether anybody recorded anything beyond the item's state."""

    item: int
    record: DisposalRecord
    told: bool
    serial: str | None
    model: str | None
    lifecycle_state: str


def read(connection: Connection, scope: Scope = EVERYTHING, *, restricted: bool = False) -> list[Held]:
    """Return every item on its way out or gone: those with a record, and those whose state says so and have none.

    Items at restricted sites are left out unless `restricted`.
    """
    return list(_read(connection, scope, restricted=restricted))


def _read(
    connection: Connection, scope: Scope, *, restricted: bool, tag: str | None = None
) -> Iterator[Held]:
    names = ("id", "tag", "serial", "kind", "model", "manufacturer", "lifecycle_state", "disposed_on")
    columns = [column for column in disposals.c if column.name != "batch"]
    joined = (
        register_items.outerjoin(disposals, disposals.c.item == register_items.c.id)
        .outerjoin(batches, batches.c.id == disposals.c.batch)
        .outerjoin(sites, sites.c.id == register_items.c.site)
    )
    query = (
        select(*(register_items.c[name] for name in names), *columns)
        .select_from(joined)
        .where(
            or_(disposals.c.item.is_not(None), register_items.c.lifecycle_state.in_(GONE)),
            or_(disposals.c.batch.is_(None), counts()),
        )
        .order_by(register_items.c.id)
    )
    if scope is not None:
        query = query.where(register_items.c.unit.in_(sorted(scope)))
    if not restricted:
        query = query.where(sites.c.restricted.is_not(True))
    if tag is not None:
        query = query.where(func.lower(register_items.c.tag) == tag.lower())
    for row in connection.execute(query.execution_options(yield_per=2_000)):
        model = " ".join(part for part in (row.manufacturer, row.model) if part) or None
        yield Held(row.id, _record(row), row.item is not None, row.serial, model, row.lifecycle_state)


def _record(row: Any) -> DisposalRecord:
    tag = row.tag or f"#{row.id}"
    if row.item is None:
        left = _day(row.disposed_on) if row.lifecycle_state == "disposed" else None
        return DisposalRecord(tag=tag, kind=row.kind, left=left)
    return DisposalRecord(
        tag=tag,
        kind=row.kind,
        route=row.route,
        weight_grams=row.weight_grams,
        weee_category=row.weee_category,
        stores_data=None if row.stores_data is None else bool(row.stores_data),
        certificate=row.certificate,
        certificate_date=_day(row.certificate_date),
        left=_day(row.left),
        proceeds_pence=row.proceeds_pence,
        cost_pence=row.cost_pence,
        contractor=row.contractor,
    )


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def row_of(one: Held) -> dict[str, Any]:
    """Return a record as JSON can say it, with the category of its kind where it has none of its own."""
    record = one.record
    found = asdict(record)
    for name in ("left", "certificate_date"):
        found[name] = None if found[name] is None else found[name].isoformat()
    return found | {
        "item": one.item,
        "serial": one.serial,
        "model": one.model,
        "lifecycle_state": one.lifecycle_state,
        "told": one.told,
        "weee_category": category_of(record),
        "year": year_of(record),
    }


def missing(held: list[Held], on: dt.date) -> list[dict[str, Any]]:
    """Return the items that left without a complete certificate they are owed, the longest gone first."""
    rows = {one.record.tag: row_of(one) for one in held}
    return [
        rows[one.record.tag] | {"days_since_left": one.days_since_left, "why": one.why}
        for one in missing_certificates([one.record for one in held], on)
    ]


def overview(held: list[Held], on: dt.date) -> dict[str, Any]:
    """Return {on, total, cells, categories, undated, untold}: totals of all, by route and financial year, by category.

    What is not known is counted beside each sum. `undated`: disposed of with no day it left, so nothing can be owed yet.
    """
    records = [one.record for one in held]
    cells = [
        {"route": route, "year": year, **_told(one)} for (route, year), one in totals(records, on).items()
    ]
    names = {row.category: row.category_name for row in weee_categories().values()}
    whole = total(records, on)
    weighed: Counter[int | None] = Counter(
        category_of(one) for one in records if one.weight_grams is not None
    )
    categories = [
        {
            "category": category,
            "name": names.get(category, "category not known") if category else "category not known",
            "items": count,
            "grams": whole.weee_grams[category],
            "weight_unknown": count - weighed[category],
        }
        for category, count in sorted(whole.weee_items.items(), key=lambda item: item[0] or 99)
    ]
    return {
        "on": on.isoformat(),
        "total": _told(whole),
        "cells": cells,
        "categories": categories,
        "undated": sum(one.lifecycle_state == "disposed" and one.record.left is None for one in held),
        "untold": sum(not one.told for one in held),
    }


def _told(one: DisposalTotal) -> dict[str, Any]:
    found = asdict(one)
    return {name: value for name, value in found.items() if not name.startswith("weee_")}


def find(connection: Connection, tag: str, scope: Scope = EVERYTHING, *, restricted: bool = False) -> Held:
    """Return the record of an item that is disposed of or about to be; NotFoundError where there is none."""
    found = list(_read(connection, scope, restricted=restricted, tag=tag.strip()))
    if found:
        return found[0]
    raise NotFoundError(
        f"{tag}: no item of this tag is disposed of or awaiting disposal; `roadworthy register change --state "
        "awaiting_disposal` or `roadworthy disposal import` says that one is"
    )


def change(
    connection: Connection,
    tag: str,
    told: dict[str, Any],
    *,
    on: dt.date,
    actor: str,
    now: int,
    scope: Scope = EVERYTHING,
    restricted: bool = False,
) -> DisposalRecord:
    """Put something right about one item's disposal, on the record; `told` {field of DisposalRecord: value}.

    Raises NotFoundError, or DisposalError naming the field that cannot be. The item's lifecycle state stays.
    """
    held = find(connection, tag, scope, restricted=restricted)
    if not told:
        raise DisposalError("say what is to be put right: route, weight, certificate, day, proceeds or cost")
    for name, most in _TEXTS.items():
        text = told.get(name)
        if text is not None and (len(text) > most or not text.isprintable()):
            raise DisposalError(f"{name}: give one line of at most {most} characters")
    record = replace(held.record, **told)
    if problems := check_record(record, on):
        raise DisposalError("; ".join(problems))
    values = values_of(record)
    if held.told:
        connection.execute(update(disposals).where(disposals.c.item == held.item).values(**values))
    else:
        connection.execute(insert(disposals).values(item=held.item, batch=None, **values))
    before = values_of(held.record)
    detail = {name: [before[name], values[name]] for name in values if before[name] != values[name]}
    audit.record(connection, now, actor, "disposal.set", held.record.tag, detail)
    return record


def values_of(record: DisposalRecord) -> dict[str, Any]:
    """Return a record as the columns of `disposals` hold it."""
    return {
        "left": None if record.left is None else record.left.isoformat(),
        "weight_grams": record.weight_grams,
        "weee_category": record.weee_category,
        "stores_data": record.stores_data,
        "route": record.route,
        "certificate": record.certificate,
        "certificate_date": None if record.certificate_date is None else record.certificate_date.isoformat(),
        "proceeds_pence": record.proceeds_pence,
        "cost_pence": record.cost_pence,
        "contractor": record.contractor,
    }
