"""The register as it is read: lists by filter and page, counts, one item with its history and devices.

Items at restricted sites are in no list; they are counted, and shown to whoever may manage sites. Of a scope only items
of its units are there at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, select

from roadworthy_collector.books import items
from roadworthy_collector.books.places import Places
from roadworthy_collector.books.polled import register_facts
from roadworthy_collector.books.register_wanted import (
    COVERED,
    Wanted,
    conditions,
    covered_words,
    told,
    visible,
)
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import (
    batches,
    register_changes,
    register_devices,
    register_items,
)
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import device_now, devices, sites
from roadworthy_inventory.register import FIELDS, RegisterItem

PAGE_ROWS = 100
_READ_ROWS = 2_000


class Listed(NamedTuple):
    """An item of the register under its row id; `updated_at` in UTC epoch seconds."""

    id: int
    item: RegisterItem
    updated_at: int


class Page(NamedTuple):
    """Some items by row id, and the id the next page begins after; None on the last one."""

    rows: list[Listed]
    next: int | None


class Summary(NamedTuple):
    """How many items a filter finds, by lifecycle state and kind, and of how many each field is known.

    `restricted` counts the items at restricted sites that are not among them.
    """

    total: int
    states: dict[str, int]
    kinds: dict[str, int]
    known: dict[str, int]
    linked: int
    restricted: int

    def coverage(self) -> str:
        """Return the coverage in one line."""
        parts = [f"{covered_words(name)} {count}" for name, count in self.known.items()]
        return f"of {self.total} items known: {', '.join(parts)}; linked to a device: {self.linked}"


class Event(NamedTuple):
    """One change of an item: in which batch, by whom, and {field: (before, after)} in words."""

    batch: int
    kind: str
    file_name: str | None
    at: int
    by: str
    undone_at: int | None
    new: bool
    fields: dict[str, tuple[str, str]]


class LinkedDevice(NamedTuple):
    """A device the item is or was: from `first` until before `until` (None: still).

    `told`: what it says of itself (`books.polled.FACTS`), without what it does not.
    """

    device_id: str
    hostname: str | None
    first: dt.date
    until: dt.date | None
    matched_on: Any
    told: dict[str, str | float]


def read_page(connection: Connection, wanted: Wanted, *, after: int = 0, limit: int = PAGE_ROWS) -> Page:
    """Return the items whose row ids follow `after`, `limit` at most."""
    places = Places(connection)
    found = _rows(connection, wanted, places, after, limit + 1)
    more = len(found) > limit
    return Page(found[:limit], found[limit - 1].id if more else None)


def read_all(connection: Connection, wanted: Wanted) -> Iterator[Listed]:
    """Yield every item wanted, page by page."""
    places = Places(connection)
    after = 0
    while found := _rows(connection, wanted, places, after, _READ_ROWS):
        yield from found
        after = found[-1].id


def _rows(connection: Connection, wanted: Wanted, places: Places, after: int, limit: int) -> list[Listed]:
    query = select(register_items).where(register_items.c.id > after, conditions(wanted, places))
    query = query.order_by(register_items.c.id).limit(limit)
    return [_listed(row, places) for row in connection.execute(query)]


def _listed(row: Any, places: Places) -> Listed:
    found = {name: getattr(row, name) for name in items.NAMES}
    for name in items.DATES:
        found[name] = None if found[name] is None else dt.date.fromisoformat(found[name])
    found["macs"] = tuple(found["macs"] or ())
    found["unit"] = places.unit_path(found["unit"])
    found["cost_centre"] = places.cost_centre_code(found["cost_centre"])
    found["site"] = places.site_name(found["site"])
    found["system"] = places.system_name(found["system"])
    return Listed(row.id, RegisterItem(**found), row.updated_at)


def summarise(connection: Connection, wanted: Wanted) -> Summary:
    """Return the counts of what is wanted."""
    places = Places(connection)
    kept = conditions(wanted, places)
    known = [func.sum(case((told(name), 1), else_=0)).label(name) for name in COVERED]
    counts = connection.execute(select(func.count().label("total"), *known).where(kept)).mappings().one()
    linked = connection.scalar(select(func.count()).select_from(register_items).where(kept, told("device")))
    everything = conditions(_with_restricted(wanted), places)
    all_of_them = connection.scalar(select(func.count()).select_from(register_items).where(everything))
    return Summary(
        counts["total"],
        _by(connection, kept, "lifecycle_state"),
        _by(connection, kept, "kind"),
        {name: counts[name] or 0 for name in COVERED},
        linked or 0,
        (all_of_them or 0) - counts["total"],
    )


def _with_restricted(wanted: Wanted) -> Wanted:
    return Wanted(**(asdict(wanted) | {"restricted": True, "scope": wanted.scope}))


def _by(connection: Connection, kept: ColumnElement[bool], name: str) -> dict[str, int]:
    column = register_items.c[name]
    query = select(column, func.count()).where(kept).group_by(column).order_by(func.count().desc(), column)
    return {row[0]: row[1] for row in connection.execute(query)}


def find_tag(connection: Connection, tag: str, *, scope: Scope, restricted: bool) -> int:
    """Return the row id of the item of this tag, or of this serial if that is one item's; NotFoundError otherwise."""
    kept = visible(scope, restricted=restricted)
    for column in (register_items.c.tag, register_items.c.serial):
        query = select(register_items.c.id).where(func.lower(column) == tag.strip().lower(), kept).limit(2)
        found = connection.scalars(query).all()
        if len(found) == 1:
            return int(found[0])
    raise NotFoundError(f"{tag}: no item of the register has that tag, or that serial alone")


