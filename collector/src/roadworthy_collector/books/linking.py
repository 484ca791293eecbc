"""Which device a register item is, and was: `register_devices` kept up to date. A link ends; it is never deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books.identities import Agent, Sides, as_text
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_devices
from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.statements import BulkUpsert
from roadworthy_inventory.reconcile import Reconciliation

_LINKS = BulkUpsert(register_devices)
Link = tuple[int, int, int, int | None, str]  # item, device, valid_from, valid_to (days), matched_on


def update(work: Work, found: Reconciliation, sides: Sides, *, today: dt.date) -> int:
    """Bring the links to what was `found`; return how many changed.

    A device no longer matched ends `today`; a former self of an item's device is part of the item's history from when
    it enrolled until its successor did. A link begins when its device enrolled, or when the item's device before ended.
    """
    with work.engine.connect() as connection:
        held = connection.execute(select(register_devices)).all()
    changed = list(_Links(held, found, sides, today.isoformat()).changed())

    def put(connection: Connection, some: Sequence[Link]) -> None:
        _LINKS.write(connection, some)

    work.for_each(changed, put)
    return len(changed)


class _Links:
    """The links held, and what becomes of them."""

    def __init__(self, held: Sequence[Any], found: Reconciliation, sides: Sides, today: str) -> None:
        self.sides, self.today = sides, today
        self.known = {(row.item, row.device) for row in held}
        self.open = {(row.item, row.device): row for row in held if row.valid_to is None}
        self.ended_on: dict[int, str] = {}  # when each item's last ended link did
        for row in held:
            self._note_end(row.item, row.valid_to or "")
        self.wanted: dict[tuple[int, int], tuple[Agent, list[str]]] = {}
        self.item_of: dict[str, int] = {}
        for match in found.matches:
            group = match.group
            if group.register is not None and group.agent is not None:
                agent, item = sides.devices[group.agent], int(group.register)
                said = [*match.agreed, *(("person",) if match.confirmed else ())]
                self.wanted[item, agent.id] = (agent, said)
                self.item_of[group.agent] = item

    def _note_end(self, item: int, end: str) -> None:
        self.ended_on[item] = max(self.ended_on.get(item, ""), end)

    def changed(self) -> Iterator[Link]:
        """Yield the links that end, those of former selves, and those that begin."""
        yield from self._ended()
        yield from self._former()
        for pair, (agent, matched_on) in self.wanted.items():
            if pair not in self.open:
                begin = max(_day(agent.enrolled_at), self.ended_on.get(pair[0], ""))
                begin = self.today if pair in self.known else min(begin, self.today)
                yield (*pair, pack_date(begin), None, as_text(matched_on))

    def _ended(self) -> Iterator[Link]:
        until = {former.id: _day(former.until) for former in self.sides.formers}
        for pair, row in self.open.items():
            if pair not in self.wanted:
                end = max(row.valid_from, min(self.today, until.get(row.device, self.today)))
                self._note_end(row.item, end)
                yield (*pair, pack_date(row.valid_from), pack_date(end), as_text(row.matched_on))

    def _former(self) -> Iterator[Link]:
        for former in self.sides.formers:
            item = self.item_of.get(former.now)
            if item is not None and (item, former.id) not in self.known:
                end = _day(former.until)
                self._note_end(item, end)
                begin = pack_date(_day(former.enrolled_at))
                yield (item, former.id, begin, pack_date(end), as_text(["serial", "uuid"]))


def _day(epoch: int) -> str:
    return dt.datetime.fromtimestamp(epoch, dt.UTC).date().isoformat()
