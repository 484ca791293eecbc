"""Days of devices that hang on one another, as the energy ledger and its evidence take them: each joule once.

`Fed` stands between the daily totals and whoever adds them up: it puts what a device counts in place of what it told,
adds days it told nothing of and an outlet did, and takes out those of devices that are not in the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, update

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.queries.local_totals import LocalTotal
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.snmp_schema import energy_overlaps, feeds
from roadworthy_collector.store.statements import BulkDelete, BulkUpsert
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.feeding import CONTROLLER, Counted

ERASED_FED = -1  # what a feeder does not count because a device counted it that is erased since
STATES = ("in_use_seconds", "idle_seconds", "locked_seconds", "asleep_seconds", "off_seconds")
_ON = STATES[:3]
_OVERLAPS = BulkUpsert(energy_overlaps)
_KEY = tuple(column.name for column in energy_overlaps.primary_key.columns)
_GONE = BulkDelete(energy_overlaps, *_KEY)
Key = tuple[int, str, int, str]  # feeder, outlet, fed, why
Some = tuple[int, int] | frozenset[int]  # devices between two row ids, both included, or these alone


class FedDay(NamedTuple):
    """A day's totals as the ledger adds them up; `joules` are those the device counts."""

    site: int
    unit: int
    observed_seconds: int
    in_use_seconds: int
    idle_seconds: int
    locked_seconds: int
    asleep_seconds: int
    off_seconds: int
    unobserved_seconds: int
    cpu_mean_ratio: float | None
    joules: dict[str, dict[str, int]] | None


@dataclass(slots=True)
class Fed:
    """Some days: {device: {date: what counts instead of what it told; None: it is not in the ledger}}, and overlaps."""

    days: dict[int, dict[dt.date, FedDay | None]] = field(default_factory=dict)
    overlaps: dict[Key, list[int]] = field(default_factory=dict)  # [days, joules]
    zone: str = "UTC"

    def totals(self, told: Iterable[LocalTotal], some: Some) -> Iterator[LocalTotal]:
        """Yield the totals of some devices as they count."""
        mine = sorted(self._mine(some))
        return self._totals(told, mine) if mine else iter(told)

    def _totals(self, told: Iterable[LocalTotal], some: Sequence[int]) -> Iterator[LocalTotal]:
        seen: set[tuple[int, dt.date]] = set()
        for total in told:
            mine = self.days.get(total.device)
            if mine is None or total.date not in mine:
                yield total
                continue
            seen.add((total.device, total.date))
            if (counts := mine[total.date]) is not None:
                yield total._replace(values=counts)
        for device in some:
            for date, counts in sorted(self.days[device].items()):
                if counts is not None and (device, date) not in seen:
                    yield LocalTotal(date, device, local_day(date, self.zone), counts)

    def outside(self, some: Some) -> Iterator[tuple[int, set[dt.date]]]:
        """Yield those of some devices with their days that are not in the ledger, told or not."""
        for device in self._mine(some):
            dates = {date for date, counts in self.days[device].items() if counts is None}
            if dates:
                yield device, dates

    def _mine(self, some: Some) -> list[int]:
        if isinstance(some, frozenset):
            return [device for device in self.days if device in some]
        first, last = some
        return [device for device in self.days if first <= device <= last]

    def take_off(self, feeder: int, joules: int) -> None:
        """Take off a feeder's days, the first first, what a device counted that is erased since."""
        for date, counts in sorted(self.days.get(feeder, {}).items()):
            wall = (counts.joules or {}).get("wall", {}) if counts is not None else {}
            for quality, some in sorted(wall.items()):
                part = min(some, joules)
                wall[quality] = some - part
                joules -= part
            if counts is not None and wall:
                self.days[feeder][date] = counts._replace(joules={"wall": wall})


def as_day(counted: Counted, told: Any, place: tuple[int, int], day_seconds: float) -> FedDay:
    """Return a day with what a device counts; `told` is its own row, None where it told nothing, then at `place`.

    States are its own; seconds the meter that speaks for it did not see are unknown.
    """
    states = {name: 0 if told is None else int(getattr(told, name)) for name in STATES}
    site, unit = place if told is None else (told.site, told.unit)
    return FedDay(
        **states,
        site=site,
        unit=unit,
        observed_seconds=sum(states[name] for name in _ON),
        unobserved_seconds=int(max(day_seconds - counted.covered_seconds, 0)),
        cpu_mean_ratio=None if told is None else told.cpu_mean_ratio,
        joules={"wall": dict(counted.joules)},
    )


def write_overlaps(work: Work, first: dt.date, overlaps: Mapping[Key, list[int]]) -> None:
    """Put a month's overlaps in place of those held, in short transactions; those of erased devices stay."""
    month = pack_date(first.isoformat())
    with work.engine.connect() as connection:
        held = _held(connection, first)
    rows = [(month, *key, *counts) for key, counts in sorted(overlaps.items())]
    work.for_each(rows, _OVERLAPS.write)
    gone = [(month, *key) for key in held if key not in overlaps and key[2] != ERASED_FED]
    work.for_each(gone, _GONE.write)


def _held(connection: Connection, first: dt.date) -> list[Key]:
    column = energy_overlaps.c
    query = select(column.feeder, column.outlet, column.fed, column.why)
    rows = connection.execute(query.where(column.month == first.isoformat()))
    return [(row.feeder, row.outlet, row.fed, row.why) for row in rows]


def leave(connection: Connection, device: int) -> None:
    """Remove a device's overlaps for its erasure; that its feeders do not count what it counted stays, without it.

    What hung on them is nothing known from then on. A controller's server is gone, and so is what the controller told
    of it: the statement goes, and the controller counts nothing.
    """
    column = energy_overlaps.c
    units = select(devices.c.id).where(devices.c.device_class != CONTROLLER)
    connection.execute(update(feeds).where(feeds.c.fed == device, feeds.c.feeder.in_(units)).values(fed=None))
    mine = select(energy_overlaps).where(column.fed == device, column.why == "feeder")
    for row in connection.execute(mine).all():
        key = {
            "month": row.month,
            "feeder": row.feeder,
            "outlet": row.outlet,
            "fed": ERASED_FED,
            "why": row.why,
        }
        same = [column[name] == value for name, value in key.items()]
        held = connection.execute(select(column.days, column.joules).where(*same)).one_or_none()
        days, joules = (0, 0) if held is None else held
        connection.execute(delete(energy_overlaps).where(*same))
        values = key | {"days": max(days, row.days), "joules": joules + row.joules}
        connection.execute(energy_overlaps.insert().values(values))
    connection.execute(delete(energy_overlaps).where((column.fed == device) | (column.feeder == device)))


def erased(connection: Connection, first: dt.date) -> dict[Key, list[int]]:
    """Return the month's overlaps with devices that are erased since."""
    column = energy_overlaps.c
    query = select(energy_overlaps).where(column.month == first.isoformat(), column.fed == ERASED_FED)
    return {
        (row.feeder, row.outlet, row.fed, row.why): [row.days, row.joules]
        for row in connection.execute(query)
    }