def read_one(
    connection: Connection, item: int, *, scope: Scope = EVERYTHING, restricted: bool = True
) -> Listed:
    """Return one item; NotFoundError where it is not there or not for whoever asks."""
    kept = visible(scope, restricted=restricted)
    row = connection.execute(select(register_items).where(register_items.c.id == item, kept)).one_or_none()
    if row is None:
        raise NotFoundError(f"{item}: there is no item of that number")
    return _listed(row, Places(connection))


def history(connection: Connection, item: int, limit: int = 200) -> list[Event]:
    """Return what happened to an item, newest first, `limit` at most."""
    places = Places(connection)
    query = (
        select(
            register_changes, batches.c.kind, batches.c.file_name, batches.c.made_at, batches.c.made_by,
            batches.c.undone_at,
        )
        .join(batches, batches.c.id == register_changes.c.batch)
        .where(register_changes.c.item == item)
        .order_by(register_changes.c.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        Event(
            row.batch, row.kind, row.file_name, row.made_at, row.made_by, row.undone_at, row.before is None,
            _fields(row.before or {}, row.after or {}, places),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def _fields(before: dict[str, Any], after: dict[str, Any], places: Places) -> dict[str, tuple[str, str]]:
    return {
        name: (_shown(name, before.get(name), places), _shown(name, after.get(name), places))
        for name in FIELDS
        if name in before or name in after
    }


def _shown(name: str, value: Any, places: Places) -> str:
    if value is None:
        return ""
    named = {
        "unit": places.unit_path,
        "site": places.site_name,
        "cost_centre": places.cost_centre_code,
        "system": places.system_name,
    }
    if name in named:
        return named[name](value) or "no longer there"
    return " ".join(value) if isinstance(value, list) else str(value)


def linked_devices(
    connection: Connection, item: int, *, scope: Scope = EVERYTHING, restricted: bool = True
) -> list[LinkedDevice]:
    """Return the devices the item is or was, newest first, as far as the reader may see them."""
    query = (
        select(
            devices.c.device_id,
            devices.c.hostname,
            register_devices,
            devices.c.facts["hardware"].label("hardware"),
            device_now.c.now,
        )
        .join(devices, devices.c.id == register_devices.c.device)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .join(sites, sites.c.id == devices.c.site)
        .where(register_devices.c.item == item)
        .order_by(register_devices.c.valid_from.desc())
    )
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    if not restricted:
        query = query.where(sites.c.restricted.is_(False))
    return [
        LinkedDevice(
            row.device_id,
            row.hostname,
            dt.date.fromisoformat(row.valid_from),
            None if row.valid_to is None else dt.date.fromisoformat(row.valid_to),
            row.matched_on,
            register_facts(row.hardware or {}, row.now or {}),
        )
        for row in connection.execute(query)
    ]


class BatchPage(NamedTuple):
    """Some batches, newest first, and the id the next page begins before; None on the last one."""

    rows: list[dict[str, Any]]
    next: int | None


def read_batches(
    connection: Connection, *, before: int | None = None, limit: int = PAGE_ROWS, made_by: str | None = None
) -> BatchPage:
    """Return the batches (of one maker), newest first, each with how many items it made and changed."""
    query = select(batches)
    if before is not None:
        query = query.where(batches.c.id < before)
    if made_by is not None:
        query = query.where(batches.c.made_by == made_by)
    found = [
        dict(row)
        for row in connection.execute(query.order_by(batches.c.id.desc()).limit(limit + 1)).mappings()
    ]
    page = found[:limit]
    by_batch = _changes_of(connection, [row["id"] for row in page])
    for row in page:
        row["new"], row["changed"] = by_batch.get(row["id"], (0, 0))
    return BatchPage(page, page[-1]["id"] if len(found) > limit else None)


def _changes_of(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return {batch: (new items, changed items)}."""
    query = (
        select(
            register_changes.c.batch,
            func.count().label("all"),
            func.count(register_changes.c.before).label("changed"),
        )
        .where(register_changes.c.batch.in_(ids))
        .group_by(register_changes.c.batch)
    )
    return {row[0]: (row[1] - row[2], row[2]) for row in connection.execute(query)}
