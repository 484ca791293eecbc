"""What belongs to a unit, and what it belonged to before: kept by day, so that figures of a day go by that day.

Rows name the unit they belong to today. A merger, or a cost centre put under another unit, changes that; the rows it
changed are kept with the day and the unit before (`book_figures`, names that begin with `moved.`), and where a row
stood on an earlier day is found by going back through them. Daily totals keep the unit of their own day and need none
of it; register items have their own history of changes besides.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select, update

from roadworthy_collector.books import figures
from roadworthy_collector.books.organisation_tree import Organisation, read, sync
from roadworthy_collector.store.books_schema import batches as batches_table
from roadworthy_collector.store.books_schema import (
    book_figures,
    contracts,
    cost_centres,
    register_changes,
    register_items,
    systems,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices, enrol_keys, relay_trust
from roadworthy_inventory.calendar import local_day

_ABOUT = "moved."
_PIECE = 500
# Belongings with a history of their own, by the name figures and rows call them.
DATED: Mapping[str, Table] = {
    "devices": devices,
    "items": register_items,
    "cost_centres": cost_centres,
    "systems": systems,
    "contracts": contracts,
}
# Those that only say where what comes is put.
UNDATED: Mapping[str, Table] = {"enrol_keys": enrol_keys, "relay_trust": relay_trust}


def count(connection: Connection, unit: int) -> dict[str, int]:
    """Return {kind: rows that belong to a unit today}, kinds without any left out."""
    found: dict[str, int] = {}
    for kind, table in {**DATED, **UNDATED}.items():
        held = connection.scalar(select(func.count()).select_from(table).where(table.c.unit == unit))
        if held:
            found[kind] = int(held)
    return found


def note(
    connection: Connection, kind: str, ids: Sequence[int], *, before: int | None, on: dt.date, now: float
) -> None:
    """Keep that rows of a kind belonged to the unit `before` until the day `on`."""
    content = {"kind": kind, "day": on.isoformat(), "from": before, "ids": list(ids), "at": now}
    figures.write(connection, f"{_ABOUT}{on.isoformat()}.{secrets.token_hex(8)}", content, now, 0.0)


def last_move(connection: Connection, kind: str, id_: int) -> dt.date | None:
    """Return the day a row came to the unit it belongs to, None if that was never noted."""
    days = [
        dt.date.fromisoformat(one["day"])
        for one in _notes(connection)
        if one["kind"] == kind and id_ in one["ids"]
    ]
    return max(days, default=None)


def _notes(connection: Connection) -> list[dict[str, Any]]:
    query = select(book_figures.c.content).where(book_figures.c.name.startswith(_ABOUT, autoescape=True))
    return list(connection.scalars(query))


class Before:
    """Where rows stood at the end of a day, as far as that is not where they stand today.

    `units` {kind: {row id: unit}}; of register items `states` {row id: lifecycle state}, and `absent`: items the
    register did not have then. Without `items` nothing is said of these.
    """

    def __init__(self, connection: Connection, day: dt.date, zone: str, *, items: bool = True) -> None:
        self.units: defaultdict[str, dict[int, int | None]] = defaultdict(dict)
        self.states: dict[int, str] = {}
        self.absent: set[int] = set()
        later = (one for one in _notes(connection) if one["day"] > day.isoformat())
        events: list[tuple[str, float, str, Mapping[int, int | None]]] = [
            (one["day"], one["at"], one["kind"], dict.fromkeys(one["ids"], one["from"])) for one in later
        ]
        if items:
            self._items(connection, day, zone, events)
        for _, _, kind, held in sorted(events, key=lambda event: (event[1], event[0]), reverse=True):
            self.units[kind].update(held)

    def _items(self, connection: Connection, day: dt.date, zone: str, events: list[Any]) -> None:
        """Add what the register's own changes say: the newest first, so that the oldest has the last word."""
        query = (
            select(register_changes.c.item, register_changes.c.before, batches_table.c.made_at)
            .join(batches_table, batches_table.c.id == register_changes.c.batch)
            .where(batches_table.c.made_at >= local_day(day, zone).end)
            .order_by(register_changes.c.id.desc())
        )
        for row in connection.execute(query.execution_options(yield_per=1000)):
            if row.before is None:
                self.absent.add(row.item)
                continue
            if "unit" in row.before:
                on = dt.datetime.fromtimestamp(row.made_at, dt.UTC).date().isoformat()
                events.append((on, float(row.made_at), "items", {row.item: row.before["unit"]}))
            if "lifecycle_state" in row.before:
                self.states[row.item] = row.before["lifecycle_state"]


def catch_up(engine: Engine, *, now: float, today: dt.date, zone: str, actor: str = "jobs") -> int:
    """Make today what the dated tree says of it: names and parents, and what a merged unit left behind.

    Done at once by whoever changes the tree, and by a job where a day comes on which something was to change, where
    the change was stopped half way, and where something came to a merged unit after it was gone. Short transactions;
    return how many rows were changed.
    """
    with engine.connect() as connection:
        organisation = read(connection)
    with write_transaction(engine) as connection:
        changed = sync(connection, organisation, today, zone)
    for unit in organisation.tree.versions:
        if unit.merged_into is None or unit.valid_to is None or unit.valid_to > today:
            continue
        into = organisation.answering(int(unit.id), today)
        if into is not None:
            changed += _hand_over(
                engine, organisation, int(unit.id), int(into), on=unit.valid_to, now=now, actor=actor
            )
    return changed


def _hand_over(
    engine: Engine, organisation: Organisation, unit: int, into: int, *, on: dt.date, now: float, actor: str
) -> int:
    """Give what belongs to a merged unit to the one that answers for it, some rows at a time."""
    moved: dict[str, int] = {}
    for kind, table in DATED.items():
        while ids := _some(engine, table, unit, into, kind, on=on, now=now):
            moved[kind] = moved.get(kind, 0) + ids
    for kind, table in UNDATED.items():
        with engine.connect() as connection:
            held = connection.scalar(select(func.count()).select_from(table).where(table.c.unit == unit))
        if held:
            with write_transaction(engine) as connection:
                connection.execute(update(table).where(table.c.unit == unit).values(unit=into))
            moved[kind] = int(held)
    if moved:
        with write_transaction(engine) as connection:
            detail = {"into": organisation.names.get(into), "day": on.isoformat(), **moved}
            record(connection, int(now), actor, "unit.hand_over", organisation.names.get(unit), detail)
    return sum(moved.values())


def _some(engine: Engine, table: Table, unit: int, into: int, kind: str, *, on: dt.date, now: float) -> int:
    with write_transaction(engine) as connection:
        # Locked in order of id, as ingest locks devices: two that wait for each other wait for ever.
        query = select(table.c.id).where(table.c.unit == unit).order_by(table.c.id).limit(_PIECE)
        ids = list(connection.scalars(query.with_for_update()))
        if ids:
            connection.execute(update(table).where(table.c.id.in_(ids)).values(unit=into))
            note(connection, kind, ids, before=unit, on=on, now=now)
        return len(ids)
