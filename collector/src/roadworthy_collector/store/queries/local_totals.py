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

from sqlalchemy import Connection, Select, Table, select

from roadworthy_collector.store.schema import days, local_days
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS
from roadworthy_inventory.calendar import Span, local_day, utc_date, utc_day

_DATES_PER_QUERY = 100


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
    device: int | tuple[int, int] | frozenset[int] | None = None,
) -> Iterator[LocalTotal]:
    """Yield the totals of each device, or of `device` alone, of the local days from `first` to `last`, both included.

    `device` may be a first and a last row id (of the devices between, both included) or a set of some. `columns` are names both tables
    have. Days come some at a time, in no order among them.
    """
    for some in _pieces(first, last):
        utc = [utc_day(day).start for day in some if is_utc_day(day, zone)]
        own = [day.isoformat() for day in some if not is_utc_day(day, zone)]
        if utc:
            query = select(days.c.day, days.c.device, *(days.c[name] for name in columns))
            query = query.where(days.c.day.in_(utc))
            # Of as many days as there are, not as many rows.
            known = {day: (utc_date(day), Span(day, day + DAY_SECONDS)) for day in utc}
            for row in connection.execute(_of(query, days, device)):
                day, span = known[row.day]
                yield LocalTotal(day, row.device, span, row)
        if own:
            key = (local_days.c.date, local_days.c.device, local_days.c.start, local_days.c.half_hours)
            query = select(*key, *(local_days.c[name] for name in columns)).where(local_days.c.date.in_(own))
            dates = {text: date.fromisoformat(text) for text in own}
            spans: dict[tuple[int, int], Span] = {}
            for row in connection.execute(_of(query, local_days, device)):
                key_ = row.start, row.half_hours
                span = spans.get(key_) or spans.setdefault(
                    key_, Span(row.start, row.start + row.half_hours * PERIOD_SECONDS)
                )
                yield LocalTotal(dates[row.date], row.device, span, row)


def _of(
    query: Select[Any], table: Table, device: int | tuple[int, int] | frozenset[int] | None
) -> Select[Any]:
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
