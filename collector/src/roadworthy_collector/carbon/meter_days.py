"""Days of meters as they are kept: thousandths of a kWh by half-hour of the local day, each with its status.

A row of a register (a cumulative reading of a gas or older meter) stands in the same table under the channel
`register`, on the day it was read, so that a file of readings is undone like any other.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from roadworthy_collector.store.books_schema import batches
from roadworthy_collector.store.carbon_schema import meter_days
from roadworthy_inventory.calendar import local_day, local_days
from roadworthy_inventory.carbon.crc_evidence import days_apart_needed
from roadworthy_inventory.carbon.registers import Reading, used_between

MISSING = 0xFFFF_FFFF
REGISTER = "register"
ACTUAL, ESTIMATED, UNSTATED, NONE = "A", "E", "U", "-"
_REGISTER = struct.Struct("<BIB")  # digits, thousandths of a kWh a unit, whether it was reset before


@dataclass(slots=True)
class Sum:
    """Days of one supply and channel added up. Thousandths of a kWh; half-hours that have a figure."""

    thousandths: int = 0
    estimated_thousandths: int = 0
    unstated_thousandths: int = 0
    half_hours: int = 0
    estimated_half_hours: int = 0
    unstated_half_hours: int = 0
    days: int = 0
    first_actual: dt.date | None = None
    last_actual: dt.date | None = None
    by_register: bool = False

    def add(self, day: dt.date, values: Sequence[int | None], statuses: str) -> None:
        """Add a day."""
        self.days += 1
        for value, status in zip(values, statuses, strict=True):
            if value is None:
                continue
            self.half_hours += 1
            self.thousandths += value
            if status == ESTIMATED:
                self.estimated_half_hours += 1
                self.estimated_thousandths += value
            elif status == UNSTATED:
                self.unstated_half_hours += 1
                self.unstated_thousandths += value
        if ACTUAL in statuses:
            self.first_actual = min(self.first_actual or day, day)
            self.last_actual = max(self.last_actual or day, day)

    def add_row(self, row: Row[Any]) -> None:
        """Add a day as it is kept; most are actual from end to end and need no unpacking."""
        day = dt.date.fromisoformat(row.day)
        if row.statuses.count(ACTUAL) < len(row.statuses):
            self.add(day, unpack(row.half_hours), row.statuses)
            return
        self.days += 1
        self.half_hours += len(row.statuses)
        self.thousandths += row.kwh_thousandths
        self.first_actual = min(self.first_actual or day, day)
        self.last_actual = max(self.last_actual or day, day)


def pack(values: Sequence[int | None]) -> bytes:
    """Return the half-hours of a day as bytes, 32 bits each; None becomes all ones."""
    return struct.pack(f"<{len(values)}I", *(MISSING if value is None else value for value in values))


def unpack(packed: bytes) -> list[int | None]:
    """Return the half-hours `pack` was given."""
    told = struct.unpack(f"<{len(packed) // 4}I", packed)
    return [None if value == MISSING else value for value in told]


def pack_reading(reading: Reading) -> bytes:
    """Return what belongs to a reading beside its number."""
    return _REGISTER.pack(reading.digits, reading.kwh_thousandths_per_unit, reading.reset_before)


def reading_of(row: Row[Any]) -> Reading:
    """Return the reading of a row of channel REGISTER."""
    digits, each, reset = _REGISTER.unpack(row.half_hours)
    return Reading(
        day=dt.date.fromisoformat(row.day),
        thousandths=row.kwh_thousandths,
        actual=row.statuses == ACTUAL,
        digits=digits,
        kwh_thousandths_per_unit=each,
        reset_before=bool(reset),
    )


def expected(first: dt.date, last: dt.date, zone: str) -> int:
    """Return how many half-hours the local days from `first` to `last` have, both included."""
    if first > last:
        return 0
    return (local_day(last, zone).end - local_day(first, zone).start) // 1800


def counting(*columns: Any) -> Select[Any]:
    """Return a query of rows of batches that are finished and count."""
    query = select(*(columns or (meter_days,))).join(batches, batches.c.id == meter_days.c.batch)
    return query.where(batches.c.undone_at.is_(None), batches.c.unfinished.is_(False))


def days(
    connection: Connection,
    first: dt.date,
    last: dt.date,
    *,
    supply: int | Sequence[int] | None = None,
    channel: str | None = None,
) -> Iterator[Row[Any]]:
    """Yield the rows of half-hours from `first` to `last`, both included, a month at a time, by day."""
    begin = first
    while begin <= last:
        end = min(last, begin + dt.timedelta(days=30))
        query = counting().where(
            meter_days.c.day >= begin.isoformat(),
            meter_days.c.day <= end.isoformat(),
            meter_days.c.channel != REGISTER,
        )
        if supply is not None:
            some = [supply] if isinstance(supply, int) else list(supply)
            query = query.where(meter_days.c.supply.in_(some))
        if channel is not None:
            query = query.where(meter_days.c.channel == channel)
        yield from connection.execute(
            query.order_by(meter_days.c.day, meter_days.c.supply, meter_days.c.channel)
        )
        begin = end + dt.timedelta(days=1)


def totals(connection: Connection, first: dt.date, last: dt.date) -> dict[int, dict[str, Sum]]:
    """Return {supply: {channel: sum}} of these days; registers read around them under REGISTER."""
    found: dict[int, dict[str, Sum]] = defaultdict(dict)
    for row in days(connection, first, last):
        held = found[row.supply].setdefault(row.channel, Sum())
        held.add_row(row)
    for supply, told in totals_of_registers(connection, first, last).items():
        found[supply][REGISTER] = told
    return dict(found)


def totals_of_registers(connection: Connection, first: dt.date, last: dt.date) -> dict[int, Sum]:
    """Return {supply: what its registers say was used} of these days."""
    told = {supply: of_register(read, first, last) for supply, read in readings(connection).items()}
    return {supply: one for supply, one in told.items() if one is not None}


def readings(connection: Connection, supply: int | None = None) -> dict[int, list[Reading]]:
    """Return {supply: its register readings by day}."""
    found: dict[int, list[Reading]] = defaultdict(list)
    query = counting().where(meter_days.c.channel == REGISTER)
    if supply is not None:
        query = query.where(meter_days.c.supply == supply)
    for row in connection.execute(query.order_by(meter_days.c.supply, meter_days.c.day)):
        found[row.supply].append(reading_of(row))
    return dict(found)


def of_register(read: Sequence[Reading], first: dt.date, last: dt.date) -> Sum | None:
    """Return what a register says was used from `first` to `last`, None where its readings say nothing of them."""
    if len(read) < 2:
        return None
    found = Sum(by_register=True)
    for part in used_between(read, first, last):
        found.thousandths += part.thousandths
        if not part.actual:
            found.estimated_thousandths += part.thousandths
        found.days += part.days
    inside = [one.day for one in read if one.actual and first <= one.day <= last]
    found.first_actual, found.last_actual = min(inside, default=None), max(inside, default=None)
    return found if found.days else None


def local_length(day: dt.date, zone: str) -> int:
    """Return how many half-hours a local day has: 46, 48 or 50 in the United Kingdom."""
    return next(local_days(day, day, zone))[1].periods


def by_rule_estimated(
    first: dt.date, last: dt.date, first_actual: dt.date | None, last_actual: dt.date | None
) -> bool:
    """Whether the time from `first` to `last` counts as estimated by the rule of CRC, for any year.

    Actual are two actual readings half of that time apart; a half-hour marked A is one.
    """
    if first_actual is None or last_actual is None:
        return True
    return (last_actual - first_actual).days < days_apart_needed(first, last)
