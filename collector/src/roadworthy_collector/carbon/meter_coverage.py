"""The gap chaser: which half-hours of a year each supply has, which are estimated, and the days to ask for."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.carbon import meter_days, supplies
from roadworthy_collector.carbon.meter_days import Sum
from roadworthy_collector.carbon.supplies import Supply
from roadworthy_inventory.calendar import months
from roadworthy_inventory.carbon.years import year_days

RANGES = 50


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a supply: half-hours it has, of those there are up to today, and of which status."""

    month: str
    expected: int
    held: int
    estimated: int
    unstated: int

    @property
    def ratio(self) -> float | None:
        """Held over expected; None where nothing is expected."""
        return self.held / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Gap:
    """Days in a row, all or a part of whose half-hours are missing; both included."""

    first: dt.date
    last: dt.date
    half_hours: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """A supply over a year, import only. `estimated` by the 183-day rule; ratios of half-hours that are there.

    `by_register`: it is read by a register, of which no half-hours are expected. `gaps`: the first RANGES.
    """

    number: str
    name: str | None
    fuel: str
    sites: tuple[str, ...]
    months: tuple[Month, ...]
    gaps: tuple[Gap, ...]
    kwh_thousandths: int
    expected: int
    held: int
    estimated_half_hours: int
    unstated_half_hours: int
    by_register: bool
    estimated: bool

    @property
    def missing(self) -> int:
        """Half-hours without a figure."""
        return self.expected - self.held

    def shown(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        return {
            "supply": self.number,
            "name": self.name,
            "fuel": self.fuel,
            "sites": list(self.sites),
            "kwh": self.kwh_thousandths / 1000,
            "expected_half_hours": self.expected,
            "missing_half_hours": self.missing,
            "estimated_ratio": self.estimated_half_hours / self.held if self.held else None,
            "unstated_ratio": self.unstated_half_hours / self.held if self.held else None,
            "by_register": self.by_register,
            "counts_as": "estimated" if self.estimated else "actual",
            "months": [
                {"month": one.month, "expected": one.expected, "held": one.held, "estimated": one.estimated}
                for one in self.months
            ],
            "gaps": [
                {"first": str(one.first), "last": str(one.last), "half_hours": one.half_hours}
                for one in self.gaps
            ],
        }


def year(
    connection: Connection, began: int, *, zone: str, today: dt.date, restricted: bool = False
) -> list[Coverage]:
    """Return every supply with a day of responsibility in the financial year that begins in `began`, up to today."""
    first, last = year_days(began)
    last = min(last, today - dt.timedelta(days=1))  # today is not over
    shown = supplies.read(connection, restricted=restricted)
    held: dict[int, dict[dt.date, Any]] = defaultdict(dict)
    ids = [one.id for one in shown]
    for row in meter_days.days(connection, first, last, supply=ids, channel="import") if ids else ():
        held[row.supply][dt.date.fromisoformat(row.day)] = row
    registers = meter_days.totals_of_registers(connection, first, last)
    found = []
    for one in shown:
        span = one.responsible(first, last) if first <= last else None
        if span is not None:
            found.append(_coverage(one, span, held[one.id], registers.get(one.id), zone))
    return found


def _coverage(
    supply: Supply, span: tuple[dt.date, dt.date], held: dict[dt.date, Any], register: Sum | None, zone: str
) -> Coverage:
    expected = dict.fromkeys(months(*span), 0)
    parts = {month: Sum() for month in expected}
    whole, missing = Sum(), []
    by_register = register is not None and not held
    day = span[0]
    while day <= span[1]:
        row = held.get(day)
        length = len(row.statuses) if row is not None else meter_days.local_length(day, zone)
        if not by_register:
            expected[day.year, day.month] += length
        if row is not None:
            parts[day.year, day.month].add_row(row)
            whole.add_row(row)
        gone = length if row is None else row.statuses.count(meter_days.NONE)
        if gone and not by_register:
            missing.append((day, gone))
        day += dt.timedelta(days=1)
    rows = tuple(_month(key, expected[key], told) for key, told in parts.items())
    counted = register if by_register and register is not None else whole
    return Coverage(
        supply.number,
        supply.name,
        supply.fuel,
        tuple(dict.fromkeys(place.name for place in supply.places)),
        rows,
        _ranges(missing),
        counted.thousandths,
        sum(one.expected for one in rows),
        whole.half_hours,
        whole.estimated_half_hours,
        whole.unstated_half_hours,
        by_register,
        meter_days.by_rule_estimated(*span, counted.first_actual, counted.last_actual),
    )


def _month(key: tuple[int, int], expected: int, told: Sum) -> Month:
    name = f"{key[0]}-{key[1]:02d}"
    return Month(name, expected, told.half_hours, told.estimated_half_hours, told.unstated_half_hours)


def _ranges(missing: Sequence[tuple[dt.date, int]]) -> tuple[Gap, ...]:
    found: list[Gap] = []
    for day, gone in missing:
        if found and (day - found[-1].last).days == 1:
            found[-1] = Gap(found[-1].first, day, found[-1].half_hours + gone)
        else:
            found.append(Gap(day, day, gone))
    return tuple(found[:RANGES])
