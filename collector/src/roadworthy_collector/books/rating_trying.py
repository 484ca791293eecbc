"""Other rules of the rating, tried on the devices in service and on what imports alone tell of; nothing is saved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select

from roadworthy_collector.books import conditions, excepting, figures, rules
from roadworthy_collector.books.imported import Entries, Scores, Supports, read_alone
from roadworthy_collector.books.reconciling import FIGURE as RECONCILED
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon.avoidable import family_ratios
from roadworthy_collector.store.books_schema import reconciled, register_items
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.rating import DeviceCondition
from roadworthy_inventory.rating_groups import Trial, try_rules

_AT_ONCE = 500


class Tried(NamedTuple):
    """What other rules make of devices with an agent, and of what is known from imports alone, counted apart.

    `tags`: of the register items among `imported`'s changes, by the name they go by there (`item 12`).
    """

    agents: Trial
    imported: Trial
    tags: Mapping[str, str]


class _Reading:
    """What conditions are read with, as of one moment."""

    def __init__(self, engine: Engine, now: float, on: dt.date) -> None:
        self.engine, self.now = engine, now
        with engine.connect() as connection:
            self.supports = Supports.read(connection, on)
            self.entries: Entries = excepting.read_entries(connection)
            self.scores = Scores(connection)
            self.family = family_ratios(connection, now)
            held = figures.read(connection, RECONCILED)
        self.run = 0 if held is None else int(held[0]["run"])

    def of_devices(self, every: int) -> Iterator[DeviceCondition]:
        """Yield the conditions of the devices in service, every so-manyth by row id, read in pieces."""
        after = 0
        while True:
            with self.engine.connect() as connection:
                known = conditions.read(
                    connection,
                    self.now,
                    self.supports,
                    self.entries,
                    self.scores,
                    family=self.family,
                    after=after,
                    limit=_AT_ONCE,
                )
            if not known:
                return
            after = known[-1].id
            yield from (one.condition for one in known if one.id % every == 0)

    def of_imports(self, every: int) -> Iterator[DeviceCondition]:
        """Yield what imports alone tell of, by the newest reconciliation, every so-manyth."""
        after = place = 0
        while True:
            with self.engine.connect() as connection:
                after, known = read_alone(
                    connection,
                    self.run,
                    self.supports,
                    self.entries,
                    self.scores,
                    after=after,
                    limit=_AT_ONCE,
                )
            if not known:
                return
            for one in known:
                place += 1
                if place % every == 0:
                    yield one.condition


def try_text(engine: Engine, text: str, now: float, zone: str, *, most: int | None = None) -> Tried:
    """Return what the rules `text` would change, on at most about `most` of each; nothing is saved."""
    wanted, on = rules.parse(text, "the rules"), local_day(now, zone)
    reading = _Reading(engine, now, on)
    in_service = select(func.count()).select_from(devices).where(devices.c.retired_at.is_(None))
    alone = (
        select(func.count())
        .select_from(reconciled)
        .where(reconciled.c.run == reading.run, reconciled.c.device.is_(None))
    )
    with engine.connect() as connection:
        held, _, _ = rules.current(connection)
        every = [_step(connection.scalar(query) or 0, most) for query in (in_service, alone)]
    agents = try_rules(held, wanted, reading.of_devices(every[0]), on)
    imported = try_rules(held, wanted, reading.of_imports(every[1]), on)
    with engine.connect() as connection:
        return Tried(agents, imported, _tags(connection, [one.device for one in imported.changes]))


def _step(count: int, most: int | None) -> int:
    return 1 if most is None or count <= most else -(-count // most)


def _tags(connection: Connection, names: list[str]) -> dict[str, str]:
    """Return {`item 12`: its tag} of the register items among `names`."""
    ids = [int(name.removeprefix("item ")) for name in names if name.startswith("item ")]
    found: dict[str, str] = {}
    for begin in range(0, len(ids), _AT_ONCE):
        query = select(register_items.c.id, register_items.c.tag).where(
            register_items.c.id.in_(ids[begin : begin + _AT_ONCE])
        )
        found |= {f"item {row.id}": row.tag for row in connection.execute(query) if row.tag}
    return found
