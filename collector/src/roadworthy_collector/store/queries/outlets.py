"""Energy by outlet and local day, added up of half-hours as daily totals are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.snmp_schema import outlet_days, outlet_half_hours
from roadworthy_collector.store.statements import BulkUpsert
from roadworthy_inventory.calendar import Span

_DAYS = BulkUpsert(outlet_days)
_WEAKEST = ("metered", "sensor", "modelled", "assumed", "other")


class OutletDay(NamedTuple):
    """What went through one outlet in a local day."""

    joules: int
    covered_seconds: int
    quality: str


def roll_up(connection: Connection, some: Sequence[int], days: Sequence[tuple[date, Span]]) -> None:
    """Replace the totals of the outlets of these devices on local days by what their half-hours say now."""
    if not days:
        return
    column = outlet_half_hours.c
    query = select(
        column.device, column.outlet, column.start, column.joules, column.covered_seconds, column.quality
    )
    first, last = min(span.start for _, span in days), max(span.end for _, span in days)
    query = query.where(column.device.in_(some), column.start >= first, column.start < last)
    found: dict[tuple[int, str, int], list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        for day, span in days:
            if span.start <= row.start < span.end:
                found[row.device, row.outlet, pack_date(day.isoformat())].append(row)
    rows = []
    for key, halves in sorted(found.items()):
        weakest = max((row.quality for row in halves), key=_WEAKEST.index)
        total, covered = sum(row.joules for row in halves), sum(row.covered_seconds for row in halves)
        rows.append((*key, total, covered, weakest))
    _DAYS.write(connection, rows)


def read(
    connection: Connection, first: date, last: date, some: Collection[int] | None = None
) -> dict[tuple[int, str, date], OutletDay]:
    """Return {(device, outlet, local day): what went through it} from `first` to `last`, of all or `some` devices."""
    query = select(outlet_days).where(outlet_days.c.date.between(first.isoformat(), last.isoformat()))
    if some is not None:
        query = query.where(outlet_days.c.device.in_(sorted(some)))
    return {
        (row.device, row.outlet, date.fromisoformat(row.date)): OutletDay(
            row.joules, row.covered_seconds, row.quality
        )
        for row in connection.execute(query)
    }
