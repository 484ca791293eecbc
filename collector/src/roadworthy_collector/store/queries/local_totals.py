"""Daily totals of days as people count them, in the reporting time zone: the way to read them.

A local day that is the UTC day of its date (in the United Kingdom from late October to late March) is not kept twice:
it stands in `days` alone, all others in `local_days` (docs/decisions/0020). Which of the two follows from date and zone
and never from which rows there are: on a day the two differ a device may have a row in one and none in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Select, Table, select, type_coerce

from roadworthy_collector.store.columns import pack_date, pack_midnight
from roadworthy_collector.store.schema import days, local_days
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS
from roadworthy_inventory.calendar import Span, local_day, utc_date, utc_day

_DATES_PER_QUERY = 100
# One row id, a first and a last one (and those between), a set of some, or all devices.
Devices = int | tuple[int, int] | frozenset[int] | None


class LocalTotal(NamedTuple):
    """One device's totals of one local day; `values` has the columns asked for."""

    date: date
    device: int
    span: Span  # of 46, 48 or 50 half-hours in the United Kingdom
    values: Any


@lru_cache(maxsize=4096)  # years of days, and each is asked about for every page of months
def is_utc_day(day: date, zone: str) -> bool:
    """Return whether the local day `day` of `zone` begins and ends with the UTC day of that date."""
    return local_day(day, zone) == utc_day(day)


def read(
    connection: Connection,
    first: date,
    last: date,
    zone: str,
    columns: Sequence[str],
    device: Devices = None,
) -> Iterator[LocalTotal]:
    """Yield the totals of each device, or of `device` alone, of the local days from `first` to `last`, both included.

    `device` may be a first and a last row id (of the devices between, both included) or a set of some. `columns` are names both tables
    have. Days come some at a time, in no order among them.
    """
    for some in _pieces(first, last):
        utc = [utc_day(day).start for day in some if is_utc_day(day, zone)]
        own = [day.isoformat() for day in some if not is_utc_day(day, zone)]
        if utc:
            # Keys as they are stored: they are read once a row, and there are as many days as there are, not as rows.
            key = type_coerce(days.c.day, Integer).label("stored")
            query = select(key, days.c.device, *(days.c[name] for name in columns))
            query = query.where(days.c.day.in_(utc))
            known = {pack_midnight(day): (utc_date(day), Span(day, day + DAY_SECONDS)) for day in utc}
            for row in connection.execute(of_devices(query, days, device)):
                day, span = known[row.stored]
                yield LocalTotal(day, row.device, span, row)
        if own:
            stored = (
                type_coerce(local_days.c[name], Integer).label(f"stored_{name}") for name in ("date", "start")
            )
            keys = (*stored, local_days.c.device, local_days.c.half_hours)
            query = select(*keys, *(local_days.c[name] for name in columns)).where(local_days.c.date.in_(own))
            dates = {pack_date(text): date.fromisoformat(text) for text in own}
            spans: dict[tuple[int, int], Span] = {}
            for row in connection.execute(of_devices(query, local_days, device)):
                begin, count = row.stored_start, row.half_hours
                if (begin, count) not in spans:
                    spans[begin, count] = Span(begin * PERIOD_SECONDS, (begin + count) * PERIOD_SECONDS)
                yield LocalTotal(dates[row.stored_date], row.device, spans[begin, count], row)


def of_devices(query: Select[Any], table: Table, device: Devices) -> Select[Any]:
    """Return a query of a table keyed by `device` narrowed to some devices."""
    if device is None:
        return query
    if isinstance(device, frozenset):
        return query.where(table.c.device.in_(sorted(device)))
    mine = table.c.device == device if isinstance(device, int) else table.c.device.between(*device)
    return query.where(mine)


def _pieces(first: date, last: date) -> Iterator[list[date]]:
    for begin in range(0, (last - first).days + 1, _DATES_PER_QUERY):
        end = min(begin + _DATES_PER_QUERY, (last - first).days + 1)
        yield [first + timedelta(days=n) for n in range(begin, end)]
