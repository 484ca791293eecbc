"""Warranties by serial number, as makers' portals and resellers send them, beside what the register says.

Of an item the later end counts, and what says it is named. Several rows of one serial are several periods of cover.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books.cost_lines import counts
from roadworthy_collector.books.identities import GONE_STATES
from roadworthy_collector.books.places import Places
from roadworthy_collector.store.books_schema import batches, register_items, warranties
from roadworthy_collector.store.queries.scope import Scope
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.identity import normalise_serial

REGISTER = "the register"
AT_ONCE = 400  # serials asked for at once, each in up to four spellings
MONTHS = 24
SOON_DAYS = 90


def coming_months(on: dt.date) -> list[str]:
    """Return this month and those after it, MONTHS together, as 2026-10."""
    first = on.year * 12 + on.month - 1
    return [f"{month // 12}-{month % 12 + 1:02d}" for month in range(first, first + MONTHS)]


def month_of(end: dt.date | None, on: dt.date, months: list[str]) -> str:
    """Return which of `months` a last day is in, else `ended` (before `on`, also in its month), `later` or `unknown`."""
    if end is None:
        return "unknown"
    month = end.isoformat()[:7]
    return "ended" if end < on else "later" if month > months[-1] else month


class Cover(NamedTuple):
    """The last day of a warranty, its level, and what says so."""

    ends: dt.date
    level: str | None
    source: str


def latest(connection: Connection, serials: Iterable[str | None]) -> dict[str, Cover]:
    """Return {canonical serial: the imported warranty that ends last}; serials without one are left out."""
    wanted = sorted({serial for serial in serials if serial and normalise_serial(serial)})
    found: dict[str, Cover] = {}
    for start in range(0, len(wanted), AT_ONCE):
        for row in connection.execute(_asked(wanted[start : start + AT_ONCE])):
            serial = normalise_serial(row.serial)
            if serial is None or row.ends is None:
                continue
            one = Cover(dt.date.fromisoformat(row.ends), row.level, row.file_name or f"import {row.batch}")
            if serial not in found or found[serial].ends < one.ends:
                found[serial] = one
    return found


def _asked(serials: Collection[str]) -> Any:
    spellings = {
        spelt
        for serial in serials
        for spelt in (serial, serial.upper(), serial.lower(), normalise_serial(serial) or serial)
    }
    columns = (warranties.c[name] for name in ("serial", "ends", "level", "batch"))
    return (
        select(*columns, batches.c.file_name)
        .join(batches, batches.c.id == warranties.c.batch)
        .where(warranties.c.serial.in_(sorted(spellings)), counts())
        .order_by(warranties.c.id)
    )


def later(
    register_end: dt.date | None, serial: str | None, imported: Mapping[str, Cover], level: str | None = None
) -> Cover | None:
    """Return the cover of an item that ends last, the register's where both end alike; None where neither is known."""
    other = imported.get(normalise_serial(serial) or "")
    if register_end is None:
        return other
    held = Cover(register_end, level, REGISTER)
    return other if other is not None and other.ends > register_end else held


class Covered(NamedTuple):
    """An item of the register and its cover, None where neither register nor imports know one."""

    item: int
    tag: str | None
    serial: str | None
    kind: str
    model: str | None
    unit: int | None
    site: str | None
    cover: Cover | None


def read_items(connection: Connection, scope: Scope = None) -> Iterator[Covered]:
    """Yield the items that are not disposed of or lost, by row id; never those at restricted sites."""
    names = ("id", "tag", "serial", "kind", "manufacturer", "model", "unit", "warranty_end", "warranty_level")
    query = (
        select(*(register_items.c[name] for name in names), sites.c.name.label("site"))
        .outerjoin(sites, sites.c.id == register_items.c.site)
        .where(
            register_items.c.lifecycle_state.not_in(GONE_STATES),
            sites.c.restricted.is_not(True),
        )
        .order_by(register_items.c.id)
        .limit(AT_ONCE)
    )
    if scope is not None:
        query = query.where(register_items.c.unit.in_(sorted(scope)))
    after = 0
    while rows := connection.execute(query.where(register_items.c.id > after)).all():
        after = rows[-1].id
        imported = latest(connection, (row.serial for row in rows))
        for row in rows:
            end = None if row.warranty_end is None else dt.date.fromisoformat(row.warranty_end)
            model = " ".join(part for part in (row.manufacturer, row.model) if part) or None
            cover = later(end, row.serial, imported, row.warranty_level)
            yield Covered(row.id, row.tag, row.serial, row.kind, model, row.unit, row.site, cover)


class Ends(NamedTuple):
    """How many items' warranties end in which month: `ended`, the coming 24 by name, `later`, `unknown`.

    `by_source`: whose date counts. `rows`: items of the month asked for, soonest first.
    """

    months: dict[str, int]
    by_source: dict[str, int]
    rows: list[dict[str, Any]]
    total: int


def ends(
    connection: Connection,
    on: dt.date,
    *,
    month: str | None = None,
    scope: Scope = None,
    limit: int | None = 200,
) -> Ends:
    """Return when warranties end, and the items of `month`: one of its names, or None for the coming 90 days."""
    months = coming_months(on)
    found = Counter(dict.fromkeys(("ended", *months, "later", "unknown"), 0))
    sources: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    places = Places(connection)
    for one in read_items(connection, scope):
        end = None if one.cover is None else one.cover.ends
        at = month_of(end, on, months)
        found[at] += 1
        if one.cover is not None:
            sources[REGISTER if one.cover.source == REGISTER else "imported warranties"] += 1
        soon = end is not None and 0 <= (end - on).days <= SOON_DAYS
        if at == month or (month is None and soon):
            rows.append(_row(one, places))
    rows.sort(key=lambda row: (row["ends"] or "", row["tag"] or ""))
    return Ends(dict(found), dict(sources), rows[:limit], len(rows))


def _row(one: Covered, places: Places) -> dict[str, Any]:
    cover = one.cover
    return {
        "item": one.item,
        "tag": one.tag,
        "serial": one.serial,
        "kind": one.kind,
        "model": one.model,
        "unit": places.unit_path(one.unit),
        "site": one.site,
        "ends": None if cover is None else cover.ends.isoformat(),
        "level": None if cover is None else cover.level,
        "source": None if cover is None else cover.source,
    }
